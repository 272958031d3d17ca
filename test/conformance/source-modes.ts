import { expect, it } from 'vitest';
import type { Row, Schema } from '../../lib/values/types.ts';
import { column, freshName, openSource, readAll, readTable } from './drive.ts';
import type { Harness } from './harness.ts';
import { comparableRows } from './same.ts';

/** Five orders; changed on three different days. */
function orders(): { schema: Schema; rows: Row[] } {
  const schema: Schema = {
    name: freshName('orders'),
    columns: [column('id', 'int64', false), column('label', { kind: 'string', maxLength: 50 }), column('changed', 'timestamp', false)],
    key: ['id'],
  };
  const rows: Row[] = [
    ['1', 'one', '2024-01-01 00:00:00'],
    ['2', null, '2024-01-03 00:00:00.5'],
    ['3', '', '2024-01-02 00:00:00'],
    ['10', 'ten', '2024-01-02 00:00:00'],
    ['9007199254740993', 'large', '2024-01-03 00:00:00.500001'],
  ];
  return { schema, rows };
}

export function sourceModes(get: () => Harness): void {
  it('has columns in order with their types, and the key', async () => {
    const schema: Schema = {
      name: freshName('typed'),
      columns: [
        column('part', { kind: 'string', maxLength: 20 }, false),
        column('id', 'int64', false),
        column('flag', 'boolean'),
        column('price', { kind: 'decimal', precision: 10, scale: 2 }),
        column('ratio', 'float64'),
        column('data', 'bytes'),
        column('day', 'date'),
        column('at', 'timestamp'),
      ],
      key: ['part', 'id'],
    };
    await get().create(schema, [['a', '1', true, '1.50', '0.5', new Uint8Array([1]), '2024-01-01', '2024-01-01 00:00:00']]);
    await using source = await openSource(get(), schema.name);
    expect(source.system).toBe(get().system);
    expect(source.schema.columns.map(({ name }) => name)).toEqual(['part', 'id', 'flag', 'price', 'ratio', 'data', 'day', 'at']);
    expect(source.schema.columns.map(({ type }) => type.kind)).toEqual(['string', 'int64', 'boolean', 'decimal', 'float64', 'bytes', 'date', 'timestamp']);
    expect(source.schema.columns[3]?.type).toEqual({ kind: 'decimal', precision: 10, scale: 2 });
    expect(source.schema.columns[7]?.type).toEqual({ kind: 'timestamp', fraction: 6, zoned: false });
    // Documents have the key `_id`, and no field has to be there
    if (get().schemaless === true) return;
    expect([...source.schema.key].sort()).toEqual(['id', 'part']);
    expect(source.schema.columns.map(({ nullable }) => nullable)).toEqual([false, false, true, true, true, true, true, true]);
    const discovered = await get().connector.discover(get().connection, new AbortController().signal);
    const found = discovered.find(({ name }) => name === schema.name || name.endsWith(`.${schema.name}`));
    expect(found?.columns.map(({ name }) => name)).toEqual(schema.columns.map(({ name }) => name));
    expect([...(found?.key ?? [])].sort()).toEqual(['id', 'part']);
  });

  it('has no key where the table has none', async () => {
    const schema: Schema = { name: freshName('keyless'), columns: [column('a', 'int64')], key: [] };
    await get().create(schema, [['1'], ['1'], [null]]);
    const { rows, schema: read } = await readTable(get(), schema.name);
    expect(read.key).toEqual([]);
    expect(comparableRows(rows, read.columns)).toEqual(comparableRows([['1'], ['1'], [null]], schema.columns));
  });

  it('reads everything in mode full, and nothing from an empty table', async () => {
    const { schema, rows } = orders();
    await get().create(schema, rows);
    const all = await readTable(get(), schema.name);
    expect(comparableRows(all.rows, all.schema.columns)).toEqual(comparableRows(rows, schema.columns));
    const empty = orders().schema;
    await get().create(empty, []);
    expect((await readTable(get(), empty.name)).rows).toEqual([]);
  });

  for (const mode of ['id', 'fullWithId', 'lastDestinationId'] as const) {
    it(`reads rows above an id in mode ${mode}`, async () => {
      const { schema, rows } = orders();
      await get().create(schema, rows);
      await using source = await openSource(get(), schema.name, { mode, cursor: { key: ['id'] } });
      const ids = (read: readonly Row[]): string[] => read.map(([id]) => String(id));
      const first = await readAll(source);
      expect(ids(first.rows)).toEqual(['1', '2', '3', '10', '9007199254740993']);
      const last = first.boundaries.at(-1)?.cursor ?? '';
      expect((await readAll(source, { from: last })).rows).toEqual([]);
      const after = source.cursorAfter?.(['3']);
      expect(after).toBeDefined();
      expect(ids((await readAll(source, { from: after ?? null })).rows)).toEqual(['10', '9007199254740993']);
      const above = source.cursorAfter?.(['9007199254740992']) ?? null;
      expect(ids((await readAll(source, { from: above })).rows)).toEqual(['9007199254740993']);
    });
  }

  for (const mode of ['timestamp', 'lastDestinationTimestamp'] as const) {
    it(`reads rows above (timestamp, key) in mode ${mode}`, async () => {
      const { schema, rows } = orders();
      await get().create(schema, rows);
      await using source = await openSource(get(), schema.name, { mode, cursor: { column: 'changed', key: ['id'] } });
      const ids = (read: readonly Row[]): string[] => read.map(([id]) => String(id));
      const first = await readAll(source);
      expect(ids(first.rows)).toEqual(['1', '3', '10', '2', '9007199254740993']);
      expect((await readAll(source, { from: first.boundaries.at(-1)?.cursor ?? '' })).rows).toEqual([]);
      // The tie: of the two rows of 2 January only the one with the higher key follows
      const tie = source.cursorAfter?.(['2024-01-02 00:00:00', '3']) ?? null;
      expect(ids((await readAll(source, { from: tie })).rows)).toEqual(['10', '2', '9007199254740993']);
      const micro = source.cursorAfter?.(['2024-01-03 00:00:00.500000', '2']) ?? null;
      expect(ids((await readAll(source, { from: micro })).rows)).toEqual(['9007199254740993']);
    });
  }

  it('applies where, include and exclude', async () => {
    const { schema, rows } = orders();
    await get().create(schema, rows);
    const harness = get();
    if (harness.config.capabilities.source.where && harness.schemaless !== true) {
      const quote = harness.quote ?? ((name: string): string => name);
      const some = await readTable(harness, schema.name, { where: `${quote('id')} > 2 OR ${quote('id')} = 1 -- with a comment` });
      expect(some.rows.map(([id]) => String(id)).sort()).toEqual(['1', '10', '3', '9007199254740993']);
      const resumed = await readTable(harness, schema.name, {
        where: `${quote('id')} < 10 OR ${quote('id')} = 10`,
        mode: 'id',
        cursor: { key: ['id'] },
        read: { maxRows: 2 },
      });
      expect(resumed.rows.map(([id]) => String(id))).toEqual(['1', '2', '3', '10']);
    }
    const included = await readTable(harness, schema.name, { include: ['label', 'id'] });
    expect([...included.schema.columns.map(({ name }) => name)].sort()).toEqual(['id', 'label']);
    expect(included.rows.every((row) => row.length === 2)).toBe(true);
    const excluded = await readTable(harness, schema.name, { exclude: ['id'], mode: 'id', cursor: { key: ['id'] } });
    expect(excluded.schema.columns.map(({ name }) => name)).toEqual(['label', 'changed']);
    expect(excluded.schema.key).toEqual([]);
    // The cursor is kept although its column is not handed over
    expect(excluded.boundaries.at(-1)?.cursor).toContain('9007199254740993');
    expect(excluded.rows).toHaveLength(5);
    expect(excluded.rows.every((row) => row.length === 2)).toBe(true);
  });

  it('reads a query in every mode', async () => {
    const harness = get();
    if (harness.query === undefined || harness.quote === undefined) return;
    const q = harness.quote;
    const { schema, rows } = orders();
    await harness.create(schema, rows);
    const options = harness.query(
      `SELECT ${q('id')}, ${q('changed')}, ${q('label')} AS ${q('Shown Name')} FROM ${q(schema.name)} WHERE ${q('id')} <> 3 -- all but one`,
    );
    const full = await readTable(harness, schema.name, { options });
    expect(full.schema.columns.map(({ name }) => name)).toEqual(['id', 'changed', 'Shown Name']);
    expect(full.rows.map(([id]) => String(id)).sort()).toEqual(['1', '10', '2', '9007199254740993']);
    const byId = await readTable(harness, schema.name, { options, mode: 'id', cursor: { key: ['id'] }, read: { maxRows: 1 } });
    expect(byId.rows.map(([id]) => String(id))).toEqual(['1', '2', '10', '9007199254740993']);
    const byTime = await readTable(harness, schema.name, { options, mode: 'timestamp', cursor: { column: 'changed', key: ['id'] } });
    expect(byTime.rows.map(([id]) => String(id))).toEqual(['1', '10', '2', '9007199254740993']);
  });

  it('says how many rows remain', async () => {
    const { schema, rows } = orders();
    await get().create(schema, rows);
    await using source = await openSource(get(), schema.name, { mode: 'id', cursor: { key: ['id'] } });
    if (source.remaining === undefined || source.cursorAfter === undefined) return;
    const left = await source.remaining(source.cursorAfter(['3']));
    if (left.exact === true) expect(left.rows).toBe(2);
    const all = await source.remaining(null);
    if (all.exact === true) expect(all.rows).toBe(5);
  });
}
