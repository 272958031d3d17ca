/**
 * "After these values" as a filter. MongoDB's `$gt` compares within one type, while its sort order goes over all types, so every condition names the types that follow as well:
 * https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/
 */
import { type Document, Double, type Filter, Long } from 'mongodb';
import type { BsonValue } from './bson-value.ts';

/** Codes of the types in the order in which they sort; types that sort as one stand together. `unorderedTypes` (deprecated, or code) are looked for and refused beforehand: not every server has them. */
const brackets = [
  { name: 'minKey', types: [-1] },
  { name: 'null', types: [10] },
  { name: 'number', types: [1, 16, 18, 19] },
  { name: 'string', types: [2] },
  { name: 'object', types: [3] },
  { name: 'array', types: [4] },
  { name: 'binData', types: [5] },
  { name: 'objectId', types: [7] },
  { name: 'bool', types: [8] },
  { name: 'date', types: [9] },
  { name: 'timestamp', types: [17] },
  { name: 'regex', types: [11] },
  { name: 'maxKey', types: [127] },
] as const;

export const unorderedTypes = ['symbol', 'dbPointer', 'javascript', 'javascriptWithScope', 'undefined'] as const;

type Bracket = (typeof brackets)[number];

const bsonTypes: Readonly<Record<string, Bracket['name']>> = {
  Int32: 'number',
  Double: 'number',
  Long: 'number',
  Decimal128: 'number',
  Binary: 'binData',
  ObjectId: 'objectId',
  Timestamp: 'timestamp',
  BSONRegExp: 'regex',
  MinKey: 'minKey',
  MaxKey: 'maxKey',
};

function bracketOf(value: BsonValue): number {
  const at = (bracket: Bracket['name']): number => brackets.findIndex(({ name }) => name === bracket);
  if (value === null) return at('null');
  if (typeof value === 'string') return at('string');
  if (typeof value === 'boolean') return at('bool');
  if (value instanceof Date) return at('date');
  if (typeof value === 'object' && '_bsontype' in value) return at(bsonTypes[String(value._bsontype)] ?? 'object');
  return at(Array.isArray(value) ? 'array' : 'object');
}

function ofTypes(name: string, which: readonly Bracket[]): Filter<Document>[] {
  const list = which.flatMap(({ types }) => [...types]);
  return list.length === 0 ? [] : [{ [name]: { $type: list } } as Filter<Document>];
}

function isNaNNumber(value: BsonValue): boolean {
  return (
    (value instanceof Double && Number.isNaN(value.value)) ||
    (typeof value === 'object' && value !== null && '_bsontype' in value && value._bsontype === 'Decimal128' && String(value) === 'NaN')
  );
}

function compared(name: string, operator: '$gt' | '$lte', value: BsonValue): Filter<Document>[] {
  // NaN sorts before all numbers, and compares with none
  if (isNaNNumber(value)) return [{ [name]: operator === '$gt' ? { $gte: new Double(Number.NEGATIVE_INFINITY) } : { $eq: value } } as Filter<Document>];
  // A field that is not there sorts as null
  if (value === null) return operator === '$gt' ? [] : [{ [name]: null }];
  const within = { [name]: { [operator]: value } } as Filter<Document>;
  return operator === '$lte' && bracketOf(value) === bracketOf(Long.ONE) ? [within, { [name]: { $eq: new Double(Number.NaN) } }] : [within];
}

/** Rows whose fields come after the values, in the order of the fields, both ways of equal length. */
export function after(names: readonly string[], values: readonly BsonValue[]): Filter<Document> {
  const alternatives: Filter<Document>[] = [];
  const equal: Filter<Document>[] = [];
  names.forEach((name, i) => {
    const value = values[i] ?? null;
    for (const later of [...compared(name, '$gt', value), ...ofTypes(name, brackets.slice(bracketOf(value) + 1))]) alternatives.push(and([...equal, later]));
    equal.push({ [name]: { $eq: value } } as Filter<Document>);
  });
  return { $or: alternatives };
}

/** Rows whose field is at most the value. */
export function upTo(name: string, value: BsonValue): Filter<Document> {
  // Missing counts as null, which no $type names
  const missing: Filter<Document>[] = value === null || bracketOf(value) === 0 ? [] : [{ [name]: null }];
  return { $or: [...compared(name, '$lte', value), ...missing, ...ofTypes(name, brackets.slice(0, bracketOf(value)))] };
}

export function and(filters: readonly Filter<Document>[]): Filter<Document> {
  const [only] = filters;
  return filters.length === 1 && only !== undefined ? only : filters.length === 0 ? {} : { $and: [...filters] };
}
