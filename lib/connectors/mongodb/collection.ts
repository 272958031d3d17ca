/** What a source reads: the collection, its columns and the order in which it is read. */
import { setImmediate as turn } from 'node:timers/promises';
import { BSON, type ClientSession, type Collection, type Document, type Filter, type Sort } from 'mongodb';
import { SyncError } from '../../errors.ts';
import type { SourceRequest } from '../connector.ts';
import { nearMatches } from '../sql/names.ts';
import { findCollection, type Session } from './client.ts';
import { Columns } from './columns.ts';
import { serverCode } from './errors.ts';
import { unorderedTypes } from './keyset.ts';

export interface SourceOptions {
  readonly collection: string;
  readonly fields?: Readonly<Record<string, string>>;
}

/** Documents looked at for their fields and types: half of them from each end by `_id`. */
const sampleDocuments = 1_000;
const sampleBytes = 16 * 1024 * 1024;
/** Documents of one answer: the server's own limit is 16 MB, which are held twice while they are read. */
const answerDocuments = 1_000;

/** Throws `NOT_FOUND` with what the user may have meant. */
export async function openCollection(session: Session, name: string): Promise<Collection<Document>> {
  const found = await findCollection(session.db, name);
  if (found === null) {
    const names = (await session.db.listCollections({}, { nameOnly: true }).toArray()).map((other) => other.name);
    const near = nearMatches(name, names);
    const hint = near.length === 0 ? '' : ` Did you mean ${near.map((other) => JSON.stringify(other)).join(' or ')}?`;
    throw new SyncError('NOT_FOUND', `The database ${session.db.databaseName} has no collection ${JSON.stringify(name)}.${hint}`, { table: name });
  }
  return session.db.collection(name);
}

export async function sampleColumns(
  collection: Collection<Document>,
  options: SourceOptions,
  names: Pick<SourceRequest, 'include' | 'exclude'>,
): Promise<Columns> {
  const { include, exclude } = names;
  const columns = new Columns({
    collection: options.collection,
    fields: options.fields ?? {},
    ...(include === undefined ? {} : { include }),
    ...(exclude === undefined ? {} : { exclude }),
  });
  let any = false;
  for (const direction of [1, -1] as const) {
    let bytes = 0;
    const cursor = collection.find({}, { raw: true, sort: { _id: direction }, limit: sampleDocuments / 2, batchSize: sampleDocuments / 2 });
    try {
      for await (const document of cursor) {
        const raw = document as unknown as Buffer;
        columns.learn(raw);
        any = true;
        bytes += raw.length;
        if (bytes > sampleBytes) break;
      }
    } finally {
      await cursor.close();
    }
  }
  columns.settle();
  // Nothing can be said against a name while there is neither document nor type
  if (any || options.fields !== undefined) columns.checkNames();
  return columns;
}

/** `where` of the definition: a filter as (Extended) JSON. Nothing from data comes into it. */
export function parseFilter(where: string | undefined, collection: string): Filter<Document> | null {
  if (where === undefined) return null;
  let plain: unknown;
  let filter: unknown;
  try {
    plain = JSON.parse(where);
    filter = BSON.EJSON.parse(where, { relaxed: false });
  } catch (cause) {
    throw new SyncError('CONFIG_INVALID', `where of ${collection} is no JSON: write a filter of MongoDB such as {"status": {"$ne": "draft"}}.`, {
      table: collection,
      field: 'where',
      cause,
    });
  }
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain))
    throw new SyncError('CONFIG_INVALID', `where of ${collection} is no filter: write an object such as {"status": {"$ne": "draft"}}.`, {
      table: collection,
      field: 'where',
    });
  return filter as Filter<Document>;
}

export function ascending(fields: readonly string[]): Sort {
  return Object.fromEntries(fields.map((field) => [field, 1] as const));
}

/** Documents as bytes in the order of the fields; pauses now and then so that leases are renewed meanwhile. */
export async function* rawDocuments(
  collection: Collection<Document>,
  query: { readonly filter: Filter<Document>; readonly fields: readonly string[]; readonly session?: ClientSession },
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const { filter, fields, session } = query;
  const needsSort = fields.length > 1 || fields[0] !== '_id';
  const cursor = collection.find(filter, {
    raw: true,
    sort: ascending(fields),
    batchSize: answerDocuments,
    signal,
    ...(needsSort ? { allowDiskUse: true } : {}),
    ...(session === undefined ? {} : { session }),
  });
  let since = performance.now();
  try {
    for await (const document of cursor) {
      yield document as unknown as Buffer;
      if (performance.now() - since < 10) continue;
      await turn();
      signal.throwIfAborted();
      since = performance.now();
    }
  } finally {
    await cursor.close();
  }
}

const badValue = 2;

/** Refuses a cursor field that holds code or a deprecated type, which would be passed by. A server that does not know the type holds none of it. */
export async function refuseUnordered(collection: Collection<Document>, fields: readonly string[]): Promise<void> {
  const holds = async (field: string, types: readonly string[]): Promise<boolean> => {
    try {
      return (await collection.findOne({ [field]: { $type: types } } as Filter<Document>, { projection: { _id: 1 } })) !== null;
    } catch (error) {
      if (serverCode(error) !== badValue) throw error;
      if (types.length === 1) return false;
      for (const type of types) if (await holds(field, [type])) return true;
      return false;
    }
  };
  for (const field of fields) {
    if (!(await holds(field, unorderedTypes))) continue;
    const { collectionName: table } = collection;
    throw new SyncError(
      'UNSUPPORTED',
      `${table}.${field} holds values of a type (${unorderedTypes.join(', ')}), which have no place in the order of a cursor. Change them, or choose another field.`,
      {
        table,
        column: field,
      },
    );
  }
}
