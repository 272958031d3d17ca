/** What documents have and rows have not: types of their own, nesting, mixed fields; a collection's changes; writing without transactions. */

import fc from 'fast-check';
import { Binary, BSON, BSONRegExp, Code, Decimal128, type Document, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp, UUID } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Operation, type RowChunk, type Source } from '../../lib/connectors/connector.ts';
import { BsonType, elements } from '../../lib/connectors/mongodb/bson-reader.ts';
import { bsonFromJson } from '../../lib/connectors/mongodb/bson-value.ts';
import { config } from '../../lib/connectors/mongodb/config.ts';
import { encodeStream } from '../../lib/connectors/mongodb/cursor.ts';
import { connector } from '../../lib/connectors/mongodb/index.ts';
import { jsonAt } from '../../lib/connectors/mongodb/json-text.ts';
import type { Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, column, failure, freshName, openSource, openWriter, readAll, writeAll } from '../conformance/drive.ts';
import { codePoint } from '../support/code-point.ts';
import { hasTransactions } from '../support/servers/mongodb.ts';
import { describeWith } from '../support/servers.ts';
import { type MongodbHarness, mongodbHarness } from './mongodb-harness.ts';

const textOf = (document: Document): string => jsonAt(BsonType.object, Buffer.from(BSON.serialize(document)), 0);

const everything: Document = {
  int: new Int32(5),
  long: Long.fromString('9223372036854775807'),
  smallLong: Long.fromNumber(5),
  double: new Double(3),
  minusZero: new Double(-0),
  nan: new Double(Number.NaN),
  decimal: Decimal128.fromString('1.10'),
  plainDecimal: Decimal128.fromString('1.5'),
  decimalNaN: Decimal128.fromString('NaN'),
  decimalZero: Decimal128.fromString('-0.00'),
  id: ObjectId.createFromHexString('0123456789abcdef01234567'),
  date: new Date(-1),
  bytes: new Binary(new Uint8Array([0, 255]), 0x80),
  uuid: new UUID('123e4567-e89b-12d3-a456-426614174000'),
  timestamp: new Timestamp({ t: 7, i: 4_294_967_295 }),
  regex: new BSONRegExp('^a"b', 'i'),
  code: new Code('f()', { x: new Int32(1) }),
  min: new MinKey(),
  max: new MaxKey(),
  nested: { list: [Long.fromNumber(1), null, { a: Decimal128.fromString('0.1') }], 'a.b': 1, $ref: 'x', '': true },
};

describe('documents as JSON text', () => {
  it('gives every type back exactly', () => {
    const text = textOf(everything);
    const back = bsonFromJson(text) as Document;
    expect(Buffer.from(BSON.serialize(back)).equals(Buffer.from(BSON.serialize(everything)))).toBe(true);
    expect(textOf(back)).toBe(text);
    expect(JSON.parse(text).smallLong).toEqual({ $numberLong: '5' });
  });

  it('keeps numbers of any JSON: as the same number, each text stable after one turn', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }).map(String), fc.double({ noNaN: true, noDefaultInfinity: true }).map(String)),
        (text) => {
          const once = textOf({ v: bsonFromJson(text) });
          expect(JSON.parse(once)).toEqual({ v: JSON.parse(text) });
          expect(textOf(bsonFromJson(once) as Document)).toBe(once);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('keeps the order of fields whose names are numbers', () => {
    expect(textOf(bsonFromJson('{"b":1,"2":2,"1":{"__proto__":3,"0":4}}') as Document)).toBe('{"b":1,"2":2,"1":{"__proto__":3,"0":4}}');
  });

  it('refuses what would come back as something else', () => {
    expect(() => bsonFromJson('1234567890123456789012345678901234567890.5')).toThrow(/Decimal128/);
    expect(() => bsonFromJson('{"a\\u0000b":1}')).toThrow(/NUL/);
    expect(() => textOf({ a: { $oid: 'text' } })).toThrow(/\$oid/);
  });
});

