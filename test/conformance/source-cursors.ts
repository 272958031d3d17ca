import { expect, it } from 'vitest';
import type { Row, Schema, Value } from '../../lib/values/types.ts';
import { column, freshName, openSource, type ReadResult, readAll, readTable, type SourceAsk } from './drive.ts';
import type { Harness } from './harness.ts';
import { comparableRows } from './same.ts';

/** What came up to a boundary and what comes after it are the whole, whichever boundary it is. */
async function expectResumable(harness: Harness, table: string, ask: SourceAsk & { readonly maxRows: number }): Promise<ReadResult> {
  const { maxRows, ...rest } = ask;
  await using source = await openSource(harness, table, rest);
  const whole = await readAll(source, { maxRows });
  const columns = source.schema.columns;
  for (const { cursor, rows } of whole.boundaries) {
    const later = await readAll(source, { maxRows, from: cursor });
    expect(comparableRows(later.rows, columns)).toEqual(comparableRows(whole.rows.slice(rows), columns));
  }
  return whole;
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

export function sourceCursors(get: () => Harness): void {
  it('passes 10,000 rows of one timestamp in chunks of 1,000, resumed from every boundary', { timeout: 120_000 }, async () => {
    const schema: Schema = {
      name: freshName('equal'),
      columns: [column('id', 'int64', false), column('at', 'timestamp', false), column('filler', { kind: 'string', maxLength: 100 })],
      key: ['id'],
    };
    const rows = Array.from({ length: 10_000 }, (_, i): Row => [String(i * 7), '2024-05-05 05:05:05.5', `row ${i} ${'.'.repeat(60)}`]);
    await get().create(schema, rows);
    const read = await expectResumable(get(), schema.name, { mode: 'timestamp', cursor: { column: 'at', key: ['id'] }, maxRows: 1_000 });
    expect(comparableRows(read.rows, schema.columns)).toEqual(comparableRows(rows, schema.columns));
    expect(read.boundaries.length).toBeGreaterThanOrEqual(10);
    expect(Math.max(...read.chunks.map((chunk) => chunk.rows.length))).toBeLessThanOrEqual(1_000);
  });

  it('resumes from every boundary with ties of all lengths', { timeout: 60_000 }, async () => {
    const schema: Schema = { name: freshName('ties'), columns: [column('id', 'int64', false), column('at', 'timestamp', false)], key: ['id'] };
    const rows = Array.from({ length: 144 }, (_, i): Row => [String((i * 37) % 144), `2024-01-01 00:00:${pad(Math.floor(Math.sqrt(i)), 2)}`]);
    await get().create(schema, rows);
    for (const maxRows of [1, 7]) {
      const read = await expectResumable(get(), schema.name, { mode: 'timestamp', cursor: { column: 'at', key: ['id'] }, maxRows });
      expect(read.rows).toHaveLength(144);
    }
  });

  it('keeps groups of equal values whole where there is no key', async () => {
    if (get().schemaless === true) return;
    const schema: Schema = { name: freshName('groups'), columns: [column('at', 'timestamp', false), column('n', 'int64')], key: [] };
    const rows = Array.from({ length: 300 }, (_, i): Row => [`2024-01-01 00:${pad(Math.floor(i / 23), 2)}:00`, String(i)]);
    await get().create(schema, rows);
    const read = await expectResumable(get(), schema.name, { mode: 'timestamp', cursor: { column: 'at' }, maxRows: 10 });
    expect(comparableRows(read.rows, schema.columns)).toEqual(comparableRows(rows, schema.columns));
    expect(read.boundaries.length).toBeGreaterThan(5);
    for (const { rows: count } of read.boundaries.slice(0, -1)) expect(String(read.rows[count - 1]?.[0])).not.toBe(String(read.rows[count]?.[0]));
    expect(read.boundaries.at(-1)?.rows).toBe(300);
  });

  it('resumes by a compound key of text and number', async () => {
    const schema: Schema = {
      name: freshName('compound'),
      columns: [column('part', { kind: 'string', maxLength: 20 }, false), column('id', 'int64', false), column('v', 'int32')],
      key: ['part', 'id'],
    };
    const rows = Array.from({ length: 120 }, (_, i): Row => [['a', 'b', "it's", 'z\\'][i % 4] ?? '', String(i - 60), i]);
    await get().create(schema, rows);
    for (const ask of [{ mode: 'full' }, { mode: 'id', cursor: { column: 'part', key: ['part', 'id'] } }] as const) {
      const read = await expectResumable(get(), schema.name, { ...ask, maxRows: 9 });
      expect(comparableRows(read.rows, schema.columns)).toEqual(comparableRows(rows, schema.columns));
      expect(read.boundaries.length).toBeGreaterThan(10);
    }
  });

  for (const [name, type, values] of [
    ['decimal', { kind: 'decimal', precision: 20, scale: 4 }, ['-1.5000', '0.0001', '2.0000', '10.0000', '1234567890123456.7891', '1234567890123456.7892']],
    ['date', { kind: 'date' }, ['1899-12-31', '2024-01-01', '2024-01-02', '2024-02-29', '2024-12-31', '2025-01-01']],
    ['zoned timestamp', { kind: 'timestamp', fraction: 6, zoned: true }, [0, 1, 2, 3, 4, 5].map((i) => `2024-03-31 0${i}:00:00.00000${i}+00:00`)],
    ['text', { kind: 'string', maxLength: 50 }, ['', 'A', 'Z', 'a', 'a b', 'é']],
    ['large int64', { kind: 'int64' }, ['-9223372036854775808', '-1', '9007199254740992', '9007199254740993', '9007199254740994', '9223372036854775807']],
  ] as const) {
    it(`resumes by a cursor of ${name}`, async () => {
      const harness = get();
      // What the system keeps as text has no order of its own
      const schema: Schema = { name: freshName('cursor'), columns: [column('c', type, false), column('k', 'int64', false)], key: ['k'] };
      const rows = values.flatMap((value: Value, i): Row[] => [
        [value, String(i * 2)],
        [value, String(i * 2 + 1)],
      ]);
      await harness.create(schema, rows);
      if (harness.unordered?.includes(type.kind)) return;
      const read = await expectResumable(harness, schema.name, { mode: 'id', cursor: { column: 'c', key: ['k'] }, maxRows: 1 });
      expect(read.boundaries.length).toBe(12);
      expect(comparableRows(read.rows, schema.columns)).toEqual(comparableRows(rows, schema.columns));
      const grouped = await expectResumable(harness, schema.name, { mode: 'id', cursor: { column: 'c', key: ['k'] }, maxRows: 5 });
      expect(grouped.rows).toHaveLength(12);
    });
  }

  it('reads rows without a cursor value in a pass of their own, or refuses them', async () => {
    const schema: Schema = { name: freshName('nulls'), columns: [column('id', 'int64', false), column('at', 'timestamp')], key: ['id'] };
    const rows = Array.from({ length: 60 }, (_, i): Row => [String(i), i % 3 === 0 ? null : `2024-01-01 00:00:${pad(i, 2)}`]);
    await get().create(schema, rows);
    const cursor = { column: 'at', key: ['id'] };
    const read = await expectResumable(get(), schema.name, { mode: 'timestamp', cursor: { ...cursor, nulls: 'include' }, maxRows: 7 });
    expect(comparableRows(read.rows, schema.columns)).toEqual(comparableRows(rows, schema.columns));
    const keyless: Schema = { ...schema, name: freshName('nulls'), key: [] };
    await get().create({ ...keyless, columns: schema.columns.map((each) => ({ ...each, nullable: true })) }, rows);
    const groups = await expectResumable(get(), keyless.name, { mode: 'timestamp', cursor: { column: 'at', nulls: 'include' }, maxRows: 7 });
    expect(comparableRows(groups.rows, schema.columns)).toEqual(comparableRows(rows, schema.columns));
  });

  it('reads the last seconds again with lookback, and never moves the cursor backwards', async () => {
    if (get().schemaless === true) return;
    const schema: Schema = { name: freshName('late'), columns: [column('id', 'int64', false), column('at', 'timestamp', false)], key: ['id'] };
    const rows = Array.from({ length: 30 }, (_, i): Row => [String(i), `2024-01-01 00:00:${pad(i, 2)}.25`]);
    await get().create(schema, rows);
    const ask = { mode: 'timestamp', cursor: { column: 'at', key: ['id'], lookbackSeconds: 10 } } as const;
    await using source = await openSource(get(), schema.name, ask);
    const first = await readAll(source);
    expect(first.rows).toHaveLength(30);
    const end = first.boundaries.at(-1)?.cursor ?? '';
    const again = await readAll(source, { from: end, maxRows: 3 });
    const ids = again.rows.map(([id]) => Number(id));
    // At least the ten seconds; a system may read a little more, never less
    expect(ids).toEqual(expect.arrayContaining([20, 21, 22, 23, 24, 25, 26, 27, 28, 29]));
    expect(ids.length).toBeLessThanOrEqual(12);
    expect(new Set(again.chunks.map(({ boundary }) => boundary))).toEqual(new Set([end]));
  });

  it('gives every row once when rows are added meanwhile', async () => {
    const harness = get();
    if (harness.execute === undefined || harness.quote === undefined) return;
    const q = harness.quote;
    const schema: Schema = { name: freshName('growing'), columns: [column('id', 'int64', false)], key: ['id'] };
    await harness.create(
      schema,
      Array.from({ length: 50 }, (_, i): Row => [String(i)]),
    );
    await using source = await openSource(harness, schema.name, { mode: 'id', cursor: { key: ['id'] } });
    const ids: string[] = [];
    let cursor: string | null = null;
    for await (const chunk of source.read({ from: null, maxRows: 5, maxBytes: 1_000_000 }, new AbortController().signal)) {
      if (chunk.kind !== 'rows') continue;
      if (ids.length === 0) await harness.execute(`INSERT INTO ${q(schema.name)} (${q('id')}) VALUES (1000), (1001)`);
      ids.push(...chunk.rows.map(([id]) => String(id)));
      cursor = chunk.boundary;
    }
    ids.push(...(await readAll(source, { from: cursor })).rows.map(([id]) => String(id)));
    expect(ids).toEqual([...Array.from({ length: 50 }, (_, i) => String(i)), '1000', '1001']);
  });

  it('keeps cursors under 4 KB and refuses longer ones', async () => {
    const schema: Schema = { name: freshName('long'), columns: [column('id', { kind: 'string', maxLength: 700 }, false)], key: ['id'] };
    await get().create(schema, [['é'.repeat(700)], ['x'.repeat(700)]]);
    const { boundaries } = await readTable(get(), schema.name, { mode: 'id', cursor: { key: ['id'] }, read: { maxRows: 1 } });
    expect(boundaries).toHaveLength(2);
    for (const { cursor } of boundaries) expect(Buffer.byteLength(cursor)).toBeLessThan(4096);
  });
}
