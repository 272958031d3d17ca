import type { LogicalType } from './types.ts';

const simple = new Set(['boolean', 'int32', 'int64', 'uint64', 'float64', 'date', 'uuid', 'json']);
const words = /^([a-z][a-z0-9]*)(?:\s*\(\s*([0-9]{1,9})\s*(?:,\s*([0-9]{1,4}|zoned)\s*)?\))?$/;
const maxFraction = 9;

/** A logical type from the words that `typeName` writes: `int64`, `decimal(10,2)`, `string(50)`, `timestamp(6, zoned)`. Null where the text names none. Without a number `time` and `timestamp` keep six fraction digits. */
export function parseType(text: string): LogicalType | null {
  const match = words.exec(text.trim());
  if (match === null) return null;
  const [, kind = '', first, second] = match;
  const number = first === undefined ? undefined : Number(first);
  if (simple.has(kind)) return number === undefined ? ({ kind } as LogicalType) : null;
  switch (kind) {
    case 'decimal': {
      if (second === 'zoned') return null;
      if (number === undefined) return { kind };
      const scale = Number(second ?? 0);
      return number > 0 && scale <= number ? { kind, precision: number, scale } : null;
    }
    case 'string':
    case 'bytes':
      if (second !== undefined || number === 0) return null;
      return number === undefined ? { kind } : { kind, maxLength: number };
    case 'time':
      return second !== undefined || (number ?? 0) > maxFraction ? null : { kind, fraction: number ?? 6 };
    case 'timestamp':
      if ((second !== undefined && second !== 'zoned') || (number ?? 0) > maxFraction) return null;
      return { kind, fraction: number ?? 6, zoned: second === 'zoned' };
    default:
      return null;
  }
}

/** For messages: what `parseType` takes. */
export const typeWords = 'boolean, int32, int64, uint64, decimal(10,2), float64, string, bytes, date, time(6), timestamp(6), timestamp(6, zoned), uuid, json';
