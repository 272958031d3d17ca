/** Rows go to PostgreSQL in the binary format of COPY: whatever the value, it has to be the one that the server itself reads from the text, and what the server would refuse is refused. */
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { rowEncoder } from '../../lib/connectors/postgres/encoder.ts';
import { toServerText } from '../../lib/connectors/postgres/moments.ts';
import { fromDayNumber, writeDate } from '../../lib/values/datetime.ts';
import type { Column, LogicalType, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, column, freshName, openWriter } from '../conformance/drive.ts';
import { codePoint } from '../support/code-point.ts';
import { describeWith } from '../support/servers.ts';
import { postgresHarness, quote } from './postgres-harness.ts';

const pad = (value: number, width: number): string => String(value).padStart(width, '0');
const digits = (min: number, max: number): fc.Arbitrary<string> => fc.string({ unit: fc.constantFrom(...'0123456789'), minLength: min, maxLength: max });
const sign = fc.constantFrom('', '-');
const decimal = (whole: number, fraction: number) =>
  fc.oneof(
    fc.tuple(sign, digits(1, whole), fc.option(digits(1, fraction))).map(([s, w, f]) => `${s}${w}${f === null ? '' : `.${f}`}`),
    fc.constantFrom('0', '-0.00', '0.00001234', '1.0000', '10000', '9999.9999', '0.0001', '100000000.00000001', 'NaN', 'Infinity', '-Infinity'),
  );
/** Days from 4713 BC to 9999. */
const day = fc.oneof(
  fc.integer({ min: -1_721_000, max: 3_652_000 }).map((days) => writeDate(fromDayNumber(days))),
  fc.constantFrom('2000-01-01', '1999-12-31', '2024-02-29', '0001-01-01', '9999-12-31', '1970-01-01', '+012024-06-30'),
);
const clock = (fraction: number) =>
  fc
    .tuple(fc.nat(23), fc.nat(59), fc.nat(59), fraction === 0 ? fc.constant('') : fc.option(digits(1, fraction), { nil: '' }))
    .map(([h, m, s, f]) => `${pad(h, 2)}:${pad(m, 2)}:${pad(s, 2)}${f === '' ? '' : `.${f}`}`);
const offset = fc.tuple(fc.constantFrom('+', '-'), fc.nat(14), fc.constantFrom(0, 30, 45)).map(([s, h, m]) => `${s}${pad(h, 2)}:${pad(m, 2)}`);
const endless = fc.constantFrom('infinity', '-infinity');

interface Case {
  readonly name: string;
  readonly sql: string;
  readonly type: LogicalType;
  readonly values: fc.Arbitrary<string | number | bigint | boolean>;
}

