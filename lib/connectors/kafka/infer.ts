/** Columns from JSON: each field has the narrowest type that holds exactly what was seen of it. */
import { inRange, integerRanges, survivesDouble } from '../../values/numbers.ts';
import type { LogicalType } from '../../values/types.ts';

const boolean: LogicalType = { kind: 'boolean' };
const int64: LogicalType = { kind: 'int64' };
const uint64: LogicalType = { kind: 'uint64' };
const decimal: LogicalType = { kind: 'decimal' };
const float64: LogicalType = { kind: 'float64' };
const string: LogicalType = { kind: 'string' };
const json: LogicalType = { kind: 'json' };

const numeric = new Set<LogicalType['kind']>(['int64', 'uint64', 'decimal', 'float64']);

/** Type of one JSON value from its text; null for `null`, which says nothing. */
export function typeOf(raw: string): LogicalType | null {
  switch (raw[0]) {
    case 'n':
      return null;
    case 't':
    case 'f':
      return boolean;
    case '"':
      return string;
    case '{':
    case '[':
      return json;
  }
  if (raw === '-0') return float64;
  if (/^-?[0-9]+$/.test(raw)) return raw.length <= 18 || inRange(raw, integerRanges.int64) ? int64 : inRange(raw, integerRanges.uint64) ? uint64 : decimal;
  // Written out, such a number would fill the memory
  if (/[eE][+-]?[0-9]{4,}$/.test(raw)) return json;
  return survivesDouble(raw) ? float64 : decimal;
}

/** The narrowest type that holds both exactly: numbers of unlike kinds a decimal, all else of unlike kinds the JSON itself. */
export function widen(a: LogicalType, b: LogicalType): LogicalType {
  if (a.kind === b.kind) return a;
  return numeric.has(a.kind) && numeric.has(b.kind) ? decimal : json;
}
