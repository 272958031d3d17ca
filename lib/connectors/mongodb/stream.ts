/**
 * A collection and then its changes. The position in the change stream is taken before the snapshot begins and kept in every cursor of the snapshot, so that what changes meanwhile is read again behind it:
 * changes are the whole document, and applying one twice gives the same.
 */
import {
  BSON,
  type ChangeStream,
  type ChangeStreamDocument,
  type ChangeStreamOptions,
  type ClientSession,
  type Collection,
  type Document,
  Timestamp,
} from 'mongodb';
import { SyncError } from '../../errors.ts';
import { type Chunk, Operation, type ReadOptions } from '../connector.ts';
import { elements } from './bson-reader.ts';
import { Chunker } from './chunker.ts';
import { exactTypes, type Session } from './client.ts';
import { rawDocuments, refuseUnordered } from './collection.ts';
import type { Columns } from './columns.ts';
import { decodeStream, encodeStream, positionValue, type StreamPosition, timeOf } from './cursor.ts';
import { mongoError } from './errors.ts';
import { jsonAt } from './json-text.ts';
import { after } from './keyset.ts';

/** How long an empty stream is waited for: the server answers at once where there is something. */
const awaitMs = 250;
/** How long is waited at most for what was there when the read began: the majority has to confirm it, and each shard of a cluster has to say that nothing comes before it. What takes longer is the next run's. */
const catchUpMs = 2_000;
/** Left for the engine to commit in before the deadline. */
const reserveMs = 1_000;

/** What an update changed beside the document after it: an event of both may pass the 16 MB that MongoDB sends. */
const withoutUnused = [{ $project: { updateDescription: 0 } }];

type Change = ChangeStreamDocument<Document>;

export class ChangeReader {
  readonly #session: Session;
  readonly #collection: Collection<Document>;
  readonly #columns: Columns;

  constructor(session: Session, collection: Collection<Document>, columns: Columns) {
    this.#session = session;
    this.#collection = collection;
    this.#columns = columns;
  }

