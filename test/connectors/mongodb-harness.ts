import { Binary, type Document, Double, Int32, Long, MongoClient, UUID } from 'mongodb';
import type { Connector } from '../../lib/connectors/connector.ts';
import { elements } from '../../lib/connectors/mongodb/bson-reader.ts';
import { bsonFromJson, decimal128 } from '../../lib/connectors/mongodb/bson-value.ts';
import { config } from '../../lib/connectors/mongodb/config.ts';
import { connector } from '../../lib/connectors/mongodb/index.ts';
import { decimalAt, jsonAt } from '../../lib/connectors/mongodb/json-text.ts';
import { toText } from '../../lib/values/convert.ts';
import { plainDecimal } from '../../lib/values/numbers.ts';
import { type Column, type Row, type Schema, typeName, type Value } from '../../lib/values/types.ts';
import type { Harness } from '../conformance/harness.ts';
import { freshDatabase } from '../support/fresh.ts';

export const cannotHold = {
  'decimal of 38 digits': 'Decimal128 has 34',
  'lone surrogate': 'UTF-8 has no surrogates',
} as const;

export interface MongodbHarness extends Harness {
  readonly client: MongoClient;
  readonly name: string;
}

export async function mongodbHarness(): Promise<MongodbHarness> {
  const fresh = await freshDatabase('mongodb');
  const client = new MongoClient(fresh.url);
  await client.connect();
  const db = client.db(fresh.name);
  const greeting = await db.admin().command({ isMaster: 1 });
  const transactions = greeting.setName !== undefined || greeting.msg === 'isdbgrid';
  const made = new Map<string, Schema>();
  // The suites know nothing of `_id`, which every document has beside the columns
  const withoutId: Connector = {
    ...connector,
    openSource: (connection, request, signal) =>
      request.mode === 'stream' || made.get(String((request.options as { collection: string }).collection))?.columns.some(({ name }) => name === '_id')
        ? connector.openSource(connection, request, signal)
        : connector.openSource(connection, { ...request, exclude: [...(request.exclude ?? []), '_id'] }, signal),
  };
  return {
    system: 'mongodb',
    connector: withoutId,
    config,
    connection: config.connection.parse({ type: 'mongodb', url: fresh.url }),
    client,
    name: fresh.name,
    source: (table, columns = made.get(table)?.columns) =>
      config.source.parse({
        collection: table,
        ...(columns === undefined ? {} : { fields: Object.fromEntries(columns.map(({ name, type }) => [name, typeName(type)])) }),
      }),
    destination: (table) => config.destination.parse({ collection: table }),
    columns: async (table) => {
      const [first] = await db
        .collection(table)
        .find({}, { sort: { $natural: -1 }, limit: 1 })
        .toArray();
      return Object.keys(first ?? {}).filter((name) => name !== '_id');
    },
    cannotHold,
    schemaless: true,
    insertReplaces: !transactions,
    refusesTable: (name) => name.includes('$') || name.includes('..'),
    // An update would take them for a path or an operator
    refusesColumn: (name) => name.startsWith('$') || name.includes('.'),
    create: async (schema, rows) => {
      made.set(schema.name, schema);
      await db.createCollection(schema.name);
      const unique = Object.fromEntries(schema.key.map((name) => [name, 1] as const));
      if (schema.key.length > 0 && !schema.key.includes('_id')) await db.collection(schema.name).createIndex(unique, { unique: true });
      if (rows.length > 0) await db.collection(schema.name).insertMany(rows.map((row) => documentOf(schema, row)));
    },
    append: async (schema, row) => {
      await db.collection(schema.name).insertOne(documentOf(schema, row));
    },
    read: async (table, columns) => {
      const documents = await db.collection(table).find({}, { raw: true }).toArray();
      return documents.map((document) => rowOf(document as unknown as Buffer, columns));
    },
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await fresh[Symbol.asyncDispose]();
    },
  };
}

function documentOf({ columns }: Schema, row: Row): Document {
  return Object.fromEntries(
    columns.flatMap((column, i) => (row[i] === null && column.type.kind === 'json' ? [] : [[column.name, bsonOf(row[i] ?? null, column)]])),
  );
}

/** As a program that knows MongoDB would store it. */
function bsonOf(value: Value, { type }: Column): unknown {
  if (value === null || typeof value === 'boolean') return value;
  if (value instanceof Uint8Array) return new Binary(value);
  const text = toText(value, type) ?? '';
  switch (type.kind) {
    case 'int32':
      return new Int32(Number(text));
    case 'int64':
      return Long.fromString(text);
    case 'uint64':
      return BigInt(text) < 2n ** 63n ? Long.fromString(text) : decimal128(text);
    case 'decimal':
      return decimal128(text);
    case 'float64':
      return new Double(Number(text));
    case 'uuid':
      return new UUID(text);
    case 'json':
      return bsonFromJson(text);
    default:
      return text;
  }
}

function rowOf(document: Buffer, columns: readonly Column[]): Row {
  const found = new Map(Array.from(elements(document), (element) => [element.name, element]));
  return columns.map(({ name, type }): Value => {
    const element = found.get(name);
    if (element === undefined) return null;
    const text = jsonAt(element.type, element.bytes, element.at);
    if (type.kind === 'json') return text;
    const value: Document | string | number | boolean | null = JSON.parse(text.replace(/^-?[0-9].*$/, '"$&"'));
    if (value === null || typeof value === 'boolean') return value;
    if (typeof value === 'string') return type.kind === 'decimal' ? (plainDecimal(value) ?? value) : value.replace(type.kind === 'float64' ? /\.0$/ : /$^/, '');
    if (typeof value !== 'object') return String(value);
    if ('$binary' in value) {
      const bytes = Buffer.from(value.$binary.base64, 'base64');
      return type.kind === 'uuid' ? new UUID(bytes).toString() : new Uint8Array(bytes);
    }
    if ('$numberDecimal' in value) return plainDecimal(decimalAt(element.bytes, element.at)) ?? '';
    if ('$date' in value) return `${new Date(Number(value.$date.$numberLong)).toISOString().replace('T', ' ').replace('Z', '')}+00:00`;
    return String(value.$numberLong ?? value.$numberDouble ?? text);
  });
}
