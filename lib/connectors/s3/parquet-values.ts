/** Parquet's physical values as exact values of logical types. */
import { isUtf8 } from 'node:buffer';
import type { SchemaElement } from 'hyparquet';
import { SyncError } from '../../errors.ts';
import { toHex } from '../../values/bytes.ts';
import { fromDayNumber, toDayNumber, writeDate } from '../../values/datetime.ts';
import { isJson } from '../../values/json.ts';
import { doubleText } from '../../values/numbers.ts';
import type { LogicalType, Value } from '../../values/types.ts';

export interface LogicalColumn {
  readonly name: string;
  readonly type: LogicalType;
  /** Undefined where the value is none of the type. Never asked for NULL. */
  readonly value: (physical: unknown) => Value | undefined;
}

type Convert = LogicalColumn['value'];
type Unit = 'MILLIS' | 'MICROS' | 'NANOS';

const epochDay = toDayNumber({ year: 1970, month: 1, day: 1 });
const digitsOf = { MILLIS: 3, MICROS: 6, NANOS: 9 } as const;

/** Unix days as a date. */
function dateText(days: number): string {
  return writeDate(fromDayNumber(days + epochDay));
}

function pad(value: number | bigint, width: number): string {
  return String(value).padStart(width, '0');
}

function timeText(units: bigint, digits: number): string {
  const perSecond = 10n ** BigInt(digits);
  const seconds = Number(units / perSecond);
  const fraction = pad(units % perSecond, digits);
  return `${pad(Math.floor(seconds / 3600), 2)}:${pad(Math.floor(seconds / 60) % 60, 2)}:${pad(seconds % 60, 2)}.${fraction}`;
}

function timestampText(units: bigint, digits: number, zoned: boolean): string {
  const perDay = 86_400n * 10n ** BigInt(digits);
  const within = ((units % perDay) + perDay) % perDay;
  return `${dateText(Number((units - within) / perDay))} ${timeText(within, digits)}${zoned ? '+00:00' : ''}`;
}

function decimalText(unscaled: bigint, scale: number): string {
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  const sign = unscaled < 0n ? '-' : '';
  return scale === 0 ? `${sign}${digits}` : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** Two's complement, the highest byte first. */
function bigEndian(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${toHex(bytes)}`));
}

function text(physical: unknown): string | undefined {
  if (!(physical instanceof Uint8Array)) return typeof physical === 'string' ? physical : undefined;
  return isUtf8(physical) ? Buffer.from(physical.buffer, physical.byteOffset, physical.byteLength).toString('utf8') : undefined;
}

const big = (physical: unknown): bigint => BigInt(physical as number | bigint);

function integer(bits: number, signed: boolean): { type: LogicalType; value: Convert } {
  if (bits === 64)
    return { type: { kind: signed ? 'int64' : 'uint64' }, value: (physical) => String(signed ? big(physical) : BigInt.asUintN(64, big(physical))) };
  if (bits === 32 && !signed) return { type: { kind: 'int64' }, value: (physical) => String(BigInt.asUintN(32, big(physical))) };
  return { type: { kind: 'int32' }, value: (physical) => Number(physical) };
}

function timestamp(unit: Unit, zoned: boolean): { type: LogicalType; value: Convert } {
  const digits = digitsOf[unit];
  return { type: { kind: 'timestamp', fraction: digits, zoned }, value: (physical) => timestampText(big(physical), digits, zoned) };
}

function time(unit: Unit): { type: LogicalType; value: Convert } {
  const digits = digitsOf[unit];
  return { type: { kind: 'time', fraction: digits }, value: (physical) => timeText(big(physical), digits) };
}

function convertFor(element: SchemaElement): { type: LogicalType; value: Convert } | null {
  const { type, converted_type: converted, logical_type: logical, precision, scale = 0 } = element;
  if (logical?.type === 'DECIMAL' || converted === 'DECIMAL') {
    const unscaled = (physical: unknown): bigint => (physical instanceof Uint8Array ? bigEndian(physical) : big(physical));
    return { type: { kind: 'decimal', precision: precision ?? 38, scale }, value: (physical) => decimalText(unscaled(physical), scale) };
  }
  if (logical?.type === 'UUID') return { type: { kind: 'uuid' }, value: (physical) => uuid(physical) };
  if (logical?.type === 'JSON' || converted === 'JSON') {
    return {
      type: { kind: 'json' },
      value: (physical) => {
        const json = text(physical);
        return json !== undefined && isJson(json) ? json : undefined;
      },
    };
  }
  if (logical?.type === 'STRING' || logical?.type === 'ENUM' || converted === 'UTF8' || converted === 'ENUM') return { type: { kind: 'string' }, value: text };
  if (logical?.type === 'DATE' || converted === 'DATE') return { type: { kind: 'date' }, value: (physical) => dateText(Number(physical)) };
  if (logical?.type === 'TIME') return time(logical.unit);
  if (logical?.type === 'TIMESTAMP') return timestamp(logical.unit, logical.isAdjustedToUTC);
  if (converted === 'TIME_MILLIS' || converted === 'TIME_MICROS') return time(converted === 'TIME_MILLIS' ? 'MILLIS' : 'MICROS');
  if (converted === 'TIMESTAMP_MILLIS' || converted === 'TIMESTAMP_MICROS') return timestamp(converted === 'TIMESTAMP_MILLIS' ? 'MILLIS' : 'MICROS', true);
  if (logical?.type === 'INTEGER') return integer(logical.bitWidth, logical.isSigned);
  const sized = /^(U?)INT_(8|16|32|64)$/.exec(converted ?? '');
  if (sized !== null) return integer(Number(sized[2]), sized[1] === '');
  if (converted !== undefined || (logical !== undefined && logical.type !== 'NULL')) return null;
  switch (type) {
    case 'BOOLEAN':
      return { type: { kind: 'boolean' }, value: (physical) => Boolean(physical) };
    case 'INT32':
      return integer(32, true);
    case 'INT64':
      return integer(64, true);
    case 'INT96':
      // Spark and Impala write moments of UTC so: nanoseconds within a Julian day, and the day
      return timestamp('NANOS', true);
    case 'FLOAT':
    case 'DOUBLE':
      return { type: { kind: 'float64' }, value: (physical) => doubleText(Number(physical)) };
    case 'BYTE_ARRAY':
    case 'FIXED_LEN_BYTE_ARRAY':
      // Bytes of their own: those of the page go with its row group
      return { type: { kind: 'bytes' }, value: (physical) => (physical instanceof Uint8Array ? physical.slice() : undefined) };
    default:
      return null;
  }
}

function uuid(physical: unknown): string | undefined {
  if (!(physical instanceof Uint8Array) || physical.length !== 16) return undefined;
  const hex = toHex(physical);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

/** Throws `UNSUPPORTED` for types that have no exact counterpart. */
export function logicalColumn(element: SchemaElement, key: string): LogicalColumn {
  const found = element.repetition_type === 'REPEATED' ? null : convertFor(element);
  if (found !== null) return { name: element.name, ...found };
  const told = element.logical_type?.type ?? element.converted_type ?? element.type ?? 'unknown';
  throw new SyncError('UNSUPPORTED', `${key}: column ${element.name} has the Parquet type ${told}, which is not read.`, { key, column: element.name });
}
