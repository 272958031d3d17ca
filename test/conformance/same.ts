/** One text for all forms and spellings of the same value, so that what two systems hold can be compared. */
import { toText } from '../../lib/values/convert.ts';
import { isInfinite, significantFraction, utcText } from '../../lib/values/datetime.ts';
import { normalizeJson } from '../../lib/values/json.ts';
import { doubleText, isSpecialNumber, readDecimal } from '../../lib/values/numbers.ts';
import type { Column, LogicalType, Row, Value } from '../../lib/values/types.ts';

/** `12:00:00.500` and `12:00:00.5` are the same time, `1.10` and `1.1` the same decimal, offsets of one moment the same moment. Everything else is compared as it is. */
export function comparable(value: Value, type: LogicalType): string | null {
  const text = toText(value, type);
  if (text === null) return null;
  switch (type.kind) {
    case 'int32':
    case 'int64':
    case 'uint64':
      return String(BigInt(text));
    case 'decimal': {
      if (isSpecialNumber(text)) return text;
      const facts = readDecimal(text);
      if (facts === null) return `no decimal: ${text}`;
      const digits = `${facts.whole || '0'}.${facts.fraction}`;
      return facts.negative && /[1-9]/.test(digits) ? `-${digits}` : digits;
    }
    case 'float64':
      return doubleText(Number(text));
    case 'timestamp': {
      const moment = type.zoned && !isInfinite(text) ? (utcText(text) ?? `no timestamp: ${text}`) : text;
      return trimmed(moment);
    }
    case 'time':
      return trimmed(text);
    case 'json':
      return normalizeJson(text);
    default:
      return text;
  }
}

function trimmed(text: string): string {
  const point = text.indexOf('.');
  if (point < 0) return text;
  const digits = significantFraction(text);
  const rest = text.slice(point + 1).replace(/^[0-9]*/, '');
  return `${text.slice(0, point)}${digits === 0 ? '' : text.slice(point, point + 1 + digits)}${rest}`;
}

export function comparableRow(row: Row, columns: readonly Pick<Column, 'type'>[]): (string | null)[] {
  return columns.map(({ type }, i) => comparable(row[i] ?? null, type));
}

/** Rows in an order of their own, so that sets can be compared. Duplicates stay. */
export function comparableRows(rows: readonly Row[], columns: readonly Pick<Column, 'type'>[]): string[] {
  return rows.map((row) => JSON.stringify(comparableRow(row, columns))).sort();
}
