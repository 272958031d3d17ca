/**
 * Does a column hold a value exactly? Destinations ask before they write, since databases round, cut and clamp on their own.
 *
 * A check answers null, or what is wrong in words that follow "the value": never the value itself, which may not go into an error.
 */
import { SyncError } from '../errors.ts';
import { isInfinite, readTime, readTimestamp, significantFraction, toUtc } from './datetime.ts';
import { isJson } from './json.ts';
import { fitsDecimal, type IntegerRange, inRange, integerRanges, isDecimalText, isSpecialNumber, readDouble } from './numbers.ts';
import { fitsCharacters, hasNul, isWellFormed, utf8Bytes } from './text.ts';
import type { LogicalType, Value } from './types.ts';

export type Check = (value: Value) => string | null;

/** NULL is every column's own matter (`nullable`): checks let it pass. */
function checkText(test: (text: string) => string | null): Check {
  return (value) => (typeof value === 'string' ? test(value) : value === null ? null : `came as a ${typeof value} where text was due`);
}

export function integerCheck(range: IntegerRange): Check {
  const reason = `is no whole number from ${range.min} to ${range.max}`;
  return (value) => {
    if (value === null) return null;
    return (typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint') && inRange(value, range) ? null : reason;
  };
}

/** `specials`: the column holds NaN and the infinities. Without precision any plain decimal passes. */
export function decimalCheck(limits: { readonly precision?: number; readonly scale?: number; readonly specials: boolean }): Check {
  const { precision, scale = 0, specials } = limits;
  return checkText((text) => {
    if (isSpecialNumber(text)) return specials ? null : 'is NaN or infinite';
    if (precision === undefined) return isDecimalText(text) ? null : 'is no decimal number';
    return fitsDecimal(text, precision, scale) ? null : `has more digits than decimal(${precision},${scale}) keeps`;
  });
}

export function doubleCheck(limits: { readonly specials: boolean }): Check {
  return (value) => {
    if (value === null) return null;
    const double = typeof value === 'number' ? value : typeof value === 'string' ? readDouble(value) : null;
    if (double === null) return 'is no number';
    if (Number.isFinite(double)) return null;
    if (typeof value === 'string' && !isSpecialNumber(value)) return 'is past the range of a double';
    return limits.specials ? null : 'is NaN or infinite';
  };
}

/** `maxCharacters` counts code points, `maxBytes` UTF-8. `nul`: the column holds U+0000. Lone surrogates fit nowhere that stores UTF-8. */
export function stringCheck(limits: { readonly maxCharacters?: number; readonly maxBytes?: number; readonly nul: boolean }): Check {
  const { maxCharacters, maxBytes, nul } = limits;
  return checkText((text) => {
    if (maxCharacters !== undefined && !fitsCharacters(text, maxCharacters)) return `is longer than ${maxCharacters} characters`;
    // Three bytes at most for each UTF-16 unit: most text is decided without encoding it.
    if (maxBytes !== undefined && text.length * 3 > maxBytes && utf8Bytes(text) > maxBytes) return `is longer than ${maxBytes} bytes`;
    if (!nul && hasNul(text)) return 'has a NUL character';
    return isWellFormed(text) ? null : 'has half of a surrogate pair';
  });
}

export function bytesCheck(maxBytes?: number): Check {
  return (value) => {
    if (value === null) return null;
    if (!(value instanceof Uint8Array)) return 'is not bytes';
    return maxBytes !== undefined && value.length > maxBytes ? `is longer than ${maxBytes} bytes` : null;
  };
}

export interface MomentLimits {
  readonly infinity: boolean;
  readonly zeroDates: boolean;
  readonly minYear: number;
  readonly maxYear: number;
}

const commonMoment = /^[1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])$/;

export function dateCheck(limits: MomentLimits): Check {
  const { minYear, maxYear } = limits;
  const commonFits = minYear <= 1000 && maxYear >= 9999;
  return checkText((text) => (commonFits && commonMoment.test(text) ? null : momentReason(text, limits)));
}

