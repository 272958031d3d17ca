/** What PostgreSQL alone has: the raw path, its own types between two of its kind, the exact watermark, what it would change silently, sessions that end. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Chunk, ReadOptions, Source } from '../../lib/connectors/connector.ts';
import type { Column, Row, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, destinationOf, failure, freshName, openSource, openWriter, readTable, writeAll } from '../conformance/drive.ts';
import { postgresHarness, quote } from './postgres-harness.ts';

let harness: Awaited<ReturnType<typeof postgresHarness>>;
beforeAll(async () => {
  harness = await postgresHarness();
});
afterAll(async () => harness[Symbol.asyncDispose]());

const own = { peer: 'postgres' } as const;
const rowsOf = async (sql: string): Promise<unknown[][]> => (await harness.client.query<unknown[]>({ text: sql, rowMode: 'array' })).rows;
const sameRows = async (a: string, b: string): Promise<void> => {
  const [row] = await rowsOf(
    `SELECT count(*) FROM ${quote(a)} AS left_side FULL JOIN ${quote(b)} AS right_side USING (id) WHERE left_side::text IS DISTINCT FROM right_side::text`,
  );
  expect(row).toEqual(['0']);
  expect(await rowsOf(`SELECT count(*) FROM ${quote(a)}`)).toEqual(await rowsOf(`SELECT count(*) FROM ${quote(b)}`));
};
async function chunks(source: Source, options: Partial<ReadOptions>): Promise<Chunk[]> {
  const all: Chunk[] = [];
  for await (const chunk of source.read({ from: null, maxRows: 50_000, maxBytes: 1_000_000, ...options }, new AbortController().signal)) all.push(chunk);
  return all;
}

/** Reads one table and writes it to another on one path, committing after each chunk. */
async function move(from: string, to: string, rawFormat?: string): Promise<void> {
  await using source = await openSource(harness, from, { ...own });
  await using open = await openWriter(harness, { ...source.schema, name: to }, { ...own, sync: to, claim: claimOf(1, { sync: to }) });
  if (rawFormat !== undefined) expect(open.target.rawFormats).toEqual(source.rawFormats);
  const options = { from: null, maxRows: 300, maxBytes: 50_000, ...(rawFormat === undefined ? {} : { rawFormat }) };
  for await (const chunk of source.read(options, new AbortController().signal)) {
    await open.writer.write(chunk);
    await open.writer.commit(batchOf(chunk.boundary));
  }
}