await describeWith(['mongodb'], 'mongodb documents', ({ mongodb }) => {
  let harness: MongodbHarness | undefined;
  const get = (): MongodbHarness => {
    if (harness === undefined) throw new Error('the harness is not there yet');
    return harness;
  };
  const collection = (name: string) => get().client.db(get().name).collection<Document>(name);
  const open = (name: string, mode: 'full' | 'id' | 'stream' = 'full'): Promise<Source> =>
    connector.openSource(
      get().connection,
      { sync: 's', options: config.source.parse({ collection: name }), mode, cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' }, peer: 'elsewhere' },
      new AbortController().signal,
    );
  beforeAll(async () => {
    harness = await mongodbHarness();
  });
  afterAll(async () => harness?.[Symbol.asyncDispose]());

  it('infers columns: numbers widen, mixtures and nesting are JSON', async () => {
    const name = freshName('mixed');
    await collection(name).insertMany([
      { _id: new Int32(1) as never, n: new Int32(1), d: new Int32(1), m: 'text', o: { a: Long.fromNumber(1) }, at: new Date(1_700_000_000_123) },
      {
        _id: new Int32(2) as never,
        n: Long.fromString('9007199254740993'),
        d: Decimal128.fromString('1.50'),
        m: new Int32(7),
        o: null,
        ref: new ObjectId('0123456789abcdef01234567'),
      },
    ]);
    await using source = await open(name);
    expect(source.schema.columns.map(({ name: field, type }) => [field, type.kind])).toEqual([
      ['_id', 'int32'],
      ['n', 'int64'],
      ['d', 'decimal'],
      ['m', 'json'],
      ['o', 'json'],
      ['at', 'timestamp'],
      ['ref', 'string'],
    ]);
    const { rows } = await readAll(source);
    expect(rows).toEqual([
      [1, '1', '1', '"text"', '{"a":{"$numberLong":"1"}}', '2023-11-14 22:13:20.123+00:00', null],
      [2, '9007199254740993', '1.50', '7', 'null', null, '0123456789abcdef01234567'],
    ]);
  });

  it('reads _ids of mixed types in order and goes on from each', async () => {
    const name = freshName('ids');
    const ids = [
      new Int32(1),
      Long.fromString('9007199254740993'),
      'a',
      'b',
      { a: 1 },
      new Binary(new Uint8Array([1])),
      new ObjectId('0123456789abcdef01234567'),
      true,
      new Date(5),
    ];
    await collection(name).insertMany([...ids].reverse().map((_id) => ({ _id: _id as never })));
    for (const mode of ['id', 'full'] as const) {
      await using source = await open(name, mode);
      const whole = await readAll(source, { maxRows: 1 });
      expect(whole.rows).toHaveLength(ids.length);
      for (const { cursor, rows } of whole.boundaries)
        expect([...whole.rows.slice(0, rows), ...(await readAll(source, { from: cursor, maxRows: 1 })).rows]).toEqual(whole.rows);
    }
  });

  it('keeps documents together that a key taken at its word does not tell apart', async () => {
    const name = freshName('ties');
    await collection(name).insertMany(Array.from({ length: 24 }, (_, i) => ({ _id: i as never, at: Math.floor(i / 12), part: Math.floor(i / 5) })));
    const ask = { mode: 'timestamp', cursor: { column: 'at', key: ['part'] }, include: ['_id'], options: config.source.parse({ collection: name }) } as const;
    await using source = await openSource({ ...get(), connector }, name, ask);
    const whole = await readAll(source, { maxRows: 2 });
    const ids = (rows: readonly (readonly unknown[])[]): number[] => rows.map(([id]) => Number(id)).sort((a, b) => a - b);
    expect(ids(whole.rows)).toEqual(Array.from({ length: 24 }, (_, i) => i));
    // A boundary behind each of the six groups, none within
    expect(whole.boundaries.map(({ rows }) => rows)).toEqual([5, 10, 12, 15, 20, 24]);
    for (const { cursor, rows } of whole.boundaries) {
      const rest = await readAll(source, { from: cursor, maxRows: 2 });
      expect(ids([...whole.rows.slice(0, rows), ...rest.rows])).toEqual(ids(whole.rows));
    }
  });

  it('says so when a later document brings a new field, and reads it then', async () => {
    const name = freshName('wider');
    await collection(name).insertMany([{ _id: 1 as never, a: 1 }]);
    await using source = await open(name, 'id');
    await collection(name).insertOne({ _id: 2 as never, a: Long.fromString('9007199254740993'), b: 'new' });
    const first = await readAll(source);
    expect(first.rows).toEqual([[1, 1]]);
    expect(first.chunks.at(-1)?.schema?.columns.map(({ name: field, type }) => `${field} ${type.kind}`)).toEqual(['_id int32', 'a int64', 'b string']);
    expect((await readAll(source, { from: first.boundaries.at(-1)?.cursor ?? null })).rows).toEqual([[2, '9007199254740993', 'new']]);
  });

  it('takes where as a filter', async () => {
    const name = freshName('where');
    await collection(name).insertMany([1, 2, 3].map((_id) => ({ _id: _id as never, v: _id })));
    const found = await openSource(get(), name, { where: '{"v": {"$gte": {"$numberInt": "2"}}}', include: ['v'] });
    expect((await readAll(found)).rows).toEqual([[2], [3]]);
    await found[Symbol.asyncDispose]();
    for (const where of ['v > 2', '[]', '7']) await failure(() => openSource(get(), name, { where }), 'CONFIG_INVALID', 'where');
  });

  it('goes from the snapshot to the changes behind its position, resumes within both, and keeps deletes in order', async () => {
    const name = freshName('stream');
    const target = collection(name);
    const stream = target.watch([], { maxAwaitTimeMS: 50 });
    await stream.tryNext();
    await target.insertOne({ _id: 0 as never, v: 0 });
    const event = await stream.next();
    await stream.close();
    await target.insertMany([1, 2, 3].map((_id) => ({ _id: _id as never, v: _id })));
    await using source = await open(name, 'stream');
    // The stand-in gives no position of its own: one from before the snapshot is made here
    const from = encodeStream(name, { position: { token: event._id, startAfter: false }, after: null });
    await target.insertOne({ _id: 4 as never, v: 4 });
    await target.deleteOne({ _id: 2 as never });
    await target.replaceOne({ _id: 3 as never }, { v: 33 });
    const whole = await readAll(source, { from, maxRows: 2 });
    const state = (chunks: readonly RowChunk[]): Map<unknown, unknown> => {
      const rows = new Map<unknown, unknown>();
      for (const { rows: list, operations } of chunks)
        list.forEach(([id, v], i) => void (operations?.[i] === Operation.delete ? rows.delete(id) : rows.set(id, v)));
      return rows;
    };
    const expected = [
      [0, 0],
      [1, 1],
      [3, 33],
      [4, 4],
    ];
    expect([...state(whole.chunks)].sort()).toEqual(expected);
    for (const [index, chunk] of whole.chunks.entries()) {
      if (chunk.boundary === null) continue;
      const later = await readAll(source, { from: chunk.boundary, maxRows: 2 });
      expect([...state([...whole.chunks.slice(0, index + 1), ...later.chunks])].sort()).toEqual(expected);
    }
    // Idle: nothing new, and a position to keep
    const idle = await readAll(source, { from: whole.boundaries.at(-1)?.cursor ?? null });
    expect([idle.rows, idle.boundaries.length]).toEqual([[], 1]);
    await failure(() => readAll(source, { from: '{"v":1,"mode":"id"}' }), 'CURSOR_INVALID');
  });

  it('finds no largest number among numbers stored as text', async () => {
    const name = freshName('largest');
    const ids = { name, columns: [column('_id', 'int64', false)], key: ['_id'] };
    await using open = await openWriter(get(), ids);
    await collection(name).insertMany([{ _id: '9' }, { _id: '10' }] as never);
    await failure(async () => open.destination.max?.(['_id']), 'UNSUPPORTED', `${name}._id`, 'sort as text');
  });

  it('writes documents back as they were, ids and nested types included', async () => {
    const [name, copy] = [freshName('from'), freshName('to')];
    // The stand-in closes the connection at the rarer types
    const { code: _code, min: _min, max: _max, timestamp: _timestamp, regex: _regex, ...common } = everything;
    const held = hasTransactions(mongodb) ? everything : common;
    const documents = [
      {
        _id: new ObjectId('0123456789abcdef01234567'),
        nested: { ...held, nested: { list: [Long.fromNumber(1), Decimal128.fromString('0.1')] } },
        at: new Date(5),
        n: new Int32(1),
        s: '',
      },
      { _id: new ObjectId('0123456789abcdef01234568'), nested: [new Double(1), 'x'], at: null, n: new Int32(2), s: 'é' },
    ];
    await collection(name).insertMany(documents);
    await using source = await open(name);
    const { rows } = await readAll(source);
    await writeAll(get(), { ...source.schema, name: copy }, rows, { write: 'upsert', peer: 'mongodb' });
    const raw = async (from: string): Promise<string[]> =>
      (
        await collection(from)
          .find({}, { raw: true, sort: { _id: 1 } })
          .toArray()
      ).map((document) => normalized(document as unknown as Buffer));
    expect(await raw(copy)).toEqual(await raw(name));
  });

  it('writes any documents back as they were', { timeout: 60_000 }, async () => {
    const nested: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        ...Object.values<fc.Arbitrary<unknown>>(scalars),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 3 }),
        tie('object'),
      ),
      object: fc.dictionary(fc.stringMatching(/^[a-z0-9.]{1,4}$/), tie('value'), { maxKeys: 3 }),
    })).object;
    const fields = { ...Object.fromEntries(Object.entries<fc.Arbitrary<unknown>>(scalars).map(([name, of]) => [name, fc.option(of, { freq: 5 })])), nested };
    await fc.assert(
      fc.asyncProperty(fc.array(fc.record(fields), { minLength: 1, maxLength: 8 }), async (documents) => {
        const [name, copy] = [freshName('any'), freshName('copy')];
        await collection(name).insertMany(documents.map((fieldsOfOne) => ({ _id: new ObjectId(), ...fieldsOfOne })));
        await using source = await open(name);
        const { rows } = await readAll(source);
        await writeAll(get(), { ...source.schema, name: copy }, rows, { write: 'upsert', peer: 'mongodb' });
        // A field that is null throughout is no column
        const columns = new Set(source.schema.columns.map((each) => each.name));
        const raw = async (from: string): Promise<string[]> =>
          (
            await collection(from)
              .find({}, { raw: true, sort: { _id: 1 } })
              .toArray()
          ).map((document) => normalized(document as unknown as Buffer, columns));
        expect(await raw(copy)).toEqual(await raw(name));
      }),
      { numRuns: 40 },
    );
  });

  it('refuses names that an update would take for something else, and NULL in a key', async () => {
    for (const field of ['$set', 'a.b', '']) {
      const schema: Schema = { name: freshName('names'), columns: [column('id', 'int64', false), column(field, 'string')], key: ['id'] };
      await failure(() => openWriter(get(), schema), 'SCHEMA_MISMATCH', schema.name, field);
    }
    const schema: Schema = { name: freshName('nulls'), columns: [column('id', 'int64'), column('v', 'string')], key: ['id'] };
    await failure(() => writeAll(get(), schema, [[null, 'x']], { write: 'upsert' }), 'ROW_REJECTED', schema.name, 'id');
  });

  it('refuses a row of more than 16 MB by its key', async () => {
    const schema: Schema = { name: freshName('large'), columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] };
    await failure(() => writeAll(get(), schema, [['77', 'x'.repeat(17 * 1024 * 1024)]], { write: 'upsert' }), 'TOO_LARGE', schema.name, '77');
  });

  it('replaces by a stage that takes the target over, deletes by key, and writes a batch twice to the same end', async () => {
    const schema: Schema = { name: freshName('again'), columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] };
    await writeAll(
      get(),
      schema,
      [
        ['1', 'old'],
        ['2', 'old'],
      ],
      { write: 'upsert' },
    );
    await writeAll(
      get(),
      schema,
      [
        ['2', 'new'],
        ['3', 'new'],
      ],
      { write: 'replace', batch: { cursor: null, final: true } },
    );
    const rows = async (): Promise<unknown[]> => (await get().read(schema.name, schema.columns)).map(([id, v]) => [String(id), v]).sort();
    expect(await rows()).toEqual([
      ['2', 'new'],
      ['3', 'new'],
    ]);
    await using opened = await openWriter(get(), schema, { write: 'upsert' });
    await opened.writer.write(
      chunkOf(
        [
          ['3', null],
          ['4', 'four'],
        ],
        { operations: Uint8Array.from([Operation.delete, Operation.insert]) },
      ),
    );
    expect(await opened.writer.commit(batchOf('x'))).toMatchObject({ written: 1, deleted: 1 });
    expect(await rows()).toEqual([
      ['2', 'new'],
      ['4', 'four'],
    ]);
    const names = (await get().client.db(get().name).listCollections().toArray()).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('_idra_stage'))).toEqual([]);
  });

  it.skipIf(!hasTransactions(mongodb))('writes a batch whole or not at all, with its state (with transactions only)', async () => {
    const schema: Schema = { name: freshName('whole'), columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] };
    await writeAll(get(), schema, [['7', 'seven']]);
    await using opened = await openWriter(get(), schema);
    await opened.writer.write(
      chunkOf([
        ['6', 'six'],
        ['7', 'again'],
      ]),
    );
    await failure(() => opened.writer.commit(batchOf('x')), 'ROW_REJECTED', schema.name, '7');
    expect(await get().read(schema.name, schema.columns)).toHaveLength(1);
    expect(await opened.destination.state()).toMatchObject({ seq: 1n });
  });
});

