/** How a value becomes the text that a column takes, or why it cannot: MySQL rounds, cuts, pads and folds on its own, so everything is asked first. */
import { toBase64 } from '../../values/bytes.ts';
import { utcText } from '../../values/datetime.ts';
import {
  bytesCheck,
  type Check,
  checkFor,
  dateCheck,
  decimalCheck,
  doubleCheck,
  integerCheck,
  stringCheck,
  timeCheck,
  timestampCheck,
} from '../../values/fits.ts';
import { doubleText, integerRanges, readDouble, survivesDouble } from '../../values/numbers.ts';
import type { LogicalType, Value } from '../../values/types.ts';
import { type Quick, quickCheck } from './quick-checks.ts';
import { type ColumnFacts, isGeometry } from './types.ts';

/** How the text reaches its column: as it is; decoded from base64; as a number of bits. */
export type Loading = 'direct' | 'base64' | 'bits';

export interface ColumnWriter {
  readonly name: string;
  /** The column's type in the server's words. */
  readonly declared: string;
  readonly loading: Loading;
  /** The text may hold characters that the load format has to escape. */
  readonly free: boolean;
  /** Why the column cannot hold the value exactly; null: it can. NULL included. */
  readonly check: Check;
  /** Common values that need no further check. */
  readonly quick?: Quick;
  /** Text of a value that passed the check and is not null. */
  readonly text: (value: Value) => string;
}

interface Form {
  readonly check: Check;
  readonly text?: (value: Value) => string;
  readonly loading?: Loading;
  readonly free?: boolean;
}

/** `nullable` false: NULL is refused here, since some columns would take the current time for it. */
export function columnWriter(column: { name: string; nullable: boolean; facts: ColumnFacts }, incoming: LogicalType, mariadb: boolean): ColumnWriter {
  const { name, nullable, facts } = column;
  const { check, text = plainText, loading = 'direct', free = false } = formFor(facts, incoming, mariadb);
  // MariaDB keeps JSON as text; MySQL reads its numbers
  const quick = facts.base === 'json' && mariadb ? isText : incoming.kind === 'boolean' || incoming.kind === 'bytes' ? undefined : quickCheck(facts);
  return {
    ...(quick === undefined ? {} : { quick }),
    name,
    declared: facts.declared,
    loading,
    free,
    check: nullable ? check : (value) => (value === null ? isNull : check(value)),
    text,
  };
}

const isText: Quick = (value) => typeof value === 'string';

/** Not a matter of the column's type: the row breaks its constraint. */
export const isNull = 'is NULL';

function plainText(value: Value): string {
  return typeof value === 'string' ? value : String(value);
}

function numberText(value: Value): string {
  return typeof value === 'number' ? doubleText(value) : typeof value === 'boolean' ? (value ? '1' : '0') : plainText(value);
}

const integers = { tinyint: 'int8', smallint: 'int16', mediumint: 'int24', int: 'int32', bigint: 'int64' } as const;

function formFor(facts: ColumnFacts, incoming: LogicalType, mariadb: boolean): Form {
  const { base, unsigned, length, precision, scale, fraction } = facts;
  switch (base) {
    case 'tinyint':
    case 'smallint':
    case 'mediumint':
    case 'int':
    case 'bigint': {
      const check = integerCheck(integerRanges[`${unsigned ? 'u' : ''}${integers[base]}`]);
      return { check: incoming.kind === 'boolean' ? checkFor(incoming) : check, text: numberText };
    }
    case 'bit':
      return {
        check: incoming.kind === 'boolean' ? checkFor(incoming) : integerCheck({ min: 0n, max: 2n ** BigInt(length ?? 1) - 1n }),
        text: numberText,
        loading: 'bits',
      };
    case 'year':
      return { check: yearCheck, text: (value) => String(value).padStart(4, '0') };
    case 'decimal':
      return { check: both(decimalCheck({ precision: precision ?? 10, scale: scale ?? 0, specials: false }), unsigned ? notNegative : null), text: plainText };
    case 'double':
      return { check: both(both(doubleCheck({ specials: false }), signedZero), unsigned ? notNegative : null), text: numberText };
    case 'float':
      return { check: both(both(doubleCheck({ specials: false }), signedZero), singleCheck), text: numberText };
    case 'date':
      return { check: dateCheck(moments) };
    case 'time':
      return { check: timeCheck({ fraction, maxHours: 838, negative: true }) };
    case 'datetime':
      return { check: timestampCheck({ ...moments, fraction }), text: utc };
    case 'timestamp':
      return { check: both(timestampCheck({ ...moments, fraction }), epochCheck), text: utc };
    case 'uuid':
      return { check: checkFor({ kind: 'uuid' }) };
    case 'json':
      return { check: mariadb ? stringCheck({ nul: true }) : both(stringCheck({ nul: true }), jsonNumbersCheck), text: plainText, free: true };
    case 'enum':
      return { check: memberCheck(members(facts.declared)), free: true };
    case 'set':
      return { check: membersCheck(members(facts.declared)), free: true };
    default:
      return incoming.kind === 'bytes' || isGeometry(facts) ? bytesForm(facts) : textForm(facts);
  }
}

