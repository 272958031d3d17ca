/** Values to canonical text and back, by logical type (table in types.ts). */
import { fromBase64, toBase64 } from './bytes.ts';
import { canonicalDate, canonicalTime, canonicalTimestamp } from './datetime.ts';
import { isJson } from './json.ts';
import { doubleText, inRange, integerRanges, plainDecimal, readDouble } from './numbers.ts';
import type { LogicalType, Value } from './types.ts';

/** Canonical text of a value in any form that its type allows; bytes as base64, booleans as `true` and `false`. Text is taken to be canonical already. */
export function toText(value: Value, type: LogicalType): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      return type.kind === 'float64' ? doubleText(value) : String(value);
    case 'bigint':
    case 'boolean':
      return String(value);
    default:
      return value === null ? null : toBase64(value);
  }
}

const integers = { int32: integerRanges.int32, int64: integerRanges.int64, uint64: integerRanges.uint64 };
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * Reads text leniently into the form and the canonical text of a type: what `toText` wrote, and what people and other systems write (`T`, `Z`, exponents, upper case uuid).
 * Returns undefined where the text is no value of the type.
 */
export function fromText(text: string, type: LogicalType): Value | undefined {
  switch (type.kind) {
    case 'boolean':
      return text === 'true' ? true : text === 'false' ? false : undefined;
    case 'int32':
    case 'int64':
    case 'uint64':
      return inRange(text, integers[type.kind]) ? String(BigInt(text)) : undefined;
    case 'decimal':
      return plainDecimal(text) ?? undefined;
    case 'float64': {
      const double = readDouble(text);
      return double === null || (!Number.isFinite(double) && /[0-9]/.test(text)) ? undefined : doubleText(double);
    }
    case 'string':
      return text;
    case 'bytes':
      return fromBase64(text) ?? undefined;
    case 'date':
      return canonicalDate(text) ?? undefined;
    case 'time':
      return canonicalTime(text) ?? undefined;
    case 'timestamp':
      return canonicalTimestamp(text, type.zoned) ?? undefined;
    case 'uuid':
      return uuid.test(text) ? text.toLowerCase() : undefined;
    case 'json':
      return isJson(text) ? text : undefined;
  }
}
