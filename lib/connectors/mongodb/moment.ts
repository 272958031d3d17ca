/** Date of BSON (milliseconds since 1970, UTC, 64 bits) as canonical text of a zoned timestamp, and back. */
import { fromDayNumber, readTimestamp, significantFraction, toDayNumber, toUtc, writeTimestamp } from '../../values/datetime.ts';

const dayMs = 86_400_000n;
const epochDay = BigInt(toDayNumber({ year: 1970, month: 1, day: 1 }));
/** Years of six digits, which canonical text holds. */
const maxDay = BigInt(toDayNumber({ year: 999_999, month: 12, day: 31 }));
const minDay = BigInt(toDayNumber({ year: -999_999, month: 1, day: 1 }));
/** What a JavaScript Date, and with it the driver, holds. */
const maxMs = 8_640_000_000_000_000n;

/** Null where the year has more than six digits. */
export function momentText(milliseconds: bigint): string | null {
  const inDay = ((milliseconds % dayMs) + dayMs) % dayMs;
  const day = (milliseconds - inDay) / dayMs + epochDay;
  if (day > maxDay || day < minDay) return null;
  const ms = Number(inDay);
  const fraction = ms % 1000 === 0 ? '' : String(ms % 1000).padStart(3, '0');
  const time = { negative: false, hour: Math.floor(ms / 3_600_000), minute: Math.floor(ms / 60_000) % 60, second: Math.floor(ms / 1000) % 60, fraction };
  return writeTimestamp({ date: fromDayNumber(Number(day)), time, offsetSeconds: 0 });
}

/** The moment as a Date, or the reason why none holds it exactly. Without an offset it is UTC. */
export function momentDate(text: string): Date | string {
  const parts = readTimestamp(text);
  if (parts === null || parts.date.zero) return 'is no moment that a Date holds';
  if (significantFraction(text) > 3) return 'has more than the three fraction digits of a Date';
  const { date, time } = toUtc(parts);
  if (time.hour > 23 || time.second > 59) return 'is no moment that a Date holds';
  const seconds = BigInt(time.hour * 3600 + time.minute * 60 + time.second);
  const ms = (BigInt(toDayNumber(date)) - epochDay) * dayMs + seconds * 1000n + BigInt(time.fraction.padEnd(3, '0').slice(0, 3));
  return ms > maxMs || ms < -maxMs ? 'is a moment more than 275,000 years away' : new Date(Number(ms));
}
