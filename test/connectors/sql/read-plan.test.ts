import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CursorSpec, Mode } from '../../../lib/connectors/connector.ts';
import { decodeCursor, encodeCursor } from '../../../lib/connectors/sql/cursor.ts';
import type { Dialect } from '../../../lib/connectors/sql/dialect.ts';
import { GroupCutter } from '../../../lib/connectors/sql/group-cutter.ts';
import { rowKey, uniqueOver } from '../../../lib/connectors/sql/keys.ts';
import { nearMatches, parseName, parseTableName, writtenName } from '../../../lib/connectors/sql/names.ts';
import { planRead, type Relation } from '../../../lib/connectors/sql/read-plan.ts';
import { SyncError } from '../../../lib/errors.ts';
import type { Column } from '../../../lib/values/types.ts';
import { codePoint } from '../../support/code-point.ts';

const dialect: Dialect = {
  system: 'test',
  quote: (name) => `"${name.replaceAll('"', '""')}"`,
  bind: (value, _column, params) => `?${params.push(value)}`,
  placeholder: (n) => `?${n}`,
  minusSeconds: (expression, seconds) => `(${expression} - ${seconds}s)`,
  rowValues: false,
  nowIso: 'now',
  own: { name: 'text', text: 'text', long: 'text', int64: 'bigint', tableSuffix: '' },
  insertIgnore: { verb: 'INSERT', suffix: ' ON CONFLICT DO NOTHING' },
};
const columns: Column[] = [
  { name: 'id', type: { kind: 'int64' }, nullable: false },
  { name: 'at', type: { kind: 'timestamp', fraction: 6, zoned: false }, nullable: true },
  { name: 'v', type: { kind: 'string' }, nullable: true },
];
const orders: Relation = { name: 'orders', from: 'orders', qualifier: 'o', columns, keys: [{ name: 'pk', primary: true, columns: ['id'] }], key: ['id'] };
const keyless: Relation = { ...orders, keys: [], key: [] };
const plan = (mode: Mode, cursor: Partial<CursorSpec> = {}, more: { relation?: Relation; rowValues?: boolean; where?: string; names?: string[] } = {}) =>
  planRead({ ...dialect, rowValues: more.rowValues ?? false }, more.relation ?? orders, {
    mode,
    columns: more.names ?? ['id', 'at', 'v'],
    cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse', ...cursor },
    ...(more.where === undefined ? {} : { where: more.where }),
  });
const codeOf = (work: () => unknown): string | undefined => {
  try {
    work();
  } catch (error) {
    return error instanceof SyncError ? error.code : String(error);
  }
  return undefined;
};

