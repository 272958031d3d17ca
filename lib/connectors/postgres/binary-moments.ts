/** Dates and times as COPY's binary format has them: days and microseconds since 2000-01-01, in UTC. The common form is read digit by digit. */
import { daysInMonth, isInfinite, readDate, readTimestamp, toDayNumber, toUtc } from '../../values/datetime.ts';

const epochDay = toDayNumber({ year: 2000, month: 1, day: 1 });
const dash = 45;
const colon = 58;
const infinite = { date: { infinity: 0x7fffffff, '-infinity': -0x80000000 }, timestamp: { infinity: 2n ** 63n - 1n, '-infinity': -(2n ** 63n) } } as const;
/** Near the server's own limits, which it looks at itself; far beyond them 64 bits would run over. */
const years = { first: -4714, last: 294_276 };

/** A digit's value; a number past 9 for anything else. */
function digit(text: string, at: number): number {
  return (text.charCodeAt(at) - 48) >>> 0;
}

/** Two digits; a number past 99 where either is none. */
function pair(text: string, at: number): number {
  const tens = digit(text, at);
  const ones = digit(text, at + 1);
  return tens > 9 || ones > 9 ? 1000 : tens * 10 + ones;
}

/** Days since the epoch of `YYYY-MM-DD` at the beginning of the text, in the years 1 to 9999; NaN for anything else. */
function commonDays(text: string): number {
  const century = pair(text, 0);
  const inCentury = pair(text, 2);
  const month = pair(text, 5);
  const day = pair(text, 8);
  const year = century * 100 + inCentury;
  if (text.charCodeAt(4) !== dash || text.charCodeAt(7) !== dash || year < 1 || year > 9999 || month < 1 || month > 12 || day < 1) return Number.NaN;
  return day <= 28 || day <= daysInMonth(year, month) ? toDayNumber({ year, month, day }) - epochDay : Number.NaN;
}

/** https://www.postgresql.org/docs/current/datatype-datetime.html */
export const lastDateYear = 5_874_897;

/** Null where the text is no date that the server knows. */
export function binaryDate(text: string): number | null {
  if (text.length === 10) {
    const days = commonDays(text);
    if (!Number.isNaN(days)) return days;
  }
  if (isInfinite(text)) return infinite.date[text];
  const date = readDate(text);
  return date === null || date.zero || date.year > lastDateYear ? null : toDayNumber(date) - epochDay;
}

/** Microseconds of a day of `HH:MM:SS` with up to six fraction digits, between two places of the text; NaN for anything else. Hour 24 and second 60 are none. */
function commonClock(text: string, start: number, end: number): number {
  const hour = pair(text, start);
  const minute = pair(text, start + 3);
  const second = pair(text, start + 6);
  if (text.charCodeAt(start + 2) !== colon || text.charCodeAt(start + 5) !== colon || hour > 23 || minute > 59 || second > 59) return Number.NaN;
  const whole = (hour * 3600 + minute * 60 + second) * 1_000_000;
  if (end === start + 8) return whole;
  if (text.charCodeAt(start + 8) !== 46 || end > start + 15 || end < start + 10) return Number.NaN;
  let micro = 0;
  let unit = 100_000;
  for (let at = start + 9; at < end; at++, unit /= 10) {
    const value = digit(text, at);
    if (value > 9) return Number.NaN;
    micro += value * unit;
  }
  return whole + micro;
}

/** Microseconds of a day for a time that is known to be one (`24:00:00` is) and to have no more than six fraction digits that carry something. */
export function binaryTime(text: string): number {
  const common = commonClock(text, 0, text.length);
  if (!Number.isNaN(common)) return common;
  const [clock = '', fraction = ''] = text.split('.');
  const [hour = 0, minute = 0, second = 0] = clock.split(':').map(Number);
  return (hour * 3600 + minute * 60 + second) * 1_000_000 + Number(fraction.slice(0, 6).padEnd(6, '0'));
}

/** Days since the epoch of `YYYY-MM-DD` and the space behind it; NaN for anything else. */
export function commonDay(text: string): number {
  return text.length === 11 && text.charCodeAt(10) === 32 ? commonDays(text) : Number.NaN;
}

/** Microseconds since midnight in UTC of a timestamp's time and offset: below zero or past a day by the offset. NaN where they are not in the common form. */
export function commonMicroseconds(text: string, zoned: boolean): number {
  if (!zoned) return commonClock(text, 11, text.length);
  const end = text.length - 6;
  const sign = text.charCodeAt(end);
  const hours = pair(text, end + 1);
  const minutes = pair(text, end + 4);
  if ((sign !== 43 && sign !== dash) || text.charCodeAt(end + 3) !== colon || hours > 23 || minutes > 59) return Number.NaN;
  const clock = commonClock(text, 11, end);
  const east = (hours * 60 + minutes) * 60_000_000;
  return sign === dash ? clock + east : clock - east;
}

/** Text that `exactTimestamp` has taken for exact. Null where the year is beyond what the server holds. */
export function exactMicroseconds(canonical: string): bigint | null {
  if (isInfinite(canonical)) return infinite.timestamp[canonical];
  const parts = readTimestamp(canonical);
  if (parts === null) return null;
  const { date, time } = toUtc(parts);
  if (date.year < years.first || date.year > years.last) return null;
  const days = BigInt(toDayNumber(date) - epochDay);
  const seconds = BigInt(time.hour * 3600 + time.minute * 60 + time.second);
  return (days * 86_400n + seconds) * 1_000_000n + BigInt(time.fraction.slice(0, 6).padEnd(6, '0'));
}