describe('between two PostgreSQL', () => {
  const types = `id bigint PRIMARY KEY, small int2, n numeric(38,20), bare numeric, r real, d double precision, b boolean, t text, v varchar(10), c char(5), y bytea, day date,
    tm time(3), tz timetz, ts timestamp(3), tsz timestamptz, i interval, u uuid, j json, jb jsonb, ip inet, bits bit(3)`;
  const values = `SELECT g, g, 500 + g / 7.0, 'NaN'::numeric, 0.1::real + g, g / 3.0::float8, g % 2 = 0, CASE WHEN g % 3 = 0 THEN NULL ELSE E'tab\\t back\\\\ line\\n é 😀' || g END, 'x ', 'ab',
    decode(lpad(to_hex(g), 8, '0'), 'hex'), date '0044-03-15 BC' + g, time '23:59:59.999', timetz '10:00+05:30', timestamp '1850-01-01 00:00:00.123' + g * interval '1 day',
    CASE g % 4 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN '12024-01-01 00:00:00.000001+00' ELSE now() END::timestamptz,
    interval '1 mon 2 days' * g, md5(g::text)::uuid, '{"a": 1.10,  "a": 12345678901234567890}', '{"b": 1.10}', '10.0.0.1/8', B'101' FROM generate_series(1, 1000) AS g`;

  it('moves the same rows raw and decoded, cut anywhere', async () => {
    const from = freshName('from');
    await harness.execute?.(`CREATE TABLE ${quote(from)} (${types}); INSERT INTO ${quote(from)} ${values}`);
    const [raw, decoded] = [freshName('raw'), freshName('decoded')];
    await move(from, raw, 'pg-copy-binary');
    await move(from, decoded);
    await sameRows(from, raw);
    await sameRows(from, decoded);
  });

  it('keeps types of its own exactly: arrays, enums, ranges, domains', async () => {
    const [from, to, mood] = [freshName('special'), freshName('copy'), freshName('mood')];
    await harness.execute?.(`CREATE TYPE ${quote(mood)} AS ENUM ('sad', 'it''s, "ok"'); CREATE DOMAIN ${quote(`${mood}_d`)} AS numeric(10,2) CHECK (VALUE > 0);
      CREATE TABLE ${quote(from)} (id int PRIMARY KEY, m ${quote(mood)}, a numeric(6,2)[], tx text[][], ms ${quote(mood)}[], r tstzrange, d ${quote(`${mood}_d`)}, x xml);
      INSERT INTO ${quote(from)} VALUES (1, 'sad', '{1.10,NaN,NULL}', '{{"a,b","c\\"d"},{"\\\\",""}}', '{sad,"it''s, \\"ok\\""}', '[2024-01-01,infinity)', 1.10, '<a>é</a>'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`);
    await move(from, to);
    const differing = await rowsOf(`SELECT count(*) FROM ${quote(from)} f JOIN ${quote(to)} t USING (id) WHERE f::text IS DISTINCT FROM t::text`);
    expect(differing).toEqual([['0']]);
    const declared = await rowsOf(
      `SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '${quote(to)}'::regclass AND attname IN ('m', 'a', 'd') ORDER BY attname`,
    );
    expect(declared).toEqual([['numeric(6,2)[]'], ['numeric(10,2)'], [mood]]);
  });

  it('gives arrays to other systems as JSON with every digit, and a real as the double that it is', async () => {
    const { rows, schema } = await readTable(harness, freshName(), {
      options: harness.query?.('SELECT 1 AS id, ARRAY[1.10::numeric, 12345678901234567890.5] AS a, 0.1::real AS r, 12.5::money AS m'),
      cursor: { key: ['id'] },
    });
    expect(rows).toEqual([['1', '[1.10,12345678901234567890.5]', '0.10000000149011612', '12.50']]);
    expect(schema.columns.map(({ type }) => type.kind)).toEqual(['int32', 'json', 'float64', 'decimal']);
  });
});

describe('cursors of PostgreSQL', () => {
  it('names the same position in the bytes as in the text', async () => {
    const keys: readonly [type: string, value: string][] = [
      ['int2', '-7'],
      ['int8', '-9223372036854775808'],
      ['numeric(38,20)', '-0.00000000000000000001'],
      ['numeric', '100000000.00010'],
      ['numeric', '0.00012345'],
      ['text', "é 😀 \\ '"],
      ['uuid', '123e4567-e89b-12d3-a456-426614174000'],
      ['bytea', '\\x00ff5c'],
      ['date', '0044-03-15 BC'],
      ['timestamptz', '1850-01-01 00:00:00.000001+00'],
      ['timestamp', '-infinity'],
      ['timestamp', '12024-06-01 23:59:59.5'],
      ['float8', '-1.5e-300'],
    ];
    for (const [type, value] of keys) {
      const table = freshName('keys');
      await harness.execute?.(
        `CREATE TABLE ${quote(table)} (k ${type} PRIMARY KEY, v int); INSERT INTO ${quote(table)} VALUES ('${value.replaceAll("'", "''")}', 1)`,
      );
      await using source = await openSource(harness, table, { ...own, mode: 'id' });
      const raw = (await chunks(source, { rawFormat: 'pg-copy-binary' }))[0]?.boundary;
      const decoded = (await chunks(source, {}))[0]?.boundary;
      const valuesOf = (cursor: string | null | undefined): unknown => JSON.parse(cursor ?? '{}').values;
      if (type === 'float8') expect(Number((valuesOf(raw) as string[])[0])).toBe(Number(value));
      else expect([type, valuesOf(raw)]).toEqual([type, valuesOf(decoded)]);
      for (const cursor of [raw, decoded]) expect([type, value, await chunks(source, { from: cursor ?? null })]).toEqual([type, value, []]);
    }
  });

  it('reads an xid8 column up to the oldest running transaction', async () => {
    const table = freshName('watermark');
    await harness.execute?.(`CREATE TABLE ${quote(table)} (id int PRIMARY KEY, changed xid8 NOT NULL DEFAULT pg_current_xact_id())`);
    await harness.execute?.(`INSERT INTO ${quote(table)} VALUES (1)`);
    const late = await postgresClient();
    try {
      await late.query(`BEGIN; INSERT INTO ${quote(table)} VALUES (2)`);
      await harness.execute?.(`INSERT INTO ${quote(table)} VALUES (3)`);
      await using source = await openSource(harness, table, { mode: 'timestamp', cursor: { column: 'changed', key: ['id'] } });
      const first = await chunks(source, {});
      expect(first.flatMap((chunk) => (chunk.kind === 'rows' ? chunk.rows.map(([id]) => id) : []))).toEqual(['1']);
      await late.query('COMMIT');
      const second = await chunks(source, { from: first.at(-1)?.boundary ?? null });
      expect(second.flatMap((chunk) => (chunk.kind === 'rows' ? chunk.rows.map(([id]) => id) : []))).toEqual(['2', '3']);
    } finally {
      await late.end();
    }
  });
});

