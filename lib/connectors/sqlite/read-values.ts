/** Values as the driver hands them over, to the form of their logical type, each exactly or refused: SQLite lets any value stand in any column. */
import { canonicalDate, canonicalTime, canonicalTimestamp, fromDayNumber, significantFraction, toDayNumber, writeDate } from '../../values/datetime.ts';
import { isJson } from '../../values/json.ts';
import { doubleText, isDecimalText, plainDecimal } from '../../values/numbers.ts';
import type { Column, LogicalType, Value } from '../../values/types.ts';
import { quote } from './dialect.ts';
import type { ReadColumn } from './relation.ts';

export type IntegerTimes = 'refuse' | 'seconds' | 'milliseconds';

/** What stands in a column is not what the column is for. The message follows "holds". */
export class Misfit extends Error {
  /** Of the column, where whoever throws it knows better than whoever catches it. */
  readonly index: number | undefined;

  constructor(message: string, index?: number) {
    super(message);
    this.index = index;
  }
}

const maxSafe = Number.MAX_SAFE_INTEGER;

/**
 * The expression that selects a column. The driver makes a double of every number, so integers past 2^53 come as their digits. What is of a storage class that the type does not
 * take comes as the name of its class: `text`, `blob`, `real`.
 */
export function selectExpression({ column, affinity }: ReadColumn, expression: string): string {
  const safe = `${expression} BETWEEN -${maxSafe} AND ${maxSafe}`;
  const digits = `WHEN typeof(${expression}) = 'integer' THEN CAST(${expression} AS TEXT)`;
  switch (column.type.kind) {
    case 'int32':
    case 'int64':
    case 'uint64':
      return `CASE WHEN ${safe} THEN ${expression} WHEN ${expression} IS NULL THEN NULL ${digits} ELSE typeof(${expression}) END`;
    case 'decimal':
      if (affinity === 'TEXT') return expression;
      return `CASE WHEN ${safe} THEN ${expression} ${digits} ELSE ${expression} END`;
    case 'float64':
      // REAL affinity holds no integers
      return affinity === 'REAL'
        ? expression
        : `CASE WHEN typeof(${expression}) = 'real' OR ${safe} THEN ${expression} WHEN ${expression} IS NULL THEN NULL ELSE typeof(${expression}) END`;
    default:
      return expression;
  }
}

/** Expression for the bytes of a text, by which U+FFFD that the driver put in place of wrong UTF-8 is told from one that was there. */
export function bytesExpression(name: string, qualifier: string): string {
  return `CAST(${qualifier}.${quote(name)} AS BLOB)`;
}

export type ReadValue = (raw: unknown) => Value;

const plainDate = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;
/** Canonical already and surely there: days up to the 28th, in years that no rule touches. Nearly every value is decided by this alone. */
const commonDate = /^[1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])$/;
const digitsOnly = /^-?[0-9]+$/;

