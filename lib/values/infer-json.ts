/** Column types from JSON text, for sources that declare none: each value has the narrowest type that holds it exactly, and what was seen of a field widens it. Dates are texts: nothing is guessed from how a text looks. */
import { inRange, integerRanges, isIntegerText, survivesDouble } from './numbers.ts';
import type { LogicalType } from './types.ts';

/** One object for each type, so that an unchanged type is the same object. */
const boolean: LogicalType = { kind: 'boolean' };
const int64: LogicalType = { kind: 'int64' };
const uint64: LogicalType = { kind: 'uint64' };
const decimal: LogicalType = { kind: 'decimal' };
const float64: LogicalType = { kind: 'float64' };
const string: LogicalType = { kind: 'string' };
const json: LogicalType = { kind: 'json' };

const numeric = new Set<LogicalType['kind']>(['int32', 'int64', 'uint64', 'decimal', 'float64']);

/**
 * Type of one JSON value from its text: whole numbers `int64`, `uint64` or `decimal`, other numbers `float64` where a double has exactly these digits and `decimal` where not, `json` for what is nested. Null for `null`, which
 * says nothing.
 */
export function typeOfJson(raw: string): LogicalType | null {
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
  // Integers have no minus zero
  if (raw === '-0') return float64;
  if (isIntegerText(raw)) return inRange(raw, integerRanges.int64) ? int64 : inRange(raw, integerRanges.uint64) ? uint64 : decimal;
  // Written out, such a number would fill the memory
  if (/[eE][+-]?[0-9]{4,}$/.test(raw)) return json;
  return survivesDouble(raw) ? float64 : decimal;
}

/** The narrowest type that holds values of both exactly: numbers of unlike kinds a decimal, all else of unlike kinds the JSON itself. */
export function widenedJson(a: LogicalType, b: LogicalType): LogicalType {
  if (a.kind === b.kind) return a;
  return numeric.has(a.kind) && numeric.has(b.kind) ? decimal : json;
}
