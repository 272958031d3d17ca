/** Tables of a kind that is rare: what their catalogue says is not what a reader sees, or what is done to them is not what happens. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Schema } from '../../lib/values/types.ts';
import { claimOf, column, destinationOf, failure, freshName, openSource, readTable, writeAll } from '../conformance/drive.ts';
import { postgresHarness, quote } from './postgres-harness.ts';

let harness: Awaited<ReturnType<typeof postgresHarness>>;
beforeAll(async () => {
  harness = await postgresHarness();
});
afterAll(async () => harness[Symbol.asyncDispose]());

const rowsOf = async (sql: string): Promise<unknown[][]> => (await harness.client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;

describe('a table that others inherit from', () => {
  it('is read with their rows, and its own key does not count as one', async () => {
    const [parent, child] = [freshName('parent'), freshName('child')];
    await harness.client.query(`CREATE TABLE ${quote(parent)} (id int PRIMARY KEY, v text);
      CREATE TABLE ${quote(child)} () INHERITS (${quote(parent)}); ALTER TABLE ${quote(child)} ALTER id DROP NOT NULL;
      INSERT INTO ${quote(parent)} VALUES (1, 'p1'), (2, 'p2'), (3, 'p3'); INSERT INTO ${quote(child)} VALUES (2, 'c2')`);
    await using source = await openSource(harness, parent);
    expect(source.schema.key).toEqual([]);
    expect(source.schema.columns[0]?.nullable).toBe(true);
    const { boundaries, rows } = await readTable(harness, parent, { mode: 'id', cursor: { column: 'id' }, read: { maxRows: 1 } });
    expect(rows.map(([id]) => id)).toEqual(['1', '2', '2', '3']);
    expect(boundaries.map((boundary) => boundary.rows)).toEqual([1, 3, 4]);
    // The child itself has no children
    await harness.client.query(`DELETE FROM ONLY ${quote(child)}; ALTER TABLE ${quote(child)} ADD PRIMARY KEY (id)`);
    await using own = await openSource(harness, child);
    expect(own.schema.key).toEqual(['id']);
  });

  it('keeps its key where its children are partitions', async () => {
    const parent = freshName('parted');
    await harness.client.query(`CREATE TABLE ${quote(parent)} (id int PRIMARY KEY) PARTITION BY RANGE (id);
      CREATE TABLE ${quote(`${parent}_1`)} PARTITION OF ${quote(parent)} FOR VALUES FROM (0) TO (10)`);
    await using source = await openSource(harness, parent);
    expect(source.schema.key).toEqual(['id']);
  });
});

describe('dates past the year 999999', () => {
  it('pass the row path by text and in binary, and are positions', async () => {
    const from = freshName('far');
    const days = ['999999-12-31', '1000000-01-01', '5874897-12-31'];
    await harness.client.query(`CREATE TABLE ${quote(from)} (day date PRIMARY KEY); INSERT INTO ${quote(from)} VALUES ('${days.join("'), ('")}')`);
    const { rows, schema } = await readTable(harness, from, { peer: 'postgres' });
    expect(rows.map(([day]) => day)).toEqual(['+999999-12-31', '+1000000-01-01', '+5874897-12-31']);
    for (const more of [[], [column('tags', 'string')]]) {
      const to = freshName('far');
      // An interval goes by text
      await harness.client.query(`CREATE TABLE ${quote(to)} (day date${more.length === 0 ? '' : ', tags interval'})`);
      await writeAll(harness, { name: to, columns: [...schema.columns, ...more], key: [] }, more.length === 0 ? rows : rows.map((row) => [...row, '1 day']));
      expect(await rowsOf(`SELECT day::text FROM ${quote(to)} AS t ORDER BY t.day`)).toEqual(days.map((day) => [day]));
      const beyond = { name: to, columns: [...schema.columns, ...more], key: [] };
      const row = more.length === 0 ? ['+5874898-01-01'] : ['+5874898-01-01', '1 day'];
      await failure(() => writeAll(harness, beyond, [row], { claim: claimOf(2) }), 'VALUE_UNREPRESENTABLE', to, 'day');
    }
    await using source = await openSource(harness, from, { mode: 'id', cursor: { column: 'day' } });
    for (const rawFormat of [undefined, 'pg-copy-binary']) {
      const left: number[] = [];
      for (const from of [null, ...['+999999-12-31', '+1000000-01-01', '+5874897-12-31'].map((day) => source.cursorAfter?.([day]) ?? null)]) {
        let count = 0;
        const options = { from, maxRows: 10, maxBytes: 10_000, ...(rawFormat === undefined ? {} : { rawFormat }) };
        for await (const chunk of source.read(options, new AbortController().signal)) {
          count += chunk.kind === 'rows' ? chunk.rows.length : chunk.rowCount;
          if (chunk.boundary !== null) expect(chunk.boundary).toContain('+5874897-12-31');
        }
        left.push(count);
      }
      expect(left).toEqual([3, 2, 1, 0]);
    }
  });
});

describe('a key that is equal and yet another value', () => {
  const cases: readonly [type: string, logical: Parameters<typeof column>[1], before: string, after: string][] = [
    ['numeric', 'decimal', '1.0', '1.00'],
    ['double precision', 'float64', '-0', '0'],
    ['interval', 'string', '24:00:00', '1 day'],
    ['text COLLATE folding', 'string', 'abc', 'ABC'],
    ['int GENERATED BY DEFAULT AS IDENTITY', 'int32', '1', '1'],
    ['int GENERATED ALWAYS AS IDENTITY', 'int32', '1', '1'],
  ];
  it.each(cases)('is written by an upsert: %s', async (type, logical, before, after) => {
    await harness.client.query("CREATE COLLATION IF NOT EXISTS folding (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
    for (const more of [[], [column('v', 'string')]]) {
      const schema: Schema = { name: freshName('spelled'), columns: [column('k', logical, false), ...more], key: ['k'] };
      await harness.client.query(`CREATE TABLE ${quote(schema.name)} (k ${type} PRIMARY KEY${more.length === 0 ? '' : ', v text'})`);
      const row = (k: string, v: string): string[] => (more.length === 0 ? [k] : [k, v]);
      await writeAll(harness, schema, [row(before, 'old')], { write: 'upsert' });
      await writeAll(harness, schema, [row(after, 'new')], { write: 'upsert' });
      expect(await rowsOf(`SELECT * FROM ${quote(schema.name)}`)).toEqual([row(after, 'new')]);
    }
  });

  it('is written by a replace of a table that others refer to', async () => {
    const schema: Schema = { name: freshName('referred'), columns: [column('k', 'decimal', false)], key: ['k'] };
    await harness.client.query(`CREATE TABLE ${quote(schema.name)} (k numeric PRIMARY KEY); INSERT INTO ${quote(schema.name)} VALUES (1.0);
      CREATE TABLE ${quote(`${schema.name}_c`)} (k numeric REFERENCES ${quote(schema.name)}); INSERT INTO ${quote(`${schema.name}_c`)} VALUES (1)`);
    await writeAll(harness, schema, [['1.00']], { write: 'replace', batch: { cursor: null, final: true } });
    expect(await rowsOf(`SELECT k FROM ${quote(schema.name)}`)).toEqual([['1.00']]);
    expect(await rowsOf(`SELECT k FROM ${quote(`${schema.name}_c`)}`)).toEqual([['1']]);
  });
});

describe('the statement of an upsert', () => {
  it('sets no column of a key whose equal values are one', async () => {
    const name = freshName('plain');
    const columns = [column('a', 'int64', false), column('b', 'uuid', false), column('c', 'string', false), column('v', 'string')];
    await harness.client.query(`CREATE TABLE ${quote(name)} (a bigint, b uuid, c text, v text, PRIMARY KEY (a, b, c));
      CREATE FUNCTION ${quote(`${name}_f`)}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''key''; END';
      CREATE TRIGGER t BEFORE UPDATE OF a, b, c ON ${quote(name)} EXECUTE FUNCTION ${quote(`${name}_f`)}()`);
    const schema: Schema = { name, columns, key: ['a', 'b', 'c'] };
    for (const v of ['old', 'new']) await writeAll(harness, schema, [['1', '00000000-0000-0000-0000-000000000001', 'c', v]], { write: 'upsert' });
    expect(await rowsOf(`SELECT v FROM ${quote(name)}`)).toEqual([['new']]);
  });
});

describe('old rows that a replace cannot delete', () => {
  it.each(['trigger', 'trigger, referenced', 'rule', 'policy'])('roll it back: %s', async (way) => {
    const schema: Schema = { name: freshName('kept'), columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] };
    const [table, role] = [quote(schema.name), quote(`${schema.name}_role`)];
    await harness.client.query(`CREATE TABLE ${table} (id bigint PRIMARY KEY, v text); INSERT INTO ${table} VALUES (9, 'stale')`);
    if (way.startsWith('trigger'))
      await harness.client.query(`CREATE FUNCTION ${quote(`${schema.name}_f`)}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keeps BEFORE DELETE ON ${table} FOR EACH ROW EXECUTE FUNCTION ${quote(`${schema.name}_f`)}()`);
    if (way.endsWith('referenced')) await harness.client.query(`CREATE TABLE ${quote(`${schema.name}_c`)} (p bigint REFERENCES ${table} ON DELETE CASCADE)`);
    if (way === 'rule') await harness.client.query(`CREATE RULE keeps AS ON DELETE TO ${table} DO INSTEAD NOTHING`);
    let as = harness;
    if (way === 'policy') {
      const url = new URL(harness.url);
      await harness.client.query(`CREATE ROLE ${role} LOGIN PASSWORD 'idra-test'; GRANT ${quote(url.username)} TO ${role};
        ALTER TABLE ${table} OWNER TO ${role}; ALTER TABLE ${table} ENABLE ROW LEVEL SECURITY; ALTER TABLE ${table} FORCE ROW LEVEL SECURITY;
        CREATE POLICY reads ON ${table} FOR SELECT USING (true); CREATE POLICY adds ON ${table} FOR INSERT WITH CHECK (true)`);
      [url.username, url.password] = [`${schema.name}_role`, 'idra-test'];
      as = { ...harness, connection: { ...(harness.connection as object), url: url.href } };
    }
    const write = { write: 'replace', batch: { cursor: null, final: true } } as const;
    await failure(() => writeAll(as, schema, [['1', 'new']], write), 'ROWS_UNACCOUNTED', schema.name, 'kept rows');
    expect(await rowsOf(`SELECT id, v FROM ${table}`)).toEqual([['9', 'stale']]);
    await using destination = await destinationOf(as, schema.name, { write: 'replace' });
    expect(await destination.state()).toMatchObject({ seq: 0n });
  });
});