  async *read(options: ReadOptions, signal: AbortSignal): AsyncGenerator<Chunk> {
    const name = this.#collection.collectionName;
    const stored = options.from === null ? null : decodeStream(name, options.from);
    const position = stored?.position ?? (await this.#now());
    const snapshotAfter = stored === null ? null : stored.after;
    // Stored before the first row, so that a snapshot that is cut short goes on from the same position
    if (stored === null) yield { kind: 'rows', rows: [], bytes: 0, boundary: encodeStream(name, { position, after: null }) };
    if (snapshotAfter !== undefined) {
      await refuseUnordered(this.#collection, ['_id']);
      if (yield* this.#snapshot(position, snapshotAfter, { ...options, signal })) return;
      yield { kind: 'rows', rows: [], bytes: 0, boundary: encodeStream(name, { position }) };
    }
    yield* this.#changes(position, options, signal);
  }

  /** The position of this moment. Where the server gives no token with an empty answer, the cluster's time. */
  async #now(): Promise<StreamPosition> {
    const stream = this.#watch(null);
    try {
      await stream.tryNext();
      if (stream.resumeToken !== null && stream.resumeToken !== undefined) return tokenPosition(stream.resumeToken, false);
    } catch (error) {
      throw mongoError(error, `open the change stream of ${this.#collection.collectionName}`, { table: this.#collection.collectionName });
    } finally {
      await stream.close();
    }
    const { operationTime } = await this.#session.db.command({ ping: 1 }, { promoteValues: false });
    if (operationTime instanceof Timestamp) return { clusterTime: operationTime.toBigInt().toString() };
    throw new SyncError(
      'UNSUPPORTED',
      `The server gives no position for the changes of ${this.#collection.collectionName}: mode stream needs a replica set of MongoDB 4.4 or later.`,
      {
        table: this.#collection.collectionName,
      },
    );
  }

  async *#snapshot(position: StreamPosition, last: string | null, options: ReadOptions & { signal: AbortSignal }): AsyncGenerator<Chunk, boolean> {
    const name = this.#collection.collectionName;
    const chunker = new Chunker(options);
    let boundary = encodeStream(name, { position, after: last });
    const filter = last === null ? {} : after(['_id'], [positionValue(last, name)]);
    const session = await this.#upToDate();
    try {
      const query = { filter, fields: ['_id'], ...(session === null ? {} : { session }) };
      for await (const document of rawDocuments(this.#collection, query, options.signal)) {
        if (chunker.full(document.length)) yield chunker.take(boundary);
        if (this.#columns.learn(document)) {
          if (!chunker.empty) yield chunker.take(boundary);
          yield this.#changedColumns(boundary);
          return true;
        }
        chunker.add(this.#columns.row(document), document.length);
        boundary = encodeStream(name, { position, after: idText(document) });
      }
    } finally {
      await session?.endSession();
    }
    options.signal.throwIfAborted();
    if (!chunker.empty) yield chunker.take(boundary);
    return false;
  }

  /** A session that reads nothing older than what the primary has now: a secondary that lags behind the position would leave out what came before it. Null for a standalone server. */
  async #upToDate(): Promise<ClientSession | null> {
    const { client, db, transactions } = this.#session;
    if (!transactions) return null;
    const session = client.startSession({ causalConsistency: true });
    try {
      await db.command({ ping: 1 }, { session, readPreference: 'primary' });
      return session;
    } catch (error) {
      await session.endSession();
      throw error;
    }
  }

  /** Until nothing more is there, or what is there came after the read began. */
  async *#changes(from: StreamPosition, options: ReadOptions, signal: AbortSignal): AsyncGenerator<Chunk> {
    const name = this.#collection.collectionName;
    const until = await this.#clusterTime();
    const chunker = new Chunker(options);
    let giveUpAt: number | null = null;
    const late = (): boolean => options.deadline !== undefined && Date.now() > options.deadline - reserveMs;
    let position = from;
    let stream = this.#watch(position);
    try {
      for (;;) {
        signal.throwIfAborted();
        const change = await stream.tryNext();
        if (change === null) {
          // The token of the empty answer: the oplog may move on although nothing here changes
          const token: unknown = stream.resumeToken;
          if (token !== null && token !== undefined) position = moved(position, token);
          giveUpAt ??= Date.now() + catchUpMs;
          if (until === null || (timeOf(token) ?? until) >= until || Date.now() > giveUpAt || late()) break;
          continue;
        }
        if (change.operationType === 'invalidate') {
          position = tokenPosition(change._id, true);
          yield chunker.take(encodeStream(name, { position }));
          await stream.close();
          stream = this.#watch(position);
          continue;
        }
        const document = documentOf(change, name);
        if (document !== null) {
          if (chunker.full(document.length)) yield chunker.take(encodeStream(name, { position }));
          if (this.#columns.learn(document)) {
            const boundary = encodeStream(name, { position });
            if (!chunker.empty) yield chunker.take(boundary);
            yield this.#changedColumns(boundary);
            return;
          }
          chunker.add(this.#columns.row(document), document.length, operations[change.operationType] ?? Operation.update);
        }
        position = tokenPosition(change._id, false);
        if (until !== null && change.clusterTime instanceof Timestamp && change.clusterTime.toBigInt() > until) break;
        if (late()) break;
      }
    } finally {
      await stream.close();
    }
    yield chunker.take(encodeStream(name, { position }));
  }

  /** Time of the last operation that the server knows; null where it does not say. */
  async #clusterTime(): Promise<bigint | null> {
    const { operationTime } = await this.#session.db.command({ ping: 1 }, { promoteValues: false });
    return operationTime instanceof Timestamp ? operationTime.toBigInt() : null;
  }

  #watch(position: StreamPosition | null): ChangeStream<Document, Change> {
    const from: ChangeStreamOptions =
      position === null
        ? {}
        : 'clusterTime' in position
          ? { startAtOperationTime: new Timestamp(BigInt(position.clusterTime)) }
          : { [position.startAfter ? 'startAfter' : 'resumeAfter']: BSON.EJSON.deserialize(position.token as Document, { relaxed: false }) };
    return this.#collection.watch(withoutUnused, { fullDocument: 'updateLookup', maxAwaitTimeMS: awaitMs, ...exactTypes, ...from });
  }

  #changedColumns(boundary: string): Chunk {
    this.#columns.settle();
    return { kind: 'rows', rows: [], bytes: 0, boundary, schema: this.#columns.schema };
  }
}

const operations: Readonly<Record<string, Operation>> = {
  insert: Operation.insert,
  update: Operation.update,
  replace: Operation.update,
  delete: Operation.delete,
};

function tokenPosition(token: unknown, startAfter: boolean): StreamPosition {
  return { token: BSON.EJSON.serialize(token as Document, { relaxed: false }), startAfter };
}

/** After an invalidate event the first token may still be that event's own, with which only `startAfter` goes on. */
function moved(position: StreamPosition, token: unknown): StreamPosition {
  const next = tokenPosition(token, false);
  const same = 'token' in position && 'token' in next && JSON.stringify(position.token) === JSON.stringify(next.token);
  return same ? position : next;
}

function idText(document: Buffer): string {
  for (const { name, type, bytes, at } of elements(document)) if (name === '_id') return jsonAt(type, bytes, at);
  return 'null';
}

/** The document after the change, or the key of a deleted one. Null for events without a row: an update whose document is gone (its delete follows), a drop or a rename (an invalidate follows). */
function documentOf(change: Change, collection: string): Buffer | null {
  switch (change.operationType) {
    case 'insert':
    case 'replace':
    case 'update': {
      const { fullDocument } = change;
      // Every document has an _id: one that was looked up and has none is gone as well
      if (fullDocument === null || fullDocument?._id === undefined) return null;
      refuseInvalidDates(fullDocument, collection, fullDocument._id);
      return Buffer.from(BSON.serialize(fullDocument));
    }
    case 'delete':
      return Buffer.from(BSON.serialize({ _id: change.documentKey._id }));
    default:
      return null;
  }
}

/** The driver has made an invalid Date of a moment past 275,000 years, and would write it as 1970. */
function refuseInvalidDates(value: unknown, collection: string, id: unknown): void {
  if (value instanceof Date && Number.isNaN(value.getTime()))
    throw new SyncError(
      'ROW_MALFORMED',
      `A changed document of ${collection} (_id ${String(id)}) holds a moment more than 275,000 years away, which the driver cannot read. Change the document.`,
      {
        table: collection,
        key: String(id),
      },
    );
  if (Array.isArray(value)) for (const item of value) refuseInvalidDates(item, collection, id);
  else if (typeof value === 'object' && value !== null && !('_bsontype' in value) && !(value instanceof Date))
    for (const item of Object.values(value)) refuseInvalidDates(item, collection, id);
}
