/** How a value reaches its column, or why it cannot: SQL Server rounds, pads and replaces on its own, so everything is asked first. */
import { toBase64 } from '../../values/bytes.ts';
import { canonicalTimestamp, readTimestamp, toUtc, utcText } from '../../values/datetime.ts';
import { bytesCheck, type Check, checkFor, dateCheck, decimalCheck, doubleCheck, integerCheck, timeCheck, timestampCheck } from '../../values/fits.ts';
import { doubleText, integerRanges, plainDecimal, readDouble } from '../../values/numbers.ts';
import type { LogicalType, Value } from '../../values/types.ts';
import type { BulkColumn } from './session.ts';
import type { ColumnFacts } from './types.ts';

export interface ColumnWriter {
  readonly name: string;
  /** The column's type in the server's words. */
  readonly declared: string;
  /** How it is bulk loaded into the batch's own table; the type there, collation included. */
  readonly bulk: Omit<BulkColumn, 'name'>;
  readonly staged: string;
  /** The staged column as an expression of the target's type. */
  readonly convert: (staged: string) => string;
  /** Why the column cannot hold the value exactly; null: it can. NULL included. */
  readonly check: Check;
  /** What the driver takes for a value that passed the check and is not null. */
  readonly wire: (value: Exclude<Value, null>) => unknown;
  /** A text beyond ASCII goes into a column with a code page, which may lack its characters: the server has to be asked. */
  readonly coded: boolean;
}

type Form = Pick<ColumnWriter, 'bulk' | 'staged' | 'check' | 'wire'> & Partial<Pick<ColumnWriter, 'convert' | 'coded'>>;

/** In every code page these characters are the same, one byte each. */
export const beyondAscii = /[\u0080-\uffff]/;

/** Not a matter of the column's type: the row breaks its constraint. */
export const isNull = 'is NULL';

const asIs = (staged: string): string => staged;

export function columnWriter(column: { name: string; nullable: boolean; facts: ColumnFacts }, incoming: LogicalType): ColumnWriter {
  const { name, nullable, facts } = column;
  const form = formFor(facts, incoming);
  const { check } = form;
  return {
    name,
    declared: facts.declared,
    convert: asIs,
    coded: false,
    ...form,
    check: nullable ? check : (value) => (value === null ? isNull : check(value)),
  };
}

const integers = { tinyint: { min: 0n, max: 255n }, smallint: integerRanges.int16, int: integerRanges.int32, bigint: integerRanges.int64 } as const;
const years = { infinity: false, zeroDates: false, minYear: 1, maxYear: 9999 };

function formFor(facts: ColumnFacts, incoming: LogicalType): Form {
  const { base, precision, scale } = facts;
  const fraction = scale ?? 7;
  switch (base) {
    case 'tinyint':
    case 'smallint':
    case 'int':
    case 'bigint': {
      const column = { bulk: { type: 'bigint' }, staged: 'bigint' } as const;
      if (incoming.kind === 'boolean') return { ...column, check: checkFor(incoming), wire: (value) => (value === true ? 1n : 0n) };
      return { ...column, check: integerCheck(integers[base]), wire: asIsValue };
    }
    case 'bit':
      return {
        bulk: { type: 'bit' },
        staged: 'bit',
        check: incoming.kind === 'boolean' ? checkFor(incoming) : integerCheck({ min: 0n, max: 1n }),
        wire: (value) => value === true || String(value) === '1',
      };
    case 'decimal':
    case 'numeric':
      return short(decimalCheck({ precision: precision ?? 38, scale: scale ?? 0, specials: false }), decimalText, `CONVERT(${facts.declared}, #)`);
    case 'money':
      return short(both(decimalCheck({ precision: 19, scale: 4, specials: false }), scaledWithin(integerRanges.int64)), decimalText, 'CONVERT(money, #)');
    case 'smallmoney':
      return short(both(decimalCheck({ precision: 10, scale: 4, specials: false }), scaledWithin(integerRanges.int32)), decimalText, 'CONVERT(smallmoney, #)');
    case 'float':
      return { bulk: { type: 'float' }, staged: 'float', check: both(doubleCheck({ specials: false }), normalCheck), wire: doubleOf };
    case 'real':
      return { bulk: { type: 'float' }, staged: 'float', check: both(doubleCheck({ specials: false }), singleCheck), wire: doubleOf };
    case 'date':
      return short(dateCheck(years), (value) => String(value), 'CONVERT(date, #, 23)');
    case 'time':
      return short(timeCheck({ fraction, maxHours: 23, negative: false }), sevenDigits, `CONVERT(${facts.declared}, #)`);
    case 'datetime2':
      return short(timestampCheck({ ...years, fraction }), momentText, `CONVERT(${facts.declared}, #, 121)`);
    case 'datetime':
      return short(both(timestampCheck({ ...years, minYear: 1753, fraction: 3 }), threeHundredths), millisecondText, 'CONVERT(datetime, #, 121)');
    case 'smalldatetime':
      return short(both(timestampCheck({ ...years, minYear: 1900, maxYear: 2078, fraction: 0 }), wholeMinutes), wholeSeconds, 'CONVERT(smalldatetime, #, 120)');
    case 'datetimeoffset':
      return short(both(timestampCheck({ ...years, fraction }), localYears), zonedText, `CONVERT(${facts.declared}, #, 121)`);
    case 'uniqueidentifier':
      return short(checkFor({ kind: 'uuid' }), (value) => String(value), 'CONVERT(uniqueidentifier, #)');
    case 'binary':
    case 'varbinary':
    case 'image':
    case 'geometry':
    case 'geography':
      return bytesForm(facts);
    default:
      return textForm(facts);
  }
}