/** Fields sorted: an upsert leaves their order to the server. Of nested ones the order counts. */
function normalized(document: Buffer, columns?: ReadonlySet<string>): string {
  return Array.from(elements(document))
    .filter(({ name }) => columns === undefined || columns.has(name))
    .map(({ name, type, bytes, at }) => `${JSON.stringify(name)}:${type}:${jsonAt(type, bytes, at)}`)
    .sort()
    .join(',');
}

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

/** One type each, with all that it holds. */
const scalars = {
  int: fc.integer().map((value) => new Int32(value)),
  long: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map((value) => Long.fromBigInt(value)),
  double: fc.double().map((value) => new Double(value)),
  decimal: fc
    .tuple(fc.bigInt({ min: -(10n ** 33n), max: 10n ** 33n }), fc.integer({ min: -30, max: 0 }))
    .map(([digits, exponent]) => Decimal128.fromString(`${digits}E${exponent}`)),
  date: fc.date({ noInvalidDate: true }),
  objectId: bytesOf(12).map((bytes) => new ObjectId(bytes)),
  binary: fc.uint8Array({ maxLength: 20 }).map((bytes) => new Binary(bytes)),
  uuid: bytesOf(16).map((bytes) => new UUID(bytes)),
  text: fc.string({ unit: codePoint, maxLength: 20 }),
  flag: fc.boolean(),
};
