/** Dates and timestamps between PostgreSQL's text (ISO, UTC) and the canonical one. The common form passes after a few comparisons of characters. */
import { canonicalDate, canonicalTimestamp, isInfinite, readTimestamp, significantFraction, toUtc, writeTime } from '../../values/datetime.ts';
import type { LogicalType } from '../../values/types.ts';
import { lastDateYear } from './binary-moments.ts';

const dash = 45;
const letterC = 67;

/** `2024-01-02`, `44-03-15 BC`, `12024-01-01`, `infinity`. */
export function fromServerDate(text: string): string {
  if (text.length === 10 && text.charCodeAt(4) === dash) return text;
  return canonicalDate(text) ?? text;
}

export function fromServerTimestamp(text: string): string {
  if (text.charCodeAt(4) === dash && text.charCodeAt(text.length - 1) !== letterC) return text;
  return canonicalTimestamp(text, false) ?? text;
}

/** The session's zone is UTC: the offset is always `+00`. */
export function fromServerTimestampTz(text: string): string {
  if (text.charCodeAt(4) === dash && text.charCodeAt(text.length - 1) !== letterC) return `${text}:00`;
  return canonicalTimestamp(text, true) ?? text;
}

/** Canonical text as the server reads it. Years past 9999 lose their sign, those before 1 count backwards from `BC`. Other text stays as it is. */
export function toServerText(text: string, type: LogicalType): string {
  if (type.kind !== 'date' && type.kind !== 'timestamp') return text;
  const first = text.charCodeAt(0);
  if ((first !== 43 && first !== dash) || isInfinite(text)) return text;
  return serverMoment(text, type.kind === 'date') ?? text;
}

/**
 * A timestamp as the server takes it without changing it; null where it is none of this kind or has more fraction digits than `fraction`. The server would round
 * them, read second 60 as the next minute, and drop an offset that a zone-less column has no place for.
 */
export function exactTimestamp(text: string, limits: { zoned: boolean; fraction: number }): string | null {
  const canonical = canonicalTimestamp(text, limits.zoned);
  if (canonical === null || isInfinite(canonical)) return canonical;
  const parts = readTimestamp(canonical);
  if (parts === null || parts.date.zero || parts.time.second > 59 || parts.time.hour > 23 || significantFraction(canonical) > limits.fraction) return null;
  return serverMoment(canonical, false);
}

export function exactDate(text: string): string | null {
  const canonical = canonicalDate(text);
  if (canonical === null || isInfinite(canonical)) return canonical;
  const parts = readTimestamp(canonical);
  return parts === null || parts.date.zero || parts.date.year > lastDateYear ? null : serverMoment(canonical, true);
}

function serverMoment(text: string, dateOnly: boolean): string | null {
  const parts = readTimestamp(text);
  if (parts === null) return null;
  const { date, time } = toUtc(parts);
  const year = date.year <= 0 ? 1 - date.year : date.year;
  const day = `${String(year).padStart(4, '0')}-${String(date.month).padStart(2, '0')}-${String(date.day).padStart(2, '0')}`;
  const clock = dateOnly ? '' : ` ${writeTime(time)}${parts.offsetSeconds === null ? '' : '+00'}`;
  return `${day}${clock}${date.year <= 0 ? ' BC' : ''}`;
}
