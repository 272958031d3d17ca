/**
 * Documents as the bytes that the server sent (https://bsonspec.org/spec.html): order of fields, number types and moments that no JavaScript Date holds stay as they are, and no object is made for a row.
 */
import { ObjectId } from 'mongodb';

export const BsonType = {
  double: 0x01,
  string: 0x02,
  object: 0x03,
  array: 0x04,
  binary: 0x05,
  undefined: 0x06,
  objectId: 0x07,
  boolean: 0x08,
  date: 0x09,
  null: 0x0a,
  regex: 0x0b,
  dbPointer: 0x0c,
  code: 0x0d,
  symbol: 0x0e,
  codeWithScope: 0x0f,
  int32: 0x10,
  timestamp: 0x11,
  int64: 0x12,
  decimal: 0x13,
  minKey: 0xff,
  maxKey: 0x7f,
} as const;
export type BsonType = number;

/** One value within a document's bytes. */
export interface Element {
  readonly name: string;
  readonly type: BsonType;
  readonly bytes: Buffer;
  /** Where the value begins. */
  readonly at: number;
}

/** The document's elements in order; `at`: where it begins. */
export function* elements(bytes: Buffer, at = 0): Generator<Element> {
  const end = at + bytes.readInt32LE(at) - 1;
  let position = at + 4;
  while (position < end) {
    const type = bytes[position] ?? 0;
    const nameEnd = bytes.indexOf(0, position + 1);
    const name = bytes.toString('utf8', position + 1, nameEnd);
    const start = nameEnd + 1;
    yield { name, type, bytes, at: start };
    position = start + sizeOf(type, bytes, start);
  }
}

function sizeOf(type: BsonType, bytes: Buffer, at: number): number {
  switch (type) {
    case BsonType.double:
    case BsonType.date:
    case BsonType.timestamp:
    case BsonType.int64:
      return 8;
    case BsonType.int32:
      return 4;
    case BsonType.boolean:
      return 1;
    case BsonType.objectId:
      return 12;
    case BsonType.decimal:
      return 16;
    case BsonType.string:
    case BsonType.code:
    case BsonType.symbol:
      return 4 + bytes.readInt32LE(at);
    case BsonType.object:
    case BsonType.array:
    case BsonType.codeWithScope:
      return bytes.readInt32LE(at);
    case BsonType.binary:
      return 5 + bytes.readInt32LE(at);
    case BsonType.dbPointer:
      return 4 + bytes.readInt32LE(at) + 12;
    case BsonType.regex:
      return bytes.indexOf(0, bytes.indexOf(0, at) + 1) + 1 - at;
    case BsonType.null:
    case BsonType.undefined:
    case BsonType.minKey:
    case BsonType.maxKey:
      return 0;
    default:
      throw new RangeError(`a document has the unknown type 0x${type.toString(16)}`);
  }
}

/** Text of a string, code or symbol. */
export function textAt(bytes: Buffer, at: number): string {
  return bytes.toString('utf8', at + 4, at + 4 + bytes.readInt32LE(at) - 1);
}

/** A copy: the bytes around it are not kept alive by it. */
export function binaryAt(bytes: Buffer, at: number): { readonly subtype: number; readonly data: Uint8Array } {
  const length = bytes.readInt32LE(at);
  const subtype = bytes[at + 4] ?? 0;
  // Subtype 2 repeats its length
  const start = subtype === 2 ? at + 9 : at + 5;
  return { subtype, data: new Uint8Array(bytes.subarray(start, at + 5 + length)) };
}

export function objectIdAt(bytes: Buffer, at: number): string {
  return new ObjectId(bytes.subarray(at, at + 12)).toHexString();
}

export function regexAt(bytes: Buffer, at: number): { readonly pattern: string; readonly options: string } {
  const end = bytes.indexOf(0, at);
  return { pattern: bytes.toString('utf8', at, end), options: bytes.toString('utf8', end + 1, bytes.indexOf(0, end + 1)) };
}
