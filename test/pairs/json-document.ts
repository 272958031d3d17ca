/** Rows as JSON objects and back, apart from the code that is tested: every digit goes through as text. */
import { toText } from '../../lib/values/convert.ts';
import type { Column, Row, Value } from '../../lib/values/types.ts';

const numeric = new Set(['int32', 'int64', 'uint64', 'decimal', 'float64']);

function jsonOf(value: Value, { type }: Column): string {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString('base64'));
  const text = toText(value, type) ?? '';
  const bare = type.kind === 'json' || type.kind === 'boolean' || (numeric.has(type.kind) && /^-?[0-9]/.test(text));
  return bare ? text : JSON.stringify(text);
}

export function documentOf(columns: readonly Column[], row: Row): string {
  return `{${columns.map((column, i) => `${JSON.stringify(column.name)}:${jsonOf(row[i] ?? null, column)}`).join(',')}}`;
}

/** A number as it was written: what `JSON.rawJSON` makes, which `JSON.stringify` writes as it is. */
interface RawNumber {
  readonly rawJSON: string;
}
/** https://github.com/tc39/proposal-json-parse-with-source */
const json = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
  rawJSON(text: string): RawNumber;
};

export function rowOf(columns: readonly Column[], text: string): Row {
  const members = json.parse(text, (_, value, { source }) => (typeof value === 'number' ? json.rawJSON(source ?? '') : value)) as Record<string, unknown>;
  return columns.map(({ name, type }): Value => {
    const value = members[name] ?? null;
    if (value === null || typeof value === 'boolean') return type.kind === 'json' && value !== null ? String(value) : value;
    if (type.kind === 'json') return JSON.stringify(value);
    if (typeof value === 'string') return type.kind === 'bytes' ? new Uint8Array(Buffer.from(value, 'base64')) : value;
    return (value as RawNumber).rawJSON;
  });
}