describe('statements of a read', () => {
  it('goes by column and key, in both forms', () => {
    const from = plan('timestamp', { column: 'at' }).cursorAfter(['2024-01-01 00:00:00', '7']);
    const [written] = plan('timestamp', { column: 'at' }).passes(from);
    expect(written?.sql).toContain('WHERE o."at" >= ?1 AND (o."at" > ?2 OR (o."at" = ?3 AND o."id" > ?4)) ORDER BY o."at", o."id"');
    expect(written?.params).toEqual(['2024-01-01 00:00:00', '2024-01-01 00:00:00', '2024-01-01 00:00:00', '7']);
    const [rows] = plan('timestamp', { column: 'at' }, { rowValues: true }).passes(from);
    expect(rows?.sql).toContain('(o."at", o."id") > (?1, ?2)');
  });

  it('reads back without moving the position, then goes on', () => {
    const lookback = plan('timestamp', { column: 'at', lookbackSeconds: 60 });
    const from = lookback.cursorAfter(['2024-01-01 00:00:00', '7']);
    const [back, on] = lookback.passes(from);
    expect(back).toMatchObject({ boundary: 'fixed', fixed: from });
    expect(back?.sql).toContain('o."at" > (?1 - 60s) AND o."at" <= ?2');
    expect(back && lookback.cursorOf(['2020-01-01 00:00:00', '1'], back)).toBe(from);
    expect(on?.boundary).toBe('row');
    expect(lookback.passes(null)).toHaveLength(1);
  });

  it('reads rows without a cursor value first and once, or refuses them', () => {
    const include = plan('timestamp', { column: 'at', nulls: 'include' });
    const [nulls, main] = include.passes(null);
    expect(nulls?.sql).toContain('WHERE o."at" IS NULL ORDER BY o."id"');
    expect(main?.sql).toContain('o."at" IS NOT NULL');
    const inside = nulls && include.cursorOf([null, '5'], nulls);
    expect(include.passes(inside ?? null)[0]?.sql).toContain('o."at" IS NULL AND o."id" > ?1');
    expect(include.nullChecks()).toEqual([]);
    expect(plan('timestamp', { column: 'at' }).nullChecks()).toMatchObject([{ column: 'at' }]);
    const group = plan('timestamp', { column: 'at', nulls: 'include' }, { relation: keyless }).passes(null);
    expect(group.map(({ boundary, end }) => [boundary, end !== null])).toEqual([
      ['none', true],
      ['group', false],
    ]);
  });

  it('takes a named key at its word only where the catalogue knows none', () => {
    // `v` may repeat, and the table has a key that says so: rows with one time are read as a whole
    const repeated = plan('timestamp', { column: 'at', key: ['v'] });
    expect(repeated.unique).toBe(false);
    expect(repeated.passes(null)[0]).toMatchObject({ boundary: 'group' });
    expect(repeated.shape?.columns).toEqual(['at']);
    expect(plan('timestamp', { column: 'at', key: ['id'] }).unique).toBe(true);
    expect(plan('timestamp', { column: 'at', key: ['v'] }, { relation: keyless }).passes(null)[0]).toMatchObject({ boundary: 'row' });
    expect(plan('full', { key: ['v'] }).shape?.columns).toEqual(['id']);
  });

  it('adds cursor columns that were left out, and keeps the condition apart', () => {
    const narrow = plan('timestamp', { column: 'at' }, { names: ['v'], where: '1 = 1 OR v = 2 -- all' });
    expect(narrow).toMatchObject({ visible: 1, cursorIndexes: [1, 2] });
    expect(narrow.passes(null)[0]?.sql).toContain('WHERE (1 = 1 OR v = 2 -- all\n) AND o."at" IS NOT NULL');
  });

  it('reads a table without a key in one pass, and refuses what needs one', () => {
    expect(plan('full', {}, { relation: keyless }).passes(null)).toMatchObject([{ boundary: 'none' }]);
    expect(codeOf(() => plan('id', {}, { relation: keyless }))).toBe('KEY_REQUIRED');
    expect(codeOf(() => plan('timestamp'))).toBe('CONFIG_INVALID');
    expect(codeOf(() => plan('id', { column: 'idd' }))).toBe('NOT_FOUND');
    expect(codeOf(() => plan('cdc'))).toBe('UNSUPPORTED');
  });
});

describe('cursors of SQL sources', () => {
  it('come back exact, and belong to their table, mode and columns', () => {
    const shape = { family: 'timestamp', table: 'orders', columns: ['at', 'id'] } as const;
    fc.assert(
      fc.property(fc.array(fc.option(fc.string({ unit: codePoint, maxLength: 200 })), { minLength: 1, maxLength: 2 }), (values) => {
        expect(decodeCursor(shape, encodeCursor(shape, values))).toEqual(values);
      }),
    );
    const cursor = encodeCursor(shape, ['a', 'b']);
    for (const other of [
      { ...shape, table: 'other' },
      { ...shape, family: 'id' as const },
      { ...shape, columns: ['id', 'at'] },
    ])
      expect(codeOf(() => decodeCursor(other, cursor))).toBe('CURSOR_INVALID');
    for (const broken of ['', 'x', '{}', 'null', '{"v":2}', '{"v":1}', JSON.stringify({ ...JSON.parse(cursor), values: [1, 2] })])
      expect(codeOf(() => decodeCursor(shape, broken))).toBe('CURSOR_INVALID');
    expect(codeOf(() => encodeCursor(shape, ['x'.repeat(4000)]))).toBe('TOO_LARGE');
  });
});