const cases: readonly Case[] = [
  { name: 'i2', sql: 'smallint', type: { kind: 'int32' }, values: fc.integer({ min: -32_768, max: 32_767 }) },
  {
    name: 'i4',
    sql: 'integer',
    type: { kind: 'int32' },
    values: fc.integer().chain((value) => fc.constantFrom<string | number>(value, String(value))),
  },
  {
    name: 'i8',
    sql: 'bigint',
    type: { kind: 'int64' },
    values: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).chain((value) => fc.constantFrom<string | bigint>(value, String(value))),
  },
  { name: 'i8n', sql: 'bigint', type: { kind: 'int64' }, values: fc.maxSafeInteger() },
  { name: 'whole', sql: 'bigint', type: { kind: 'decimal', precision: 18, scale: 2 }, values: fc.integer().map((value) => `${value}.00`) },
  { name: 'n', sql: 'numeric', type: { kind: 'decimal' }, values: decimal(60, 60) },
  {
    name: 'n18',
    sql: 'numeric(18,4)',
    type: { kind: 'decimal', precision: 18, scale: 4 },
    values: decimal(14, 4).filter((text) => !text.includes('Inf') && !/\.\d{5}/.test(text)),
  },
  {
    name: 'f8',
    sql: 'double precision',
    type: { kind: 'float64' },
    values: fc.double().chain((value) => fc.constantFrom<string | number>(value, written(value))),
  },
  { name: 'f4', sql: 'real', type: { kind: 'float64' }, values: fc.float() },
  { name: 'd', sql: 'date', type: { kind: 'date' }, values: fc.oneof({ weight: 9, arbitrary: day }, endless) },
  { name: 't', sql: 'time', type: { kind: 'time', fraction: 6 }, values: fc.oneof({ weight: 9, arbitrary: clock(6) }, fc.constant('24:00:00')) },
  {
    name: 'ts',
    sql: 'timestamp',
    type: { kind: 'timestamp', fraction: 6, zoned: false },
    values: fc.oneof({ weight: 9, arbitrary: fc.tuple(day, clock(6)).map(([d, c]) => `${d} ${c}`) }, endless),
  },
  {
    name: 'tz3',
    sql: 'timestamptz(3)',
    type: { kind: 'timestamp', fraction: 3, zoned: true },
    values: fc.tuple(day, clock(3), offset).map(([d, c, o]) => `${d} ${c}${o}`),
  },
  {
    name: 'tz',
    sql: 'timestamptz',
    type: { kind: 'timestamp', fraction: 6, zoned: true },
    values: fc.oneof({ weight: 9, arbitrary: fc.tuple(day, clock(6), offset).map(([d, c, o]) => `${d} ${c}${o}`) }, endless),
  },
  { name: 'u', sql: 'uuid', type: { kind: 'uuid' }, values: fc.uuid() },
  { name: 'b', sql: 'boolean', type: { kind: 'boolean' }, values: fc.boolean() },
  { name: 'j', sql: 'json', type: { kind: 'json' }, values: fc.json().map((text) => text.replaceAll('\\u0000', '')) },
  { name: 's', sql: 'text', type: { kind: 'string' }, values: fc.string({ unit: codePoint }).filter((text) => text.isWellFormed() && !text.includes('\0')) },
  { name: 'vc', sql: 'varchar(12)', type: { kind: 'string' }, values: fc.string({ maxLength: 12, unit: 'grapheme-ascii' }).map((text) => text.trimEnd()) },
  { name: 'st', sql: 'text', type: { kind: 'int64' }, values: fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }) },
];

function written(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

const schemaOf = (name: string): Schema => ({
  name,
  columns: [column('id', 'int32', false), ...cases.map(({ name: field, type }): Column => ({ name: field, type, nullable: true }))],
  key: ['id'],
});

await describeWith(['postgres'], 'values in the binary format of COPY', () => {
  let harness: Awaited<ReturnType<typeof postgresHarness>>;
  beforeAll(async () => {
    harness = await postgresHarness();
    return () => harness[Symbol.asyncDispose]();
  });

  it.each(['insert', 'upsert'] as const)('are those that the server reads from their text (%s)', { timeout: 60_000 }, async (write) => {
    const schema = schemaOf(freshName('binary'));
    await harness.execute?.(
      `CREATE TABLE ${quote(schema.name)} (id integer PRIMARY KEY, ${cases.map(({ name, sql }) => `${name} ${sql}, ${name}_text text`).join(', ')})`,
    );
    const both: Schema = {
      ...schema,
      columns: [
        column('id', 'int32', false),
        ...cases.flatMap(({ name, type }): Column[] => [
          { name, type, nullable: true },
          { name: `${name}_text`, type: { kind: 'string' }, nullable: true },
        ]),
      ],
    };
    await using open = await openWriter(harness, both, { write });
    const row = fc.tuple(...cases.map(({ values }) => fc.option(values, { freq: 8 })));
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 5, maxLength: 40 }), async (rows) => {
        await harness.execute?.(`TRUNCATE ${quote(schema.name)}`);
        const given = rows.map((values, id) => [
          id,
          ...values.flatMap((value, i) => {
            const type = cases[i]?.type ?? { kind: 'string' };
            const text = value === null ? null : toServerText(typeof value === 'number' ? written(value) : String(value), type);
            return [value, text];
          }),
        ]);
        await open.writer.write(chunkOf(given));
        await open.writer.commit(batchOf(String(given.length)));
        const same = cases.map(({ name, sql }) => {
          const [held, told] = [name, `${name}_text::${name === 'whole' ? 'numeric::' : ''}${sql}`].map((side) => (sql === 'json' ? `${side}::text` : side));
          // Equal, and shown alike: 1.0 is not 1.00, and minus nothing is not nothing
          return `coalesce(${held}::text, '∅') IS NOT DISTINCT FROM coalesce((${told})::text, '∅') AS ${name}`;
        });
        const { rows: told } = await harness.client.query(`SELECT id, ${same.join(', ')} FROM ${quote(schema.name)} ORDER BY id`);
        expect(told).toHaveLength(given.length);
        const wrong = told.flatMap((line) =>
          cases.flatMap(({ name }, i) => (String(line[name]).startsWith('t') ? [] : [{ name, given: rows[Number(line.id)]?.[i] }])),
        );
        expect(wrong).toEqual([]);
      }),
      { numRuns: 25 },
    );
  });
});