async function postgresClient(): Promise<import('pg').Client> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: harness.url });
  await client.connect();
  return client;
}

describe('what PostgreSQL would change without a word', () => {
  const cases: readonly [type: string, incoming: Column['type'], changed: string, exact: string][] = [
    ['numeric(10,2)', { kind: 'decimal' }, '1.005', '1.5000'],
    ['integer', { kind: 'decimal', precision: 10, scale: 2 }, '1.50', '7.00'],
    ['time(0)', { kind: 'time', fraction: 6 }, '10:00:00.5', '10:00:00.000'],
    ['time', { kind: 'time', fraction: 6 }, '23:59:60', '23:59:59'],
    ['timestamp(3)', { kind: 'timestamp', fraction: 6, zoned: false }, '2024-01-01 00:00:00.1234', '2024-01-01 00:00:00.123000'],
    ['timestamp', { kind: 'timestamp', fraction: 6, zoned: false }, '2024-01-01 00:00:60', '2024-01-31 00:00:59'],
    ['timestamp', { kind: 'timestamp', fraction: 6, zoned: false }, '2024-01-01 00:00:00+05:00', '2024-02-29 00:00:00'],
    ['timestamptz', { kind: 'timestamp', fraction: 6, zoned: true }, '2024-01-01 00:00:00', '2024-01-01 00:00:00+05:30'],
    ['real', { kind: 'float64' }, '0.1', '0.5'],
    ['char(4)', { kind: 'string' }, 'abc', 'é😀xy'],
    ['varchar(3)', { kind: 'string' }, 'abc ', 'ab '],
    ['name', { kind: 'string' }, 'x'.repeat(64), 'x'.repeat(63)],
  ];
  it.each(cases)('%s', async (type, incoming, changed, exact) => {
    const schema: Schema = { name: freshName('exact'), columns: [column('id', 'int32', false), column('v', incoming)], key: ['id'] };
    await harness.execute?.(`CREATE TABLE ${quote(schema.name)} (id int PRIMARY KEY, v ${type})`);
    await writeAll(harness, schema, [[1, exact]]);
    const error = await failure(() => writeAll(harness, schema, [[42, changed] as Row]), 'VALUE_UNREPRESENTABLE', 'public', schema.name);
    expect(error.place).toMatchObject({ column: 'v', key: '42' });
    expect(error.message).not.toContain(changed);
  });

  it('refuses columns that cannot take what comes', async () => {
    const schema: Schema = { name: freshName('misfit'), columns: [column('id', 'int32', false), column('v', 'string')], key: ['id'] };
    for (const type of ['money', 'integer', 'timestamptz', 'text[]', 'interval(0)', 'numeric(5,2)', 'int GENERATED ALWAYS AS (1) STORED']) {
      await harness.execute?.(`DROP TABLE IF EXISTS ${quote(schema.name)}; CREATE TABLE ${quote(schema.name)} (id int PRIMARY KEY, v ${type})`);
      await failure(() => writeAll(harness, schema, [[1, 'x']]), 'SCHEMA_MISMATCH', schema.name, 'v');
    }
  });
});