function asIsValue(value: Value): Value {
  return value;
}

function both(first: Check, second: Check): Check {
  return (value) => first(value) ?? (value === null ? null : second(value));
}

/** Sent as a short text and converted by the server: exact, since the check knows what the column keeps. */
function short(check: Check, wire: (value: Exclude<Value, null>) => string, convert: string): Form {
  return { bulk: { type: 'nvarchar', length: 80 }, staged: 'nvarchar(80)', check, wire, convert: (staged) => convert.replace('#', staged) };
}

/** Digits that say nothing would count against the precision of the server's own conversion. */
function decimalText(value: Value): string {
  const plain = plainDecimal(String(value)) ?? String(value);
  const [whole = '0', fraction = ''] = plain.split('.');
  const digits = whole.replace(/^(-?)0+(?=[0-9])/, '$1');
  const rest = fraction.replace(/0+$/, '');
  return rest === '' ? digits : `${digits}.${rest}`;
}

function scaledWithin(range: { readonly min: bigint; readonly max: bigint }): Check {
  return (value) => {
    const [whole = '0', fraction = ''] = decimalText(value).split('.');
    const scaled = BigInt(`${whole}${fraction.padEnd(4, '0')}`);
    return scaled >= range.min && scaled <= range.max ? null : 'is out of the range of its column';
  };
}

function doubleOf(value: Value): number {
  return typeof value === 'number' ? value : Number(value);
}

/** The smallest double with all its digits; the server is not bound to keep what is nearer to zero. */
const smallestNormal = 2.2250738585072014e-308;

const signedZero = 'is negative zero, whose sign the server is not bound to keep';

const normalCheck: Check = (value) => {
  if (Object.is(Number(value), -0)) return signedZero;
  const double = Math.abs(Number(value));
  return double === 0 || double >= smallestNormal ? null : 'is nearer to zero than FLOAT goes';
};

const singleCheck: Check = (value) => {
  const double = typeof value === 'number' ? value : readDouble(String(value));
  if (double === null || Math.fround(double) !== double) return 'needs more digits than REAL keeps';
  if (Object.is(double, -0)) return signedZero;
  return double === 0 || Math.abs(double) >= 1.1754943508222875e-38 ? null : 'is nearer to zero than REAL goes';
};

/** The server reads no more than seven digits after the second; those beyond are zeros, or the check would have refused. */
function sevenDigits(value: Value): string {
  return String(value).replace(/(\.[0-9]{7})[0-9]+/, '$1');
}

function momentText(value: Value): string {
  const text = sevenDigits(value);
  return text.charAt(10) === 'T' ? `${text.slice(0, 10)} ${text.slice(11)}` : text;
}

function millisecondText(value: Value): string {
  return momentText(value).replace(/(\.[0-9]{3})[0-9]+/, '$1');
}