/** Throws `Misfit`. NULL is not passed in. */
export function valueReader({ type }: Column, integerTimes: IntegerTimes): ReadValue {
  switch (type.kind) {
    case 'boolean':
      return (raw) => {
        if (raw === 1) return true;
        if (raw === 0) return false;
        throw misfit(raw, type);
      };
    case 'int32':
    case 'int64':
    case 'uint64':
      return (raw) => {
        if (typeof raw === 'number' && Number.isSafeInteger(raw)) return raw;
        if (typeof raw === 'string' && digitsOnly.test(raw)) return raw;
        throw typeof raw === 'string' ? new Misfit(`a value of class ${raw}`) : misfit(raw, type);
      };
    case 'float64':
      return (raw) => {
        if (typeof raw === 'number') return raw;
        throw typeof raw === 'string' ? new Misfit('a value that is no double') : misfit(raw, type);
      };
    case 'decimal':
      return (raw) => {
        const text = typeof raw === 'number' ? plainDecimal(doubleText(raw)) : typeof raw !== 'string' ? null : isDecimalText(raw) ? raw : plainDecimal(raw);
        if (text === null) throw misfit(raw, type);
        return text;
      };
    case 'string':
      return readText;
    case 'bytes':
      return (raw) => {
        if (raw instanceof Uint8Array) return raw;
        throw misfit(raw, type);
      };
    case 'uuid':
      return textReader(type, (text) => (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text) ? text.toLowerCase() : null));
    case 'json':
      return textReader(type, (text) => (isJson(text) ? text : null));
    case 'date':
      return textReader(type, (text) => (commonDate.test(text) ? text : canonicalDate(text)));
    case 'time':
      return textReader(type, (text) => within(canonicalTime(text), type.fraction));
    case 'timestamp': {
      const common = commonTimestamp(type.fraction, type.zoned);
      const canonical = (text: string): string | null => canonicalTimestamp(plainDate.test(text) && !type.zoned ? `${text} 00:00:00` : text, type.zoned);
      const fromText = textReader(type, (text) => (common.test(text) ? text : within(canonical(text), type.fraction)));
      if (integerTimes === 'refuse') return fromText;
      return (raw) => (typeof raw === 'number' && Number.isSafeInteger(raw) ? epochText(raw, integerTimes, type.zoned) : fromText(raw));
    }
  }
}

function readText(raw: unknown): string {
  if (typeof raw !== 'string') throw misfit(raw, { kind: 'string' });
  return raw;
}

function textReader(type: LogicalType, canonical: (text: string) => string | null): ReadValue {
  return (raw) => {
    if (typeof raw !== 'string') throw misfit(raw, type);
    const text = canonical(raw);
    if (text === null) throw new Misfit(`text that is no ${typeWord(type)}`);
    return text;
  };
}

function commonTimestamp(fraction: number, zoned: boolean): RegExp {
  const digits = fraction === 0 ? '' : `(?:\\.[0-9]{1,${fraction}})?`;
  const zone = zoned ? '[+-](?:0[0-9]|1[0-4]):[0-5][0-9]' : '';
  return new RegExp(`${commonDate.source.slice(0, -1)} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]${digits}${zone}$`);
}

function within(text: string | null, fraction: number): string | null {
  return text === null || (text.includes('.') && significantFraction(text) > fraction) ? null : text;
}

function typeWord(type: LogicalType): string {
  return type.kind === 'timestamp' ? `timestamp ${type.zoned ? 'with' : 'without'} a zone and with at most ${type.fraction} fraction digits` : type.kind;
}

function misfit(raw: unknown, type: LogicalType): Misfit {
  const held = typeof raw === 'number' ? (Number.isInteger(raw) ? 'an integer' : 'a real number') : typeof raw === 'string' ? 'text' : 'a blob';
  const moment = typeof raw === 'number' && (type.kind === 'timestamp' || type.kind === 'date' || type.kind === 'time');
  return new Misfit(`${held} where a ${typeWord(type)} belongs${moment && type.kind === 'timestamp' ? ' (say what integers mean with integerTimes)' : ''}`);
}

/** Integers since 1970 in UTC as canonical text. */
function epochText(value: number, unit: 'seconds' | 'milliseconds', zoned: boolean): string {
  const milliseconds = unit === 'seconds' ? BigInt(value) * 1000n : BigInt(value);
  const perDay = 86_400_000n;
  const inDay = ((milliseconds % perDay) + perDay) % perDay;
  const days = (milliseconds - inDay) / perDay;
  const date = fromDayNumber(Number(days) + toDayNumber({ year: 1970, month: 1, day: 1 }));
  const left = Number(inDay);
  const pad = (part: number, width: number): string => String(part).padStart(width, '0');
  const time = `${pad(Math.floor(left / 3_600_000), 2)}:${pad(Math.floor(left / 60_000) % 60, 2)}:${pad(Math.floor(left / 1000) % 60, 2)}`;
  return `${writeDate(date)} ${time}${unit === 'milliseconds' ? `.${pad(left % 1000, 3)}` : ''}${zoned ? '+00:00' : ''}`;
}