describe('what no column holds', () => {
  const type = (base: string, modifier = -1) => ({ base, builtin: true, array: false, kind: 'b', modifier, sql: base });
  const encoded = (from: LogicalType, to: ReturnType<typeof type>, value: string | number | bigint): Buffer => {
    const encoder = rowEncoder([{ incoming: { name: 'a', type: from, nullable: true }, target: to }], { table: 't', key: [0] });
    expect(encoder.format).toBe('binary');
    for (const buffer of encoder.encode([[value]])) return buffer;
    return encoder.take();
  };
  const zoned = { kind: 'timestamp', fraction: 6, zoned: true } as const;

  it.each([
    ['int2', { kind: 'int32' }, 32_768],
    ['int4', { kind: 'int64' }, '2147483648'],
    ['int4', { kind: 'int64' }, '-99999999999999999999'],
    ['int8', { kind: 'uint64' }, 2n ** 63n],
    ['int8', { kind: 'int64' }, '12a'],
    ['int8', { kind: 'int64' }, ''],
    ['int4', { kind: 'decimal' }, '1.5'],
    ['oid', { kind: 'int64' }, -1],
    ['float8', { kind: 'float64' }, '1e400'],
    ['float8', { kind: 'float64' }, '1e-400'],
    ['float8', { kind: 'float64' }, '0x10'],
    ['float8', { kind: 'float64' }, ''],
    ['float4', { kind: 'float64' }, 0.1],
    ['numeric', { kind: 'decimal' }, '1,5'],
    ['numeric', { kind: 'decimal' }, '.'],
    ['numeric', { kind: 'decimal' }, '-'],
    ['numeric', { kind: 'decimal' }, '1.2.3'],
    ['date', { kind: 'date' }, '2023-02-29'],
    ['date', { kind: 'date' }, '0000-00-00'],
    ['timestamptz', zoned, '2024-01-01 10:00:60+00:00'],
    ['timestamptz', zoned, '2024-01-01 24:00:00+00:00'],
    ['timestamptz', zoned, '2024-01-01 10:00:00.1234567+00:00'],
    ['timestamptz', zoned, '2024-01-01 10:00:00'],
    ['timestamptz', zoned, '+999999-01-01 10:00:00+00:00'],
    ['timestamptz', zoned, '-999999-01-01 10:00:00+00:00'],
    ['uuid', { kind: 'uuid' }, '01234567-89ab-cdef-0123-456789abcdeg'],
    ['uuid', { kind: 'uuid' }, '0123456789abcdef0123456789abcdef0000'],
    ['text', { kind: 'string' }, 'a\0b'],
    ['text', { kind: 'string' }, `${'x'.repeat(40)}\0`],
    ['text', { kind: 'string' }, 'half \ud800'],
  ] as const)('%s refuses %o %o', (base, from, value) => {
    expect(() => encoded(from, type(base), value)).toThrow(/t\.a \(.*\) cannot hold the value of the row with key/);
  });

  it('nothing of a refused row is left in the buffer', () => {
    const encoder = rowEncoder([{ incoming: { name: 'a', type: { kind: 'string' }, nullable: true }, target: type('text') }], { table: 't', key: [0] });
    expect(() => [...encoder.encode([['fine'], ['bad\0']])]).toThrow();
    expect(encoder.take()).toEqual(Buffer.from([0, 1, 0, 0, 0, 4, ...Buffer.from('fine')]));
  });

  it('a row that is larger than a buffer goes by itself', () => {
    const encoder = rowEncoder([{ incoming: { name: 'a', type: { kind: 'string' }, nullable: true }, target: type('text') }], { table: 't', key: [0] });
    const long = 'é'.repeat(300_000);
    const buffers = [...encoder.encode([['a'], [long], ['b']]), encoder.take()];
    const wanted = ['a', long, 'b'].map((text) => {
      const bytes = Buffer.from(text);
      const head = Buffer.alloc(6);
      head.writeInt16BE(1, 0);
      head.writeInt32BE(bytes.length, 2);
      return Buffer.concat([head, bytes]);
    });
    expect(Buffer.concat(buffers).equals(Buffer.concat(wanted))).toBe(true);
  });
});