function wholeSeconds(value: Value): string {
  return momentText(value).replace(/\.[0-9]+/, '');
}

/** DATETIME keeps three-hundredths of a second, shown as a last digit of 0, 3 or 7. */
const threeHundredths: Check = (value) => {
  const last = /\.[0-9]{2}([0-9])/.exec(String(value))?.[1] ?? '0';
  return last === '0' || last === '3' || last === '7' ? null : 'lies between the three-hundredths of a second that DATETIME keeps';
};

const wholeMinutes: Check = (value) => (/:[0-9]{2}:00(?:\.0*)?$/.test(String(value)) ? null : 'has seconds, which SMALLDATETIME drops');

const commonZoned = /^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}(?:\.[0-9]{1,7})?[+-](?:0[0-9]|1[0-3]):[0-9]{2}$/;

/** With a space before the offset, as the server writes it itself. Offsets that it does not know are moved to UTC. */
function zonedText(value: Value): string {
  const text = String(value);
  const canonical = commonZoned.test(text) ? text : sevenDigits(canonicalTimestamp(text, true) ?? text);
  if (!/[+-](?:0[0-9]|1[0-3]):[0-9]{2}$|[+-]14:00$/.test(canonical)) return `${sevenDigits(utcText(canonical) ?? canonical)} +00:00`;
  return `${canonical.slice(0, -6)} ${canonical.slice(-6)}`;
}

/** The moment has to be in the years 1 to 9999 on its own clock, too. */
const localYears: Check = (value) => {
  const parts = readTimestamp(String(value));
  if (parts === null) return 'is no date';
  const local = parts.date.year;
  const utc = toUtc(parts).date.year;
  return local >= 1 && local <= 9999 && utc >= 1 && utc <= 9999 ? null : 'is outside the years 1 to 9999';
};

function bytesForm({ base, length, declared }: ColumnFacts): Form {
  const within = bytesCheck(length ?? undefined);
  const padded: Check = (value) =>
    value instanceof Uint8Array && value.length < (length ?? 0) ? `is shorter than ${declared}, which would pad it with zero bytes` : null;
  const size = length ?? Number.POSITIVE_INFINITY;
  return {
    bulk: { type: 'varbinary', length: size },
    staged: `varbinary(${length ?? 'max'})`,
    check: base === 'binary' ? both(within, padded) : within,
    wire: (value) => (value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value),
    ...(base === 'varbinary' ? {} : { convert: (staged: string) => `CONVERT(${declared}, ${staged})` }),
  };
}

function textForm(facts: ColumnFacts): Form {
  const { base, declared } = facts;
  const coded = base === 'char' || base === 'varchar' || base === 'text';
  // Of one byte for each character at best; the server reads no longer text as hierarchyid
  const limit = base === 'hierarchyid' ? 4000 : (facts.length ?? undefined);
  const fits: Check = (value) => {
    if (value === null) return null;
    if (value instanceof Uint8Array) return 'is bytes where text was due';
    const text = textOf(value);
    if (limit !== undefined && text.length > limit) return `is longer than ${declared}`;
    // Characters of several bytes fill a char with fewer of them: the server is asked, as for every text beyond ASCII
    const fixed = base === 'nchar' || (base === 'char' && !beyondAscii.test(text));
    if (fixed && text.length < (limit ?? 0)) return `is shorter than ${declared}, which would pad it with spaces`;
    return null;
  };
  const sized = limit !== undefined && limit <= 4000;
  const plain = base === 'nvarchar' || base === 'nchar';
  const convert = base === 'xml' ? (staged: string) => `CONVERT(xml, ${staged}, 1)` : (staged: string) => `CONVERT(${declared}, ${staged})`;
  return {
    bulk: { type: 'nvarchar', length: sized ? limit : Number.POSITIVE_INFINITY },
    staged: `nvarchar(${sized ? limit : 'max'})${facts.collation === null ? '' : ` COLLATE ${facts.collation}`}`,
    check: fits,
    wire: textOf,
    coded,
    ...(plain ? {} : { convert }),
  };
}

function textOf(value: Exclude<Value, null>): string {
  if (typeof value === 'string') return value;
  return typeof value === 'number' ? doubleText(value) : value instanceof Uint8Array ? toBase64(value) : String(value);
}
