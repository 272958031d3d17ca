/** Types of BSON as logical types, what a field of several types becomes, and each value in the form of its column's type. */

import { toHex } from '../../values/bytes.ts';
import { fromText } from '../../values/convert.ts';
import { utcText } from '../../values/datetime.ts';
import { doubleText, isDoubleText, plainDecimal } from '../../values/numbers.ts';
import type { Column, LogicalType, Value } from '../../values/types.ts';
import { BsonType, binaryAt, type Element, objectIdAt, textAt } from './bson-reader.ts';
import { decimalAt, jsonAt } from './json-text.ts';
import { momentText } from './moment.ts';

export interface Inferred {
  readonly type: LogicalType;
  readonly native?: { readonly system: 'mongodb'; readonly type: string };
}

const native = (type: string): { readonly system: 'mongodb'; readonly type: string } => ({ system: 'mongodb', type });

const json: Inferred = { type: { kind: 'json' }, native: native('mixed') };
const inferredTypes: ReadonlyMap<BsonType, Inferred> = new Map<BsonType, Inferred>([
  [BsonType.double, { type: { kind: 'float64' }, native: native('double') }],
  [BsonType.string, { type: { kind: 'string' }, native: native('string') }],
  [BsonType.objectId, { type: { kind: 'string', maxLength: 24 }, native: native('objectId') }],
  [BsonType.boolean, { type: { kind: 'boolean' }, native: native('bool') }],
  [BsonType.date, { type: { kind: 'timestamp', fraction: 3, zoned: true }, native: native('date') }],
  [BsonType.int32, { type: { kind: 'int32' }, native: native('int') }],
  [BsonType.int64, { type: { kind: 'int64' }, native: native('long') }],
  [BsonType.decimal, { type: { kind: 'decimal' }, native: native('decimal') }],
]);
const uuid: Inferred = { type: { kind: 'uuid' }, native: native('uuid') };
const bytes: Inferred = { type: { kind: 'bytes' }, native: native('binData') };

/** What the element alone says; null for null, which fits every type. */
export function inferred(element: Element): Inferred | null {
  if (element.type === BsonType.null) return null;
  if (element.type !== BsonType.binary) return inferredTypes.get(element.type) ?? json;
  const subtype = element.bytes[element.at + 4];
  if (subtype === 0) return bytes;
  return subtype === 4 && element.bytes.readInt32LE(element.at) === 16 ? uuid : json;
}

/** Numbers widen as long as nothing is lost; any other mixture becomes JSON. */
export function widened(a: Inferred, b: Inferred): Inferred {
  const [from, to] = [a.native?.type, b.native?.type];
  if (from === to) return a;
  const pair = new Set([from, to]);
  const only = (...types: string[]): boolean => [...pair].every((type) => type !== undefined && types.includes(type));
  if (only('int', 'long')) return inferredTypes.get(BsonType.int64) ?? json;
  if (only('int', 'double')) return inferredTypes.get(BsonType.double) ?? json;
  if (only('int', 'long', 'decimal')) return inferredTypes.get(BsonType.decimal) ?? json;
  return json;
}

/**
 * The value in a form of the column's type, or undefined where it has none. In a JSON column `null` is the JSON null, and NULL a field that is not there; elsewhere both are NULL.
 * Throws `NoJson`.
 */
export function readValue(element: Element, column: Pick<Column, 'type'>): Value | undefined {
  const { type, bytes: document, at } = element;
  const wanted = column.type;
  if (wanted.kind === 'json') return jsonAt(type, document, at);
  switch (type) {
    case BsonType.null:
    case BsonType.undefined:
      return null;
    case BsonType.string:
      return wanted.kind === 'float64' ? double(textAt(document, at)) : fromText(textAt(document, at), wanted);
    case BsonType.boolean:
      return wanted.kind === 'boolean' ? document[at] === 1 : undefined;
    case BsonType.int32: {
      const value = document.readInt32LE(at);
      return wanted.kind === 'int32' || wanted.kind === 'float64' ? value : number(String(value), wanted);
    }
    case BsonType.int64:
      return number(String(document.readBigInt64LE(at)), wanted);
    case BsonType.double: {
      const value = document.readDoubleLE(at);
      return wanted.kind === 'float64'
        ? doubleText(value)
        : Number.isFinite(value) || wanted.kind === 'decimal'
          ? number(doubleText(value), wanted)
          : undefined;
    }
    case BsonType.decimal: {
      const text = plainDecimal(decimalAt(document, at));
      return text === null ? undefined : number(text, wanted);
    }
    case BsonType.objectId:
      return wanted.kind === 'string' ? objectIdAt(document, at) : undefined;
    case BsonType.date:
      return moment(document.readBigInt64LE(at), wanted);
    case BsonType.binary:
      return binary(element, wanted);
    default:
      return undefined;
  }
}

function number(text: string, type: LogicalType): Value | undefined {
  if (type.kind === 'float64') return double(text);
  if (type.kind === 'decimal') return fromText(text, type);
  if (type.kind !== 'int32' && type.kind !== 'int64' && type.kind !== 'uint64') return undefined;
  return fromText(text.replace(/\.0*$/, ''), type);
}

/** A double column takes what is the same number again and nothing else. */
function double(text: string): Value | undefined {
  return isDoubleText(text) ? fromText(text, { kind: 'float64' }) : undefined;
}

function moment(milliseconds: bigint, type: LogicalType): Value | undefined {
  const text = momentText(milliseconds);
  if (text === null) return undefined;
  if (type.kind === 'timestamp') return type.zoned ? text : (utcText(text) ?? undefined);
  return type.kind === 'date' && / 00:00:00\+00:00$/.test(text) ? text.slice(0, text.indexOf(' ')) : undefined;
}

function binary(element: Element, type: LogicalType): Value | undefined {
  const { subtype, data } = binaryAt(element.bytes, element.at);
  if (type.kind === 'bytes') return subtype === 0 || subtype === 2 ? data : undefined;
  if (type.kind !== 'uuid' || subtype !== 4 || data.length !== 16) return undefined;
  return toHex(data).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
