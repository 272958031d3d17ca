/**
 * Dates, times and timestamps as text, read leniently and written canonically (types.ts), without `Date`: every fraction digit, year and offset is kept.
 *
 * Years are astronomical: 1 BC is 0, 44 BC is −43. A year written `0000` without a sign is MySQL's zero date or year zero and stays as it is.
 */

export interface DateParts {
  readonly year: number;
  /** 0 only in a zero date. */
  readonly month: number;
  readonly day: number;
  /** A date of MySQL's own: year written `0000`, or a month or day of 0. Most systems hold none. */
  readonly zero: boolean;
}

export interface TimeParts {
  readonly negative: boolean;
  /** Past 23 only in MySQL's TIME, and 24 for PostgreSQL's 24:00:00. */
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** Digits after the second as written; may be empty. */
  readonly fraction: string;
}

export interface TimestampParts {
  readonly date: DateParts;
  readonly time: TimeParts;
  /** Seconds east of UTC; null without an offset. */
  readonly offsetSeconds: number | null;
}

export type Infinite = 'infinity' | '-infinity';

const plainDate = /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/;
// PostgreSQL's dates end with the year 5874897
const datePattern = /^([+-]?)([0-9]{4,7})-([0-9]{2})-([0-9]{2})(?: (BC|AD))?$/;
const timePattern = /^(-?)([0-9]{2,3}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]*))?)?$/;
const timestampPattern = /^([+-]?[0-9]{4,7}-[0-9]{2}-[0-9]{2})(?:[ T]([0-9:.,]+) ?(Z|[+-][0-9]{2}(?::?[0-9]{2}(?::?[0-9]{2})?)?)?)?(?: (BC|AD))?$/i;

