/**
 * How Parquet keeps each logical type, and the exact physical values. The library's own conversions are not used: its JSON type encodes text twice, and its numbers of decimals go through doubles.
 * https://parquet.apache.org/docs/file-format/types/logicaltypes/
 */
import type { SchemaElement } from 'hyparquet';
import { fromHex } from '../../values/bytes.ts';
import { readDate, readTime, readTimestamp, toDayNumber, toUtc } from '../../values/datetime.ts';
import { readDecimal } from '../../values/numbers.ts';
import type { Column, LogicalType, Value } from '../../values/types.ts';

type Held = Exclude<Value, null>;
type Physical = boolean | number | bigint | string | Uint8Array;

export interface ParquetColumn {
  readonly element: SchemaElement;
  readonly physical: (value: Held) => Physical;
}

/** Digits that 16 bytes hold. */
export const maxPrecision = 38;
const epochDay = toDayNumber({ year: 1970, month: 1, day: 1 });

type Part = Omit<SchemaElement, 'name' | 'repetition_type'>;

function typed(type: LogicalType): { readonly part: Part; readonly physical: (value: Held) => Physical } {
  const text = { part: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as Part, physical: String };
  switch (type.kind) {
    case 'boolean':
      return { part: { type: 'BOOLEAN' }, physical: Boolean };
    case 'int32':
      return { part: { type: 'INT32' }, physical: Number };
    case 'int64':
      return { part: { type: 'INT64' }, physical: integer };
    case 'uint64':
      return {
        part: { type: 'INT64', converted_type: 'UINT_64', logical_type: { type: 'INTEGER', bitWidth: 64, isSigned: false } },
        physical: integer,
      };
    case 'float64':
      return { part: { type: 'DOUBLE' }, physical: Number };
    case 'decimal': {
      const { precision, scale = 0 } = type;
      // Parquet's decimals have a fixed scale: without one, or past 38 digits, the number stays text
      if (precision === undefined || precision > maxPrecision || scale > precision || scale < 0) return text;
      const decimal: Part = { converted_type: 'DECIMAL', logical_type: { type: 'DECIMAL', precision, scale }, precision, scale };
      const width: Part = precision <= 18 ? { type: 'INT64' } : { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16 };
      return { part: { ...decimal, ...width }, physical: (value) => unscaled(String(value), scale) };
    }
    case 'string':
    case 'json':
      return text;
    case 'bytes':
      return { part: { type: 'BYTE_ARRAY' }, physical: (value) => (value instanceof Uint8Array ? value : String(value)) };
    case 'uuid':
      return {
        part: { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 16, logical_type: { type: 'UUID' } },
        physical: (value) => fromHex(String(value).replaceAll('-', '')) ?? String(value),
      };
    case 'date':
      return { part: { type: 'INT32', converted_type: 'DATE', logical_type: { type: 'DATE' } }, physical: (value) => days(String(value)) };
    case 'time':
      return {
        part: { type: 'INT64', logical_type: { type: 'TIME', isAdjustedToUTC: false, unit: 'MICROS' } },
        physical: (value) => timeMicros(String(value)),
      };
    case 'timestamp':
      return {
        part: { type: 'INT64', logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: type.zoned, unit: 'MICROS' } },
        physical: (value) => timestampMicros(String(value)),
      };
  }
}

/** Every column is optional: a column that is required today may not be tomorrow, and readers of many objects want one schema. */
export function parquetColumn({ name, type }: Pick<Column, 'name' | 'type'>): ParquetColumn {
  const { part, physical } = typed(type);
  return { element: { name, repetition_type: 'OPTIONAL', ...part }, physical };
}

function integer(value: Held): bigint {
  return typeof value === 'bigint' ? value : BigInt(String(value));
}

function unscaled(text: string, scale: number): bigint {
  const facts = readDecimal(text);
  if (facts === null) throw new RangeError('no decimal');
  const digits = BigInt(`${facts.whole}${facts.fraction.padEnd(scale, '0')}` || '0');
  return facts.negative ? -digits : digits;
}

function days(text: string): number {
  const date = readDate(text);
  if (date === null) throw new RangeError('no date');
  return toDayNumber(date) - epochDay;
}

function micros({ hour, minute, second, fraction }: { hour: number; minute: number; second: number; fraction: string }): bigint {
  return BigInt(hour * 3600 + minute * 60 + second) * 1_000_000n + BigInt(fraction.padEnd(6, '0').slice(0, 6));
}

function timeMicros(text: string): bigint {
  const time = readTime(text);
  if (time === null) throw new RangeError('no time');
  return micros(time);
}

function timestampMicros(text: string): bigint {
  const parts = readTimestamp(text);
  if (parts === null) throw new RangeError('no timestamp');
  const { date, time } = toUtc(parts);
  return BigInt(toDayNumber(date) - epochDay) * 86_400_000_000n + micros(time);
}
