import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Column, Row, Schema, Value } from '../../lib/values/types.ts';
import { codePoint } from '../support/code-point.ts';
import { claimOf, column, destinationOf, failure, freshName, readTable, writeAll } from './drive.ts';
import type { Harness } from './harness.ts';
import { comparableRows } from './same.ts';

/** Doubles nearer to zero have fewer digits, and some systems have none of them. */
const smallestNormal = 2 ** -1022;

const hostile = [
  'semi;colon',
  'quote\'s "double" `back` [bracket]',
  '"; DROP TABLE x; --',
  "'; DROP TABLE x; --",
  '`; DROP TABLE x; --',
  'select',
  'Order By',
  'with space',
  'percent%s%d',
  'back\\slash',
  'naïve_ÅÄÖ_日本語',
  'question?mark',
  '$1',
  ':name',
  '@var',
  'a.b',
  '-- comment',
  '/* comment */',
  'UPPER',
  '0digit',
  '{brace}',
  'new\nline',
  '$$',
];

/** Letters and everything that ends a name or a statement somewhere; short enough for every system's limit. */
const nameParts = fc.array(
  fc.constantFrom(
    'a',
    'B',
    '0',
    '_',
    ' ',
    '"',
    "'",
    '`',
    ';',
    '%',
    '\\',
    '.',
    '?',
    '$',
    ':',
    '@',
    '[',
    ']',
    '(',
    ')',
    '-',
    '/',
    '*',
    '{',
    '}',
    ',',
    '=',
    'é',
    '日',
    '\t',
  ),
  {
    minLength: 1,
    maxLength: 16,
  },
);

export function destinationNames(get: () => Harness): void {
  const roundTrip = async (table: string, name: string): Promise<void> => {
    const harness = get();
    const schema: Schema = { name: table, columns: [column('id', 'int64', false), column(name, { kind: 'string', maxLength: 50 })], key: ['id'] };
    // A document is an object of JavaScript on its way, which puts what looks like an index before all else
    const isFirst = harness.schemaless === true && /^(0|[1-9]\d*)$/.test(name);
    const ask = { write: 'upsert', sync: `sync of ${table}`, claim: claimOf(1, { sync: `sync of ${table}` }) } as const;
    await writeAll(
      harness,
      schema,
      [
        ['1', 'one'],
        ['2', null],
      ],
      ask,
    );
    await writeAll(harness, schema, [['2', 'two']], ask);
    const expected = comparableRows(
      [
        ['1', 'one'],
        ['2', 'two'],
      ],
      schema.columns,
    );
    expect(await harness.columns(table)).toEqual(isFirst ? [name, 'id'] : ['id', name]);
    expect(comparableRows(await harness.read(table, schema.columns), schema.columns)).toEqual(expected);
    const read = await readTable(harness, table, { mode: 'id', cursor: { key: ['id'] }, read: { maxRows: 1 } });
    expect(read.schema.columns.map((each) => each.name)).toEqual(['id', name]);
    expect(comparableRows(read.rows, schema.columns)).toEqual(expected);
    await using destination = await destinationOf(harness, table, { sync: ask.sync });
    if (destination.max !== undefined) expect(await destination.max([name, 'id'])).toEqual(['two', '2']);
  };

  for (const name of [...hostile, '0']) {
    it(`takes a table and a column called ${JSON.stringify(name)}`, async () => {
      const table = `${name} ${freshName('')}`;
      if (get().refusesTable?.(table) === true) expect(() => get().destination(table)).toThrow();
      else if (get().refusesColumn?.(name) === true) await failure(() => roundTrip(table, name), 'SCHEMA_MISMATCH', table, JSON.stringify(name));
      else await roundTrip(table, name);
    });
  }

  it('takes any names', { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(nameParts, nameParts, async (table, name) => {
        const columnName = name.join('').trim();
        fc.pre(columnName !== '' && columnName.toLowerCase() !== 'id' && get().refusesColumn?.(columnName) !== true);
        const tableName = `x${table.join('').trim()}${freshName('')}`;
        fc.pre(get().refusesTable?.(tableName) !== true);
        await roundTrip(tableName, columnName);
      }),
      { numRuns: 15 },
    );
  });

  it('takes any values', { timeout: 120_000 }, async () => {
    const harness = get();
    const cannot = (name: string): boolean => Object.hasOwn(harness.cannotHold, name);
    const text = fc.string({ unit: codePoint, maxLength: 40 }).map((value) => (cannot('NUL') ? value.replaceAll('\0', '') : value));
    // Each number here is a double's shortest text, and so the same number however it is written
    const plainJson = (row: Row): Row =>
      row.map((value, i) => (columns[i]?.type.kind === 'json' && value !== null ? JSON.stringify(JSON.parse(String(value))) : value));
    const spelled = (rows: readonly Row[]): readonly Row[] => (cannot('JSON digits past a double') ? rows.map(plainJson) : rows);
    const lacksDouble = (value: number): boolean =>
      (Object.is(value, -0) && cannot('negative zero')) || (value !== 0 && Math.abs(value) < smallestNormal && cannot('smallest double'));
    const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (lacksDouble(value) ? 0 : value));
    const hostileText = fc.oneof(
      text,
      fc.constantFrom(...hostile, '\\N', '\\.', '\\', '\r\n', '\t', "''", '""', '0', '1e5', ' 1', 'NULL', 'true', '\\x00', '\u2028'),
    );
    const whole = 10n ** (cannot('decimal of 38 digits') ? 13n : 18n);
    const digits = fc
      .tuple(fc.bigInt({ min: -whole + 1n, max: whole - 1n }), fc.stringMatching(/^[0-9]{20}$/))
      .map(([before, fraction]) => `${before}.${fraction}`);
    const row = fc.tuple(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
      fc.option(hostileText),
      fc.option(double),
      fc.option(digits),
      fc.option(fc.uint8Array({ maxLength: 30 })),
      fc.option(fc.boolean()),
      fc.option(fc.json()),
      fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
    );
    const columns: Column[] = [
      column('id', 'int64', false),
      column('text', 'string'),
      column('double', 'float64'),
      column('decimal', { kind: 'decimal', precision: 38, scale: 20 }),
      column('bytes', 'bytes'),
      column('flag', 'boolean'),
      column('json', 'json'),
      column('int', 'int32'),
    ];
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(row, { selector: ([id]) => id, minLength: 1, maxLength: 60 }),
        fc.constantFrom('insert', 'upsert', 'replace'),
        async (values, write) => {
          const schema: Schema = { name: freshName('any'), columns, key: ['id'] };
          const rows = values.map((each): Row => [...each] as Value[]).map((each) => (cannot('JSON NUL') ? withoutJsonNul(each) : each));
          await writeAll(harness, schema, rows, { write, batch: { cursor: null, final: true } });
          expect(comparableRows(spelled(await harness.read(schema.name, columns)), columns)).toEqual(comparableRows(spelled(rows), columns));
          const read = await readTable(harness, schema.name, { options: harness.source(schema.name, columns) });
          const indexes = columns.map(({ name }) => read.schema.columns.findIndex((column) => column.name === name));
          const inOrder = read.rows.map((row): Row => indexes.map((index) => row[index] ?? null));
          expect(comparableRows(spelled(inOrder), columns)).toEqual(comparableRows(spelled(rows), columns));
        },
      ),
      { numRuns: 25 },
    );
  });
}

/** PostgreSQL's jsonb cannot hold `\u0000`. */
function withoutJsonNul(row: Row): Row {
  return row.map((value) => (typeof value === 'string' && value.includes('\\u0000') ? 'null' : value));
}
