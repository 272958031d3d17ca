/** The round-trip set: values that databases and drivers are known to change. Each has to arrive exactly, or be refused by name. */
import type { LogicalType, Value } from '../../lib/values/types.ts';

export interface ValueCase {
  /** Unique; expectation tables go by it. */
  readonly name: string;
  readonly type: LogicalType;
  readonly value: Value;
}

const types = {
  boolean: { kind: 'boolean' },
  int32: { kind: 'int32' },
  int64: { kind: 'int64' },
  uint64: { kind: 'uint64' },
  decimal38: { kind: 'decimal', precision: 38, scale: 20 },
  decimal: { kind: 'decimal' },
  decimal10: { kind: 'decimal', precision: 10, scale: 2 },
  float64: { kind: 'float64' },
  string: { kind: 'string' },
  short: { kind: 'string', maxLength: 20 },
  bytes: { kind: 'bytes' },
  date: { kind: 'date' },
  time: { kind: 'time', fraction: 6 },
  timestamp: { kind: 'timestamp', fraction: 6, zoned: false },
  timestamp7: { kind: 'timestamp', fraction: 7, zoned: false },
  zoned: { kind: 'timestamp', fraction: 6, zoned: true },
  uuid: { kind: 'uuid' },
  json: { kind: 'json' },
} as const satisfies Record<string, LogicalType>;

type Case = readonly [name: string, value: Value];

function cases(type: LogicalType, list: readonly Case[]): ValueCase[] {
  return list.map(([name, value]) => ({ name, type, value }));
}

const allBytes = Uint8Array.from({ length: 256 }, (_, i) => i);

export const valueCases: readonly ValueCase[] = [
  ...cases(types.boolean, [
    ['true', true],
    ['false', false],
    ['NULL boolean', null],
  ]),
  ...cases(types.int32, [
    ['int32 max', '2147483647'],
    ['int32 min', '-2147483648'],
    ['int32 as a number', -7],
  ]),
  ...cases(types.int64, [
    ['int64 max', '9223372036854775807'],
    ['int64 min', '-9223372036854775808'],
    ['past 2^53', '9007199254740993'],
    ['past 2^53 as a bigint', -9007199254740993n],
    ['int64 as a number', 9007199254740991],
  ]),
  ...cases(types.uint64, [
    ['uint64 max', '18446744073709551615'],
    ['uint64 above int64', '9223372036854775808'],
    ['uint64 within int64', '9223372036854775807'],
  ]),
  ...cases(types.decimal38, [
    ['decimal 500', '500.00000000000000000000'],
    ['decimal of the last place', '-0.00000000000000000001'],
    ['decimal of 38 digits', '123456789012345678.12345678901234567891'],
  ]),
  ...cases(types.decimal10, [
    ['decimal price', '19.90'],
    ['decimal zero', '0.00'],
    ['NULL decimal', null],
  ]),
  ...cases(types.decimal, [
    ['unlimited decimal', '12345678901234567890.5'],
    ['decimal NaN', 'NaN'],
    ['decimal Infinity', 'Infinity'],
    ['decimal -Infinity', '-Infinity'],
  ]),
  ...cases(types.float64, [
    ['0.1', '0.1'],
    ['a double of 16 digits', '936.6048963090145'],
    ['largest double', '1.7976931348623157e+308'],
    ['smallest double', '5e-324'],
    ['double as a number', 1.5],
    ['whole double', '3'],
    ['negative zero', '-0'],
    ['NaN', 'NaN'],
    ['Infinity', 'Infinity'],
    ['-Infinity', '-Infinity'],
  ]),
  ...cases(types.string, [
    ['empty string', ''],
    ['NULL string', null],
    ['the text NULL', 'NULL'],
    ['the text \\N', '\\N'],
    ['control characters', 'tab\there, line\nhere, return\rhere, feed\fhere, vertical\vhere, back\bhere, \u0001, \u007f'],
    ['backslashes and quotes', 'a\\b\\\\n "double" \'single\' `back` $$ {x} %s ?'],
    ['emoji', 'hé 👩‍👩‍👧‍👦 𝄞 \u{10ffff}'],
    ['U+FFFD', 'replaced \uFFFD for good'],
    ['byte order mark', '\uFEFFtext'],
    ['number in a text', '007'],
    ['spaces around', '  both ends  '],
    ['composed and decomposed', 'é e\u0301'],
    ['NUL', 'a\0b'],
    ['lone surrogate', 'a\ud800b'],
  ]),
  ...cases(types.short, [
    ['twenty characters', '12345678901234567890'],
    ['twenty emoji', '😀'.repeat(20)],
    ['trailing space', 'x '],
  ]),
  ...cases(types.bytes, [
    ['bytes 0 to 255', allBytes],
    ['no bytes', new Uint8Array(0)],
    ['NULL bytes', null],
  ]),
  ...cases(types.date, [
    ['date', '2024-02-29'],
    ['date before 1900', '1899-12-31'],
    ['date before 1582', '1500-02-28'],
    ['first date', '0001-01-01'],
    ['last date of four digits', '9999-12-31'],
    ['date BC', '-000043-03-15'],
    ['date past 9999', '+012024-01-01'],
    ['infinite date', 'infinity'],
    ['zero date', '0000-00-00'],
    ['date without a day', '2024-01-00'],
  ]),
  ...cases(types.time, [
    ['time', '23:59:59.999999'],
    ['midnight', '00:00:00'],
    ['24:00:00', '24:00:00'],
    ['838 hours', '838:59:59'],
    ['negative time', '-01:00:00'],
  ]),
  ...cases(types.timestamp, [
    ['microseconds', '2024-01-01 10:20:30.123456'],
    ['in a gap of the clock', '2024-03-31 02:30:00'],
    ['in another gap of the clock', '2024-03-10 02:30:00'],
    ['doubled hour', '2024-10-27 02:30:00'],
    ['timestamp before 1900', '1850-06-01 00:00:00.000001'],
    ['infinite timestamp', 'infinity'],
    ['timestamp minus infinity', '-infinity'],
    ['zero timestamp', '0000-00-00 00:00:00'],
    ['NULL timestamp', null],
  ]),
  ...cases(types.timestamp7, [['seven fraction digits', '2024-01-01 10:20:30.1234567']]),
  ...cases(types.zoned, [
    ['UTC', '2024-01-01 10:20:30.123456+00:00'],
    ['half-hour zone', '2024-07-01 10:20:30.5+05:30'],
    ['west of UTC', '2024-12-31 23:59:59.999999-09:30'],
    ['zoned before 1970', '1969-12-31 23:59:59.999999+00:00'],
    ['zoned before 1900', '1850-06-01 12:00:00+00:00'],
    ['infinite zoned', 'infinity'],
  ]),
  ...cases(types.uuid, [['uuid', '123e4567-e89b-12d3-a456-426614174000']]),
  ...cases(types.json, [
    ['JSON integer past 2^53', '{"a": 9007199254740993}'],
    ['JSON digits past a double', '{"b": [1.10, 12345678901234567890.5]}'],
    ['JSON escapes', '{"quote": "\\" \\\\ \\u00e9", "empty": {}, "list": [null, true, ""]}'],
    ['JSON null', 'null'],
    ['JSON text', '"text"'],
    ['JSON number', '1.0'],
    ['SQL NULL beside JSON', null],
  ]),
];

/** Cases by type, each group with a name that can be part of a table's. */
export function caseGroups(): { readonly name: string; readonly type: LogicalType; readonly cases: readonly ValueCase[] }[] {
  return Object.entries(types).map(([name, type]) => ({ name, type, cases: valueCases.filter((other) => other.type === type) }));
}