const moments = { infinity: false, zeroDates: true, minYear: 1, maxYear: 9999 };

function both(first: Check, second: Check | null): Check {
  return second === null ? first : (value) => first(value) ?? (value === null ? null : second(value));
}

const notNegative: Check = (value) => (/^-.*[1-9]/.test(String(value)) ? 'is negative' : null);

/** Its sign is gone when it is read. */
const signedZero: Check = (value) => (Object.is(Number(value), -0) ? 'is negative zero' : null);

const singleCheck: Check = (value) => {
  const double = typeof value === 'number' ? value : readDouble(String(value));
  return double !== null && Math.fround(double) === double ? null : 'needs more digits than a FLOAT keeps';
};

/** 0 is stored as 0000; other years have one byte. */
const yearCheck: Check = (value) => {
  const year = value === null ? 0 : Number(value);
  return year === 0 || (Number.isInteger(year) && year >= 1901 && year <= 2155) ? null : 'is outside the years 1901 to 2155';
};

/** The exact ends are the server's (MariaDB goes on to 2106 on 64 bits): it refuses aloud, this says it with the row's key. */
const epochCheck: Check = (value) => {
  if (value === null) return null;
  const moment = utc(value);
  const year = Number(moment.slice(0, 4));
  return moment.startsWith('0000-00-00') || (year >= 1970 && year <= 2106)
    ? null
    : 'is outside the years that TIMESTAMP holds (1970 to 2038): exclude the column, or make it a text column';
};

/** The session is in UTC: what has a zone is written on UTC's clock. */
function utc(value: Value): string {
  const text = String(value);
  if (text.endsWith('+00:00')) return text.slice(0, -6);
  return /[+-][0-9]{2}:?[0-9]{2}$|Z$/.test(text) && text.length > 12 ? (utcText(text) ?? text) : text;
}

/** MySQL keeps numbers of JSON as 64-bit integers or doubles: 1.10 becomes 1.1, which is the same number. Short ones survive that, but for exponents that a double lacks, and the sign of −0. */
const jsonNumbersCheck: Check = (value) => {
  const text = String(value);
  if (!/[0-9.eE+-]{15,}|[0-9][eE][+-]?[0-9]{2}|-0(?![.0-9])/.test(text)) return null;
  const numbers = text.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/g) ?? [];
  const kept = (number: string): boolean =>
    number !== '-0' && (integerCheck(integerRanges.int64)(number) === null || integerCheck(integerRanges.uint64)(number) === null || survivesDouble(number));
  return numbers.every(kept) ? null : 'has numbers that JSON columns change: they keep 64-bit integers and doubles';
};

function members(declared: string): string[] {
  return [...declared.matchAll(/'((?:[^']|'')*)'/g)].map(([, text = '']) => text.replaceAll("''", "'"));
}

/** The server compares without case and takes a number for a position: only the exact text is the value. */
function memberCheck(allowed: readonly string[]): Check {
  const known = new Set(allowed);
  return (value) => (value === null || known.has(String(value)) ? null : 'is none of the values of the ENUM');
}

/** The server sorts the parts and drops what is there twice. */
function membersCheck(allowed: readonly string[]): Check {
  return (value) => {
    if (value === null || value === '') return null;
    const places = String(value)
      .split(',')
      .map((part) => allowed.indexOf(part));
    const sorted = places.every((place, i) => place >= 0 && place > (places[i - 1] ?? -1));
    return sorted ? null : 'is no list of values of the SET in their own order';
  };
}

/** Bytes that TEXT and BLOB hold where the catalogue does not say it. */
const limits: Readonly<Record<string, number>> = { tiny: 255, '': 65_535, medium: 16_777_215, long: 4_294_967_295 };

function bytesForm(facts: ColumnFacts): Form {
  const size = limits[/^(tiny|medium|long|)blob$/.exec(facts.base)?.[1] ?? 'long'];
  const within = bytesCheck(facts.length ?? size);
  const padded: Check = (value) =>
    value instanceof Uint8Array && value.length !== facts.length ? `is shorter than BINARY(${facts.length}), which would pad it with zero bytes` : null;
  return {
    check: facts.base === 'binary' ? both(within, padded) : within,
    text: (value) => (value instanceof Uint8Array ? toBase64(value) : ''),
    loading: 'base64',
  };
}

function textForm(facts: ColumnFacts): Form {
  const { base, length } = facts;
  const bounded = base === 'char' || base === 'varchar';
  const size = limits[/^(tiny|medium|long|)text$/.exec(base)?.[1] ?? 'long'];
  const check = stringCheck({ nul: true, ...(bounded ? { maxCharacters: length ?? 255 } : { maxBytes: length ?? size ?? 255 }) });
  const padded: Check = (value) => (String(value).endsWith(' ') ? 'ends with a space, which CHAR drops' : null);
  const asText = (value: Value): Value => (typeof value === 'string' || value === null ? value : plainOf(value));
  const wide: Check = (value) => check(asText(value));
  return { check: base === 'char' ? both(wide, padded) : wide, text: (value) => String(plainOf(value)), free: true };
}

function plainOf(value: Value): string {
  return typeof value === 'number' ? doubleText(value) : value instanceof Uint8Array ? toBase64(value) : String(value);
}