export function isInfinite(text: string): text is Infinite {
  return text === 'infinity' || text === '-infinity';
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Null where the text is no date (`infinity` is not one either: ask `isInfinite` first). */
export function readDate(text: string): DateParts | null {
  const match = datePattern.exec(text);
  if (match === null) return null;
  const [, sign = '', digits = '', monthText = '', dayText = '', era] = match;
  const written = Number(digits);
  if (era === 'BC' && (sign !== '' || written === 0)) return null;
  const year = era === 'BC' ? 1 - written : sign === '-' ? -written : written;
  const month = Number(monthText);
  const day = Number(dayText);
  const zero = month === 0 || day === 0 || (digits === '0000' && sign === '' && era === undefined);
  if (month > 12 || day > (zero ? 31 : daysInMonth(year, month))) return null;
  return { year: year === 0 ? 0 : year, month, day, zero };
}

export function writeDate({ year, month, day, zero }: DateParts): string {
  const plain = year >= (zero ? 0 : 1) && year <= 9999;
  const yearText = plain ? pad(year, 4) : `${year < 0 ? '-' : '+'}${pad(Math.abs(year), 6)}`;
  return `${yearText}-${pad(month, 2)}-${pad(day, 2)}`;
}

export function readTime(text: string): TimeParts | null {
  const match = timePattern.exec(text);
  if (match === null) return null;
  const [, sign, hour, minute, second = '00', fraction = ''] = match;
  if (Number(minute) > 59 || Number(second) > 60) return null;
  return { negative: sign === '-', hour: Number(hour), minute: Number(minute), second: Number(second), fraction };
}

export function writeTime({ negative, hour, minute, second, fraction }: TimeParts): string {
  return `${negative ? '-' : ''}${pad(hour, 2)}:${pad(minute, 2)}:${pad(second, 2)}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Reads `T` or a space, `Z`, `+00`, `+0000`, `+00:19:32`, `BC`; a date alone is its midnight. Null where the text is no timestamp. */
export function readTimestamp(text: string): TimestampParts | null {
  const match = timestampPattern.exec(text);
  if (match === null) return null;
  const [, dateText = '', timeText = '00:00:00', offsetText, era] = match;
  const date = readDate(era === undefined ? dateText : `${dateText} ${era.toUpperCase()}`);
  const time = readTime(timeText);
  if (date === null || time === null || time.hour > 24) return null;
  const offsetSeconds = offsetText === undefined ? null : readOffset(offsetText);
  return Number.isNaN(offsetSeconds) ? null : { date, time, offsetSeconds };
}

/** An offset with seconds has no canonical form: such a timestamp is written as the same moment in UTC. */
export function writeTimestamp(parts: TimestampParts): string {
  const { offsetSeconds } = parts;
  if (offsetSeconds !== null && offsetSeconds % 60 !== 0) return writeTimestamp({ ...toUtc(parts), offsetSeconds: 0 });
  const text = `${writeDate(parts.date)} ${writeTime(parts.time)}`;
  if (offsetSeconds === null) return text;
  const minutes = Math.abs(offsetSeconds) / 60;
  return `${text}${offsetSeconds < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60), 2)}:${pad(minutes % 60, 2)}`;
}

/** The same moment on UTC's clock, without an offset; a timestamp without one is taken as UTC already. */
export function toUtc(parts: TimestampParts): TimestampParts {
  const { date, time, offsetSeconds } = parts;
  if (offsetSeconds === null || date.zero) return { date, time, offsetSeconds: null };
  if (offsetSeconds === 0 && time.hour < 24) return { date, time, offsetSeconds: null };
  // A leap second keeps its 60: only whole minutes and the rest of an offset move the clock.
  const leap = time.second === 60 ? 1 : 0;
  const seconds = time.hour * 3600 + time.minute * 60 + time.second - leap - offsetSeconds;
  const days = Math.floor(seconds / 86_400);
  const left = seconds - days * 86_400;
  return {
    date: fromDayNumber(toDayNumber(date) + days),
    time: { negative: false, hour: Math.floor(left / 3600), minute: Math.floor(left / 60) % 60, second: (left % 60) + leap, fraction: time.fraction },
    offsetSeconds: null,
  };
}

/** Fraction digits that carry something: trailing zeros are left out. */
export function significantFraction(text: string): number {
  const point = text.indexOf('.');
  if (point < 0) return 0;
  let significant = 0;
  for (let i = point + 1; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) break;
    if (digit !== 0) significant = i - point;
  }
  return significant;
}

/** Canonical text of a date, a time or a timestamp; null where it is none. With `zoned` a missing offset is refused, without it an offset is. */
export function canonicalDate(text: string): string | null {
  if (isInfinite(text) || plainDate.test(text)) return isInfinite(text) || readDate(text) !== null ? text : null;
  const parts = readDate(text);
  return parts === null ? null : writeDate(parts);
}

export function canonicalTime(text: string): string | null {
  const parts = readTime(text);
  return parts === null ? null : writeTime(parts);
}

export function canonicalTimestamp(text: string, zoned: boolean): string | null {
  if (isInfinite(text)) return text;
  const parts = readTimestamp(text);
  return parts === null || (parts.offsetSeconds !== null) !== zoned ? null : writeTimestamp(parts);
}

/** A zoned timestamp as text on UTC's clock without its offset: what a zone-less column of a session in UTC takes. Null where the text is none. */
export function utcText(text: string): string | null {
  if (isInfinite(text)) return text;
  const parts = readTimestamp(text);
  return parts === null ? null : writeTimestamp(toUtc(parts));
}

function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

function readOffset(text: string): number {
  if (text === 'Z' || text === 'z') return 0;
  const digits = text.slice(1).replaceAll(':', '');
  const hours = Number(digits.slice(0, 2));
  const minutes = Number(digits.slice(2, 4));
  const seconds = Number(digits.slice(4, 6));
  if (hours > 23 || minutes > 59 || seconds > 59) return Number.NaN;
  const total = hours * 3600 + minutes * 60 + seconds;
  return text.startsWith('-') && total !== 0 ? -total : total;
}

/** Days since 0000-03-01 in the proleptic Gregorian calendar: years begin in March so that the leap day comes last. */
export function toDayNumber({ year, month, day }: Pick<DateParts, 'year' | 'month' | 'day'>): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
}

export function fromDayNumber(days: number): DateParts {
  const era = Math.floor(days / 146_097);
  const dayOfEra = days - era * 146_097;
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day: dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1, zero: false };
}
