/** What would be lost or changed without a word: refused by name. And how much a resume token says. No server is needed. */
import { BSON, Decimal128, Int32, Long, Timestamp } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { bsonFromJson } from '../../lib/connectors/mongodb/bson-value.ts';
import { Columns } from '../../lib/connectors/mongodb/columns.ts';
import { timeOf } from '../../lib/connectors/mongodb/cursor.ts';
import { Operations } from '../../lib/connectors/mongodb/operations.ts';
import type { Schema } from '../../lib/values/types.ts';
import { chunkOf, column, failure } from '../conformance/drive.ts';

/** The driver writes no name twice: the field `z` is called `a` afterwards. */
function twice(document: BSON.Document): Buffer {
  const bytes = Buffer.from(BSON.serialize(document));
  const at = bytes.indexOf(Buffer.from('z\0'));
  expect(at).toBeGreaterThan(0);
  bytes[at] = 'a'.charCodeAt(0);
  return bytes;
}

describe('fields of one name', () => {
  const read = (...documents: Buffer[]): unknown[] => {
    const columns = new Columns({ collection: 'orders', fields: {} });
    for (const document of documents) columns.learn(document);
    columns.settle();
    return documents.map((document) => columns.row(document));
  };

  it('make a document no row, the first of them NULL or not, and leave the next document alone', () => {
    const rejected = { error: { code: 'ROW_MALFORMED', place: { column: 'a', key: '_id=1' } } };
    const plain = Buffer.from(BSON.serialize({ _id: new Int32(2), a: new Int32(7) }));
    expect(read(twice({ _id: new Int32(1), a: new Int32(5), z: new Int32(6) }), plain)).toMatchObject([rejected, [2, 7]]);
    expect(read(twice({ _id: new Int32(1), a: null, z: new Int32(6) }))).toMatchObject([rejected]);
  });

  it('are refused within a document, and in JSON text', () => {
    expect(read(twice({ _id: new Int32(1), n: { a: new Int32(5), z: new Int32(6) } }))).toMatchObject([
      { error: { code: 'ROW_MALFORMED', place: { column: 'n' } } },
    ]);
    expect(() => bsonFromJson('{"b":{"a":1,"a":2}}')).toThrow(/two fields called "a"/);
    expect(bsonFromJson('{"b":{"a":1},"a":2}')).toEqual({ b: { a: new Int32(1) }, a: new Int32(2) });
  });
});

describe('a float64 field', () => {
  const read = (value: unknown): unknown => {
    const columns = new Columns({ collection: 'orders', fields: { f: 'float64' } });
    const document = Buffer.from(BSON.serialize({ _id: new Int32(1), f: value }));
    columns.learn(document);
    columns.settle();
    return columns.row(document);
  };

  it.each(['9007199254740993', '0.1234567890123456789012', '1e400', 'one', ''])('refuses the text %j, which a double does not keep', (text) => {
    expect(read(text)).toMatchObject({ error: { code: 'ROW_MALFORMED', place: { column: 'f', key: '_id=1' } } });
  });

  it('takes what is the same number, written as text or as a number', () => {
    for (const [value, double] of [
      ['1.50', '1.5'],
      ['NaN', 'NaN'],
      ['9007199254740992', '9007199254740992'],
      [Decimal128.fromString('1.50'), '1.5'],
      [Decimal128.fromString('-Infinity'), '-Infinity'],
      [Decimal128.fromString('-0'), '-0'],
    ] as const)
      expect(read(value)).toEqual([1, double]);
    for (const value of [Decimal128.fromString('9007199254740993'), Long.fromString('9007199254740993')])
      expect(read(value)).toMatchObject({ error: { code: 'ROW_MALFORMED' } });
  });
});

describe('the empty timestamp', () => {
  const schema: Schema = { name: 'orders', columns: [column('id', 'int64', false), column('at', 'json')], key: ['id'] };
  const operations = (write: 'insert' | 'upsert'): Operations =>
    new Operations({ collection: 'orders', schema, write, deletes: 'hard', softDeleteColumn: '_deleted_at', timestamps: 'auto', objectIds: [] });
  const empty = '{"$timestamp":{"t":0,"i":0}}';

  it('is refused by an insert, which would put the time of day in its place, and kept by an upsert', async () => {
    await failure(async () => operations('insert').encode(chunkOf([['7', empty]])), 'VALUE_UNREPRESENTABLE', 'orders', 'at', '7');
    expect(operations('upsert').encode(chunkOf([['7', empty]]))).toHaveLength(1);
    // Within a document it stays as it is
    for (const text of [`{"in":${empty}}`, '{"$timestamp":{"t":0,"i":1}}']) expect(operations('insert').encode(chunkOf([['7', text]]))).toHaveLength(1);
  });
});

describe('a resume token', () => {
  it('says up to which time nothing is left out; one of another form says nothing', () => {
    const token = (data: unknown): unknown => ({ _data: data });
    expect(timeOf(token('8267C867A2000000192B042C0100296E5A1004'))).toBe(new Timestamp({ t: 1_741_186_978, i: 25 }).toBigInt());
    expect(timeOf(token('8267C867A3000000012B0429296E1404'))).toBe(new Timestamp({ t: 1_741_186_979, i: 1 }).toBigInt());
    for (const other of [null, undefined, 7, {}, token('0167'), token(5), token('')]) expect(timeOf(other)).toBeNull();
  });
});