describe('sessions', () => {
  const schema = (): Schema => ({ name: freshName('session'), columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] });
  const end = (what: string): Promise<unknown> =>
    rowsOf(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND ${what}`);

  it('says that a batch was not committed when its connection ends, and the next run goes on', async () => {
    const table = schema();
    await using open = await openWriter(harness, table);
    await open.writer.write(chunkOf([['1', 'one']]));
    await end("application_name LIKE 'idra % #%'");
    const error = await failure(() => open.writer.commit(batchOf('one')), 'CONNECTION_FAILED', table.name);
    expect(error.retry).not.toBe('never');
    await writeAll(harness, table, [['1', 'one']], { claim: claimOf(2) });
    expect(await harness.read(table.name, table.columns)).toEqual([['1', 'one']]);
  });

  it('ends the session of an older holder that keeps rows locked, and tells that holder', { timeout: 60_000 }, async () => {
    const table = schema();
    const sync = freshName('zombie');
    await using zombie = await openWriter(harness, table, { sync, claim: claimOf(1, { sync }) });
    await zombie.writer.write(chunkOf([['1', 'zombie']]));
    await zombie.writer.attempt?.(chunkOf([['2', 'zombie']]));
    await using next = await openWriter(harness, table, { sync, claim: claimOf(2, { sync }) });
    await next.writer.write(chunkOf([['1', 'next']]));
    await failure(() => next.writer.commit(batchOf('next')), 'CONFLICT');
    await using again = await openWriter(harness, table, { sync, claim: claimOf(3, { sync }) });
    await again.writer.write(chunkOf([['1', 'again']]));
    await again.writer.commit(batchOf('again'));
    await failure(() => zombie.writer.commit(batchOf('zombie')), 'FENCED');
    expect(await harness.read(table.name, table.columns)).toEqual([['1', 'again']]);
  });

  it('keeps the rows that others refer to when a table is replaced', async () => {
    const table = schema();
    await writeAll(
      harness,
      table,
      [
        ['1', 'old'],
        ['2', 'old'],
      ],
      { write: 'upsert' },
    );
    await harness.execute?.(
      `CREATE TABLE ${quote(`${table.name}_child`)} (parent bigint REFERENCES ${quote(table.name)}); INSERT INTO ${quote(`${table.name}_child`)} VALUES (1)`,
    );
    await using open = await openWriter(harness, table, { write: 'replace', claim: claimOf(2) });
    await open.writer.write(
      chunkOf([
        ['1', 'new'],
        ['3', 'new'],
      ]),
    );
    await open.writer.commit(batchOf('half'));
    expect((await harness.read(table.name, table.columns)).length).toBe(2);
    await open.writer.commit(batchOf(null, { final: true }));
    expect((await harness.read(table.name, table.columns)).sort()).toEqual([
      ['1', 'new'],
      ['3', 'new'],
    ]);
  });

  it('names the server and never the password when it cannot be reached', async () => {
    for (const url of [
      'postgres://u:geheim@127.0.0.1:1/d',
      'postgres://u:geheim@no.such.host.invalid/d',
      'postgres://u:geheim@[bad',
      'postgres://u:geheim@127.0.0.1:1/d?nonsense=1',
    ]) {
      const error = await failure(
        () => harness.connector.check({ type: 'postgres', url }, new AbortController().signal),
        ['CONNECTION_FAILED', 'CONFIG_INVALID'],
      );
      const whole = JSON.stringify([
        error.message,
        error.place,
        error.stack,
        error.cause instanceof Error ? { ...error.cause, message: error.cause.message } : error.cause,
      ]);
      expect(whole).not.toContain('geheim');
    }
  });

  it('says what may be done, and finds tables with their keys', async () => {
    const table = schema();
    await writeAll(harness, table, [['1', 'one']]);
    const check = await harness.connector.check(harness.connection, new AbortController().signal);
    expect(check.server).toMatch(/^PostgreSQL [0-9]+/);
    expect(check.write).toContain('create tables in public');
    const found = await harness.connector.discover(harness.connection, new AbortController().signal);
    expect(found.find(({ name }) => name === `public.${table.name}`)).toMatchObject({ key: ['id'] });
    await using destination = await destinationOf(harness, table.name);
    expect(await destination.max?.(['id'])).toEqual(['1']);
  });

  it('names what it finds so that a definition can hold it', async () => {
    const name = `${freshName('dotted')}.table`;
    await harness.execute?.(`CREATE TABLE ${quote(name)} (id int PRIMARY KEY)`);
    const found = await harness.connector.discover(harness.connection, new AbortController().signal);
    expect(found.map((table) => table.name)).toContain(`public."${name}"`);
  });

  it('counts what is left where a time is infinite, and names the condition that is wrong', async () => {
    const name = freshName('endless');
    await harness.execute?.(
      `CREATE TABLE ${quote(name)} (id int PRIMARY KEY, at timestamptz NOT NULL); INSERT INTO ${quote(name)} VALUES (1, '-infinity'), (2, now() - interval '1 hour'), (3, 'infinity')`,
    );
    const cursor = { column: 'at', key: ['id'] };
    await using source = await openSource(harness, name, { mode: 'timestamp', cursor });
    const left = await source.remaining?.(null);
    expect(left?.rows).toBe(3);
    expect(Math.round((left?.lagSeconds ?? 0) / 60)).toBe(60);
    await failure(() => readTable(harness, name, { mode: 'timestamp', cursor }), 'CURSOR_INVALID', name);
    await using wrong = await openSource(harness, name, { mode: 'timestamp', cursor, where: 'id <' });
    await failure(async () => wrong.remaining?.(null), 'CONFIG_INVALID', '`where`');
  });
});

describe('a query that fails', () => {
  it.each([
    ['SELECT 1 AS id, (SELECT n FROM generate_series(1, 2) AS n) AS v', 'CONFIG_INVALID', 'gives several rows'],
    ['SELECT n AS id, 1 / n AS v FROM generate_series(0, 2) AS n', 'VALUE_UNREPRESENTABLE', 'divides by zero'],
    ["SELECT n AS id, ('secret' || n)::int AS v FROM generate_series(1, 2) AS n", 'VALUE_UNREPRESENTABLE', 'an expression of the query'],
  ] as const)('says so of the query, and of no column that is written: %s', async (query, code, says) => {
    const error = await failure(() => readTable(harness, 'unused', { options: harness.query?.(query) }), code, says);
    expect(error.message).not.toMatch(/twice|column|secret/);
  });
});

describe('rows that a trigger drops', () => {
  it.each(['insert', 'upsert', 'of a key twice', 'changes', 'replace'])('stop the batch before the position passes them: %s', async (way) => {
    const schema: Schema = { name: freshName('dropping'), columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] };
    await harness.execute?.(`CREATE TABLE ${quote(schema.name)} (id bigint PRIMARY KEY, v text);
      CREATE FUNCTION ${quote(`${schema.name}_drop`)}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF new.id = 2 THEN RETURN NULL; END IF; RETURN new; END';
      CREATE TRIGGER drops BEFORE INSERT ON ${quote(schema.name)} FOR EACH ROW EXECUTE FUNCTION ${quote(`${schema.name}_drop`)}()`);
    const rows: Row[] = [
      ['1', 'a'],
      ['2', 'b'],
      ['3', 'c'],
    ];
    if (way === 'of a key twice') rows.push(['3', 'd']);
    const write = way === 'insert' || way === 'replace' ? way : 'upsert';
    const chunk = way === 'changes' ? { operations: Uint8Array.of(0, 1, 2) } : {};
    const batch = way === 'replace' ? { cursor: null, final: true } : {};
    await failure(() => writeAll(harness, schema, rows, { write, chunk, batch }), 'ROWS_UNACCOUNTED', schema.name);
    expect(await rowsOf(`SELECT id FROM ${quote(schema.name)}`)).toEqual([]);
    await using destination = await destinationOf(harness, schema.name, { write });
    expect(await destination.state()).toMatchObject({ seq: 0n, cursor: null });
    if (way === 'of a key twice') rows.splice(1, 1);
    else rows.splice(1, 1, ['4', 'b']);
    expect(await writeAll(harness, schema, rows, { write, chunk, batch, claim: claimOf(2) })).toMatchObject({ seq: 1n });
  });
});
