/** Values of a row as values of BSON, by the column's type. */
import { Binary, BSON, Decimal128, Double, Int32, Long, ObjectId } from 'mongodb';
import { fromHex } from '../../values/bytes.ts';
import { type Check, checkFor } from '../../values/fits.ts';
import { readDouble } from '../../values/numbers.ts';
import { type Column, typeName, type Value } from '../../values/types.ts';
import { elements } from './bson-reader.ts';
import { type BsonValue, bsonFromJson, decimal128 } from './bson-value.ts';
import { jsonAt, NoJson } from './json-text.ts';
import { momentDate } from './moment.ts';

/** The reason goes behind `the value`. */
export class Unfit extends Error {}

export interface EncodeOptions {
  readonly timestamps: 'auto' | 'date' | 'text';
  readonly objectIds: readonly string[];
}

export interface ValueEncoder {
  /** Type in MongoDB's words. */
  readonly type: string;
  /** Undefined: the field is left out (NULL of a JSON column, whose `null` is JSON's own). Throws `Unfit`. */
  encode(value: Value): BsonValue | undefined;
  /** The same as JSON text, for cursors. */
  json(value: Value): string;
}

const maxLong = 2n ** 63n - 1n;

export function encoderFor(column: Column, options: EncodeOptions): ValueEncoder {
  const check = checkFor(column.type);
  const { type, make } = makerFor(column, options);
  const encode = (value: Value): BsonValue | undefined => {
    if (value === null) return column.type.kind === 'json' ? undefined : null;
    return guarded(value, check, make);
  };
  return {
    type,
    encode,
    json: (value) => {
      const [element] = elements(Buffer.from(BSON.serialize({ v: encode(value) ?? null })));
      return element === undefined ? 'null' : jsonAt(element.type, element.bytes, element.at);
    },
  };
}

type Make = (value: Exclude<Value, null>) => BsonValue;

function guarded(value: Exclude<Value, null>, check: Check, make: Make): BsonValue {
  try {
    const reason = check(value);
    if (reason !== null) throw new Unfit(reason);
    return make(value);
  } catch (error) {
    if (error instanceof NoJson) throw new Unfit(error.message);
    throw error;
  }
}

/** Canonical text of a moment is what other systems order it by. */
const asText: Make = (value) => wellFormed(String(value));

function makerFor(column: Column, options: EncodeOptions): { readonly type: string; readonly make: Make } {
  const { type } = column;
  const native = column.native?.system === 'mongodb' ? column.native.type : undefined;
  if (native === 'objectId' || options.objectIds.includes(column.name)) return { type: 'objectId', make: objectId };
  switch (type.kind) {
    case 'boolean':
      return { type: 'bool', make: (value) => value };
    case 'int32':
      return { type: 'int', make: (value) => new Int32(Number(value)) };
    case 'int64':
      return { type: 'long', make: (value) => Long.fromBigInt(BigInt(String(value))) };
    case 'uint64':
      return { type: 'long or decimal', make: unsigned };
    case 'decimal':
      return { type: 'decimal', make: (value) => decimal128(String(value)) };
    case 'float64':
      return { type: 'double', make: double };
    case 'bytes':
      return { type: 'binData', make: (value) => new Binary(value as Uint8Array, Binary.SUBTYPE_DEFAULT) };
    case 'uuid':
      return { type: 'uuid', make: (value) => new Binary(fromHex(String(value).replaceAll('-', '')) ?? new Uint8Array(0), Binary.SUBTYPE_UUID) };
    case 'json':
      return { type: 'document', make: (value) => bsonFromJson(String(value)) };
    case 'timestamp': {
      const { timestamps } = options;
      const date = native === 'date' || timestamps === 'date' || (timestamps === 'auto' && type.zoned && type.fraction <= 3);
      return date ? { type: 'date', make: moment } : { type: 'string', make: asText };
    }
    default:
      return { type: type.kind === 'string' ? 'string' : `string with a ${typeName(type)}`, make: asText };
  }
}

function objectId(value: Exclude<Value, null>): ObjectId {
  if (typeof value === 'string' && /^[0-9a-f]{24}$/.test(value)) return ObjectId.createFromHexString(value);
  throw new Unfit('is no ObjectId: 24 hexadecimal digits in lower case');
}

/** MongoDB compares its number types with each other exactly. */
function unsigned(value: Exclude<Value, null>): Long | Decimal128 {
  const exact = BigInt(String(value));
  return exact <= maxLong ? Long.fromBigInt(exact) : Decimal128.fromString(String(exact));
}

function double(value: Exclude<Value, null>): Double {
  const read = typeof value === 'number' ? value : readDouble(String(value));
  if (read === null) throw new Unfit('is no number');
  return new Double(read);
}

function moment(value: Exclude<Value, null>): Date {
  const date = momentDate(String(value));
  if (typeof date === 'string') throw new Unfit(date);
  return date;
}

function wellFormed(text: string): string {
  if (text.isWellFormed()) return text;
  throw new Unfit('has half a surrogate pair, which UTF-8 cannot hold');
}
