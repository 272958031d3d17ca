/**
 * A row as a JSON object, in two forms.
 *
 * `rowToText`: every value is its canonical text or null. No reader can take it for anything else: dead letters are stored so and come back exact.
 *
 * `rowToJson`: what people expect in JSON. Integers and decimals are JSON numbers with all their digits (JSON sets no limit; a reader that makes doubles of them does so itself),
 * NaN and the infinities text, bytes base64, a json column the JSON itself. A JSON `null` and SQL's NULL both become `null`.
 */
import { SyncError } from '../errors.ts';
import { toBase64 } from './bytes.ts';
import { fromText, toText } from './convert.ts';
import { jsonMembers, singleLineJson } from './json.ts';
import { doubleText, isDoubleText } from './numbers.ts';
import type { Column, LogicalType, Row, Value } from './types.ts';

type Named = Pick<Column, 'name' | 'type'>;

export function rowToText(columns: readonly Named[], row: Row): string {
  return objectText(columns, row, (value, type) => JSON.stringify(toText(value, type)));
}

/**
 * Reverse of `rowToText`. A column without a member is NULL; text that is no value of its type stays text, for the writer's checks to refuse by name.
 * Null where the text is no such object, or has a member that is none of the columns: its value would be lost.
 */
export function rowFromText(columns: readonly Named[], text: string): Row | null {
  const found = readMembers(text);
  if (found === null || [...found.keys()].some((member) => !columns.some(({ name }) => name === member))) return null;
  const row: Row = [];
  for (const { name, type } of columns) {
    const item: unknown = JSON.parse(found.get(name) ?? 'null');
    if (item !== null && typeof item !== 'string') return null;
    row.push(item === null ? null : (fromText(item, type) ?? item));
  }
  return row;
}

export function rowToJson(columns: readonly Named[], row: Row): string {
  return objectText(columns, row, valueToJson);
}

/** Reads an object of either form, by type. Throws `ROW_MALFORMED` for text that is no object, and for a value that is not of its column's type, naming the column. */
export function rowFromJson(columns: readonly Named[], text: string): Row {
  const found = readMembers(text);
  if (found === null) throw new SyncError('ROW_MALFORMED', 'The text of a row is no JSON object.');
  return columns.map(({ name, type }) => {
    const value = valueFromJson(found.get(name) ?? 'null', type);
    if (value === undefined) throw new SyncError('ROW_MALFORMED', `The value of ${JSON.stringify(name)} is no ${type.kind}.`, { column: name });
    return value;
  });
}

const numeric = new Set<LogicalType['kind']>(['int32', 'int64', 'uint64', 'decimal', 'float64']);
const jsonNumber = /^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$/;

/** One value of a document as JSON text on one line. */
export function valueToJson(value: Value, type: LogicalType): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? doubleText(value) : JSON.stringify(String(value));
  if (typeof value !== 'string') return JSON.stringify(toBase64(value));
  if (type.kind === 'json') return singleLineJson(value);
  return numeric.has(type.kind) && jsonNumber.test(value) ? value : JSON.stringify(value);
}

/** One value of a document from its JSON text: numbers and text are both taken for numbers and dates, a json column takes anything. Undefined where it is no value of the type, digits that a float64 would round included. */
export function valueFromJson(raw: string, type: LogicalType): Value | undefined {
  if (raw === 'null') return null;
  if (type.kind === 'json') return raw;
  if (raw.startsWith('"')) return exactly(String(JSON.parse(raw)), type);
  if (raw.startsWith('{') || raw.startsWith('[')) return type.kind === 'string' ? raw : undefined;
  return type.kind === 'bytes' ? undefined : exactly(raw, type);
}

function exactly(text: string, type: LogicalType): Value | undefined {
  return type.kind === 'float64' && !isDoubleText(text) ? undefined : fromText(text, type);
}

function objectText(columns: readonly Named[], row: Row, write: (value: Value, type: LogicalType) => string): string {
  return `{${columns.map(({ name, type }, i) => `${JSON.stringify(name)}:${write(row[i] ?? null, type)}`).join(',')}}`;
}

function readMembers(text: string): Map<string, string> | null {
  try {
    return jsonMembers(text);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