describe('groups of equal values', () => {
  it('are never cut, however the rows come', () => {
    const groups = fc.array(fc.tuple(fc.nat(3), fc.nat(6)), { maxLength: 8 });
    fc.assert(
      fc.property(groups, fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 20 }), (sizes, cuts) => {
        let value = 0;
        const rows = sizes.flatMap(([step, size]) => {
          value += step + 1;
          return Array.from({ length: size }, () => [String(value)]);
        });
        const cutter = new GroupCutter((row) => String(row[0]));
        const parts = [];
        for (let at = 0, i = 0; at < rows.length; i++) {
          const size = cuts[i % cuts.length] ?? 1;
          parts.push(...cutter.push(rows.slice(at, at + size)));
          at += size;
        }
        parts.push(...cutter.finish());
        expect(parts.flatMap((part) => part.rows)).toEqual(rows);
        let seen = 0;
        for (const part of parts) {
          seen += part.rows.length;
          if (part.boundary === null) continue;
          expect(rows[seen - 1]?.[0]).toBe(part.boundary);
          expect(rows[seen]?.[0]).not.toBe(part.boundary);
        }
        if (rows.length > 0) expect(parts.at(-1)?.boundary).toBe(rows.at(-1)?.[0]);
      }),
    );
  });
});

describe('names and keys', () => {
  it('reads any name that is quoted', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme', minLength: 1 }), (schema, table) => {
        const written = [schema, table].map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
        expect(parseName(written)).toEqual([
          { text: schema, quoted: true },
          { text: table, quoted: true },
        ]);
      }),
    );
    expect(parseTableName('sales.orders')).toEqual({ schema: { text: 'sales', quoted: false }, table: { text: 'orders', quoted: false } });
    expect(parseName('[a]]b].`c``d`').map(({ text }) => text)).toEqual(['a]b', 'c`d']);
    for (const bad of ['', 'a.', '.a', '"a', '"a"b', 'a..b', '""']) expect(codeOf(() => parseName(bad))).toBe('CONFIG_INVALID');
    expect(codeOf(() => parseTableName('a.b.c'))).toBe('CONFIG_INVALID');
    expect(nearMatches('Oders', ['orders', 'customers', 'ORDERS'])).toEqual(['orders', 'ORDERS']);
  });

  it('takes the primary key, else the shortest unique one without NULL', () => {
    const keys = [
      { name: 'b', primary: false, columns: ['x', 'y'] },
      { name: 'a', primary: false, columns: ['n'] },
      { name: 'c', primary: false, columns: ['z'] },
    ];
    expect(rowKey(keys, (name) => name === 'n')).toEqual(['z']);
    expect(rowKey([...keys, { name: 'p', primary: true, columns: ['p', 'q'] }], () => false)).toEqual(['p', 'q']);
    expect(rowKey([], () => false)).toEqual([]);
    expect(uniqueOver(keys, ['y', 'x'])?.name).toBe('b');
    expect(uniqueOver(keys, ['x'])).toBeUndefined();
  });
});

it('a name that is written out is read back as it was', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: fc.constantFrom('a', '.', '"', '`', '[', ']', ' ', '😀') }), fc.string({ minLength: 1 }), (schema, table) => {
      expect(parseName(writtenName(schema, table)).map(({ text }) => text)).toEqual([schema, table]);
    }),
  );
  expect(writtenName('public', 'Quoted Table')).toBe('public.Quoted Table');
});

it('infinity is no position: nothing would ever come after it', () => {
  const byTime = plan('timestamp', { column: 'at', key: ['id'] });
  expect(codeOf(() => byTime.cursorAfter(['infinity', '1']))).toBe('CURSOR_INVALID');
  expect(codeOf(() => byTime.cursorAfter(['-infinity', '1']))).toBeUndefined();
  expect(codeOf(() => plan('id', { column: 'v', key: [] }).cursorAfter(['infinity']))).toBeUndefined();
});
