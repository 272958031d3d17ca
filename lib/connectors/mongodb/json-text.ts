/**
 * Values of BSON as JSON text and back (bson-value.ts), each text meaning exactly one value. Numbers are bare where the bare digits read back as the same type, everything that JSON lacks is canonical Extended JSON
 * (https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/):
 *
 * | type       | text                                                                                       |
 * |------------|--------------------------------------------------------------------------------------------|
 * | Int32      | `5`                                                                                        |
 * | Int64      | digits where no Int32 holds them, else `{"$numberLong":"5"}`                               |
 * | Double     | shortest digits, `.0` behind whole ones; `{"$numberDouble":"NaN"}`                         |
 * | Decimal128 | digits where they are no Double's shortest ones, else `{"$numberDecimal":"1.5"}`           |
 */
import { Decimal128 } from 'mongodb';
import { toBase64 } from '../../values/bytes.ts';
import { BsonType, binaryAt, elements, objectIdAt, regexAt, textAt } from './bson-reader.ts';

/** Names of Extended JSON: a document that has one of them itself cannot be told from the special type. */
export const specialNames: ReadonlySet<string> = new Set([
  '$oid',
  '$date',
  '$numberInt',
  '$numberLong',
  '$numberDouble',
  '$numberDecimal',
  '$binary',
  '$uuid',
  '$timestamp',
  '$regularExpression',
  '$minKey',
  '$maxKey',
  '$undefined',
  '$code',
  '$symbol',
  '$dbPointer',
]);

/** The value has no JSON text of its own. */
export class NoJson extends Error {}

const int32 = { min: -(2n ** 31n), max: 2n ** 31n - 1n };
const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
const integer = /^(?:0|-?[1-9][0-9]*)$/;

/** What bare digits in JSON mean. `decimal` may still not fit 34 digits. */
export function numberKind(text: string): 'int32' | 'int64' | 'double' | 'decimal' {
  if (integer.test(text) && text.length <= 20) {
    const value = BigInt(text);
    if (value >= int32.min && value <= int32.max) return 'int32';
    if (value >= int64.min && value <= int64.max) return 'int64';
  }
  return doubleJson(Number(text)) === text ? 'double' : 'decimal';
}

/** Shortest digits of a finite double, never those of an integer type. */
function doubleJson(value: number): string {
  if (Object.is(value, -0)) return '-0.0';
  const text = String(value);
  return Number.isFinite(value) && integer.test(text) && Math.abs(value) <= 2 ** 63 ? `${text}.0` : text;
}

export function doubleText(value: number): string {
  return Number.isFinite(value) ? doubleJson(value) : `{"$numberDouble":"${value}"}`;
}

export function decimalText(text: string): string {
  const finite = /^-?[0-9]/.test(text);
  return finite && numberKind(text) === 'decimal' ? text : `{"$numberDecimal":"${text}"}`;
}

export function longText(value: bigint): string {
  return value >= int32.min && value <= int32.max ? `{"$numberLong":"${value}"}` : String(value);
}

export function decimalAt(bytes: Buffer, at: number): string {
  return new Decimal128(bytes.subarray(at, at + 16)).toString();
}

/** Throws `NoJson`. */
export function jsonAt(type: BsonType, bytes: Buffer, at: number): string {
  const quoted = (): string => JSON.stringify(textAt(bytes, at));
  switch (type) {
    case BsonType.double:
      return doubleText(bytes.readDoubleLE(at));
    case BsonType.string:
      return quoted();
    case BsonType.object:
      return objectText(bytes, at);
    case BsonType.array:
      return `[${Array.from(elements(bytes, at), (item) => jsonAt(item.type, item.bytes, item.at)).join(',')}]`;
    case BsonType.binary: {
      const { subtype, data } = binaryAt(bytes, at);
      return `{"$binary":{"base64":"${toBase64(data)}","subType":"${subtype.toString(16).padStart(2, '0')}"}}`;
    }
    case BsonType.undefined:
      return '{"$undefined":true}';
    case BsonType.objectId:
      return `{"$oid":"${objectIdAt(bytes, at)}"}`;
    case BsonType.boolean:
      return bytes[at] === 1 ? 'true' : 'false';
    case BsonType.date:
      return `{"$date":{"$numberLong":"${bytes.readBigInt64LE(at)}"}}`;
    case BsonType.null:
      return 'null';
    case BsonType.regex: {
      const { pattern, options } = regexAt(bytes, at);
      return `{"$regularExpression":{"pattern":${JSON.stringify(pattern)},"options":${JSON.stringify(options)}}}`;
    }
    case BsonType.dbPointer: {
      const idAt = at + 4 + bytes.readInt32LE(at);
      return `{"$dbPointer":{"$ref":${quoted()},"$id":{"$oid":"${objectIdAt(bytes, idAt)}"}}}`;
    }
    case BsonType.code:
      return `{"$code":${quoted()}}`;
    case BsonType.symbol:
      return `{"$symbol":${quoted()}}`;
    case BsonType.codeWithScope: {
      const scopeAt = at + 8 + bytes.readInt32LE(at + 4);
      return `{"$code":${JSON.stringify(textAt(bytes, at + 4))},"$scope":${objectText(bytes, scopeAt)}}`;
    }
    case BsonType.int32:
      return String(bytes.readInt32LE(at));
    case BsonType.timestamp:
      return `{"$timestamp":{"t":${bytes.readUInt32LE(at + 4)},"i":${bytes.readUInt32LE(at)}}}`;
    case BsonType.int64:
      return longText(bytes.readBigInt64LE(at));
    case BsonType.decimal:
      return decimalText(decimalAt(bytes, at));
    case BsonType.minKey:
      return '{"$minKey":1}';
    case BsonType.maxKey:
      return '{"$maxKey":1}';
    default:
      throw new NoJson(`has the unknown type 0x${type.toString(16)}`);
  }
}

function objectText(bytes: Buffer, at: number): string {
  const members: string[] = [];
  const names = new Set<string>();
  for (const { name, type, at: valueAt } of elements(bytes, at)) {
    if (names.size === names.add(name).size) throw new NoJson(`holds a document with two fields called ${JSON.stringify(name)}`);
    if (members.length === 0 && specialNames.has(name))
      throw new NoJson(`holds a document whose first field is called ${name}, which JSON text cannot tell from the special type`);
    members.push(`${JSON.stringify(name)}:${jsonAt(type, bytes, valueAt)}`);
  }
  return `{${members.join(',')}}`;
}