export function timestampCheck(limits: MomentLimits & { readonly fraction: number }): Check {
  const { fraction, minYear, maxYear } = limits;
  const commonFits = minYear <= 1000 && maxYear >= 9999;
  // Years 1001 to 9998 stay inside the limits whatever the offset; canonical text of that kind needs no closer look.
  const common = new RegExp(
    `^(?!1000|9999)[1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]) (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,${fraction || 1}}${fraction === 0 ? '(?!)' : ''})?(?:[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?$`,
  );
  return checkText((text) => {
    if (commonFits && common.test(text)) return null;
    const reason = momentReason(text, limits);
    if (reason !== null || isInfinite(text)) return reason;
    return significantFraction(text) > fraction ? `has more than ${fraction} fraction digits` : null;
  });
}

function momentReason(text: string, limits: MomentLimits): string | null {
  if (isInfinite(text)) return limits.infinity ? null : 'is infinite';
  const parts = readTimestamp(text);
  if (parts === null) return 'is no date';
  if (parts.date.zero) return limits.zeroDates ? null : 'is a zero date';
  const { year } = toUtc(parts).date;
  return year < limits.minYear || year > limits.maxYear ? `is outside the years ${limits.minYear} to ${limits.maxYear}` : null;
}

/** `maxHours`: 24 for a time of day (24:00:00 itself included where `midnight24`), 838 for MySQL's TIME. */
export function timeCheck(limits: { readonly fraction: number; readonly maxHours: number; readonly negative: boolean }): Check {
  const { fraction, maxHours, negative } = limits;
  return checkText((text) => {
    const parts = readTime(text);
    if (parts === null) return 'is no time';
    if (parts.negative && !negative) return 'is a negative time';
    const past =
      parts.hour > maxHours || (parts.hour === maxHours && maxHours === 24 && (parts.minute > 0 || parts.second > 0 || significantFraction(text) > 0));
    if (past) return `is longer than ${maxHours} hours`;
    return significantFraction(text) > fraction ? `has more than ${fraction} fraction digits` : null;
  });
}

const uuidText = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The widest check of a logical type: what is not even a value of the type fails. Destinations narrow it to their own limits with the functions above. */
export function checkFor(type: LogicalType): Check {
  switch (type.kind) {
    case 'boolean':
      return (value) => (value === null || typeof value === 'boolean' ? null : 'is neither true nor false');
    case 'int32':
    case 'int64':
    case 'uint64':
      return integerCheck(integerRanges[type.kind]);
    case 'decimal':
      return decimalCheck({
        ...(type.precision === undefined ? {} : { precision: type.precision }),
        ...(type.scale === undefined ? {} : { scale: type.scale }),
        specials: true,
      });
    case 'float64':
      return doubleCheck({ specials: true });
    case 'string':
      return stringCheck({ ...(type.maxLength === undefined ? {} : { maxCharacters: type.maxLength }), nul: true });
    case 'bytes':
      return bytesCheck(type.maxLength);
    case 'date':
      return dateCheck({ infinity: true, zeroDates: true, minYear: -999_999, maxYear: 999_999 });
    case 'time':
      return timeCheck({ fraction: type.fraction, maxHours: 838, negative: true });
    case 'timestamp':
      return timestampCheck({ infinity: true, zeroDates: true, minYear: -999_999, maxYear: 999_999, fraction: type.fraction });
    case 'uuid':
      return checkText((text) => (uuidText.test(text) ? null : 'is no uuid in lower case'));
    case 'json':
      return checkText((text) => (isJson(text) ? null : 'is no JSON'));
  }
}

/** The limits of a type that a definition gives to a field of JSON; null for none. JSON holds texts that UTF-8 does not: whether they arrive is the destination's to say. */
export function fieldCheck(type: LogicalType): Check | null {
  if (type.kind === 'json') return null;
  if (type.kind !== 'string') return checkFor(type);
  const { maxLength } = type;
  return maxLength === undefined ? null : checkText((text) => (fitsCharacters(text, maxLength) ? null : `is longer than ${maxLength} characters`));
}

export interface ValuePlace {
  readonly table: string;
  readonly column: string;
  /** Key of the row, canonical text; `row 7 of the batch` where there is none. */
  readonly key: string;
  /** The column's type in the destination's words. */
  readonly type: string;
}

/** The error for a value that a check refused: names table, column and key, never the value. */
export function unrepresentable(reason: string, place: ValuePlace): SyncError {
  const { table, column, key, type } = place;
  const message = `${table}.${column} (${type}) cannot hold the value of the row with key ${key} exactly: the value ${reason}. Widen the column, change the row, exclude the column, or set onError: deadLetter.`;
  return new SyncError('VALUE_UNREPRESENTABLE', message, { table, column, key });
}
