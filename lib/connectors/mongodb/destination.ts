import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import type { Schema, Value } from '../../values/types.ts';
import type { Claim, Destination, DestinationRequest, DestinationState, StoredDeadLetter, Target, Writer } from '../connector.ts';
import { BsonType, elements } from './bson-reader.ts';
import { connect, type MongodbConnection, type Session } from './client.ts';
import { type EncodeOptions, encoderFor } from './encode.ts';
import { mongoError } from './errors.ts';
import type { OperationOptions } from './operations.ts';
import { createStage, dropStage, freshStageName, swapStage } from './stage.ts';
import { fencedError, StateStore, type Stored } from './state.ts';
import { inspect, make } from './target.ts';
import { inferred, readValue } from './types.ts';
import { MongodbWriter } from './writer.ts';

export interface DestinationOptions extends EncodeOptions {
  readonly collection: string;
}

const numberKinds: ReadonlySet<string> = new Set(['int32', 'int64', 'uint64', 'decimal', 'float64']);

export class MongodbDestination implements Destination {
  readonly system = 'mongodb';
  readonly ordersUuids = true;
  readonly #connection: MongodbConnection;
  readonly #request: DestinationRequest;
  readonly #options: DestinationOptions;
  #session: Promise<Session> | null = null;
  #schema: Schema | null = null;

  constructor(connection: MongodbConnection, request: DestinationRequest) {
    this.#connection = connection;
    this.#request = request;
    this.#options = request.options as DestinationOptions;
  }

  state(): Promise<DestinationState | null> {
    return this.#doing('read the state of', async (_session, state) => (await state.read(this.#request))?.state ?? null);
  }

  prepare(schema: Schema, { dryRun = false }: { readonly dryRun?: boolean } = {}): Promise<Target> {
    const { collection } = this.#options;
    return this.#doing('prepare', async (session, state) => {
      const found = await inspect(session.db, schema, { request: this.#request, collection, transactions: session.transactions });
      const columns = schema.columns.map((column) => ({ ...column, native: { system: 'mongodb', type: encoderFor(column, this.#options).type } }));
      if (!dryRun) {
        await state.create(session.db);
        if (!found.existed) await make(session.db, schema, collection);
        this.#schema = schema;
      }
      return { schema: { name: collection, columns, key: schema.key }, ...found };
    });
  }

  open(target: Target, claim: Claim): Promise<Writer> {
    const { collection } = this.#options;
    const { write, deletes, softDeleteColumn, onError } = this.#request;
    const schema = this.#schema;
    if (schema === null) throw new SyncError('INTERNAL', `${target.schema.name} was opened before it was prepared.`);
    return this.#doing('claim', async (session, state) => {
      const stored = await state.claim(claim, collection);
      const { stage, committed } = await this.#stage({ session, state, claim, stored });
      const plain = write === 'insert' && session.transactions;
      const byKey = plain || schema.key.length === 0 ? 'insert' : 'upsert';
      const operations: OperationOptions = { ...this.#options, schema, write: byKey, deletes, softDeleteColumn };
      return new MongodbWriter({ session, state, claim, committed, operations, stage, checkKeys: plain && onError === 'deadLetter' });
    });
  }

  /** Documents whose first field is null or missing do not count. */
  max(columns: readonly string[]): Promise<readonly Value[] | null> {
    const { collection } = this.#options;
    return this.#doing('find the largest value of', async ({ db }) => {
      const [first = '_id'] = columns;
      const sort = Object.fromEntries(columns.map((name) => [name, -1] as const));
      const target = db.collection(collection);
      const [document] = await target.find({ [first]: { $ne: null } }, { sort, limit: 1, raw: true, allowDiskUse: true }).toArray();
      for (const column of columns) {
        const there =
          (await target.findOne({}, { projection: { _id: 1 } })) === null ||
          (await target.findOne({ [column]: { $exists: true } }, { projection: { _id: 1 } })) !== null;
        if (!there) throw new SyncError('NOT_FOUND', `No document of ${collection} has a field ${JSON.stringify(column)}.`, { table: collection, column });
      }
      return document === undefined ? null : columns.map((name) => this.#canonical(document as unknown as Buffer, name));
    });
  }

  clear(_target: Target, claim: Claim): Promise<void> {
    const { collection } = this.#options;
    return this.#doing('empty', async ({ db }, state) => {
      const stage = (await state.read(this.#request))?.stage ?? null;
      // Without its position a sync whose clearing breaks off reads everything again
      if (!(await state.forgetCursor(claim))) throw fencedError(claim, collection);
      await db.collection(collection).deleteMany({}, { writeConcern: { w: 'majority' } });
      if (stage !== null) await dropStage(db, stage);
      if (!(await state.forget(claim))) throw fencedError(claim, collection);
    });
  }

  deadLetters(): Promise<StoredDeadLetter[]> {
    return this.#doing('read the dead letters beside', (_session, state) => state.letters(this.#request.sync));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const session = this.#session;
    this.#session = null;
    // A connection that could not be made has told its reason to whoever asked for it
    const open = await session?.catch(() => null);
    await open?.[Symbol.asyncDispose]();
  }

  /** Finishes a swap that was cut short, and gives the stage for this run. A position without the rows staged up to it is worth nothing. */
  async #stage(at: { session: Session; state: StateStore; claim: Claim; stored: Stored }): Promise<{ stage: string | null; committed: DestinationState }> {
    const { session, state, claim, stored } = at;
    const { collection } = this.#options;
    const { db } = session;
    let there = stored.stage;
    if (there !== null && stored.swap) {
      await swapStage(db, there, collection);
      await state.setStage(claim, { from: there, to: null });
      there = null;
    }
    const replace = this.#request.write === 'replace';
    if (replace && there !== null && stored.state.cursor !== null) return { stage: there, committed: stored.state };
    if (!replace) {
      if (there === null) return { stage: null, committed: stored.state };
      // A newer holder may be filling it: it is taken out of the state first, which is refused then
      if (!(await state.setStage(claim, { from: there, to: null }))) throw fencedError(claim, collection);
      await dropStage(db, there);
      return { stage: null, committed: stored.state };
    }
    if (there !== null) await dropStage(db, there);
    if (stored.state.cursor !== null && !(await state.forgetCursor(claim))) throw fencedError(claim, collection);
    const stage = freshStageName({ ...this.#request, collection });
    await createStage(db, stage, collection);
    if (!(await state.setStage(claim, { from: there, to: stage }))) {
      await dropStage(db, stage);
      throw fencedError(claim, collection);
    }
    return { stage, committed: { ...stored.state, cursor: null } };
  }

  #canonical(document: Buffer, name: string): Value {
    const { collection } = this.#options;
    const column = this.#schema?.columns.find((other) => other.name === name);
    const refuse = (why: string): SyncError =>
      new SyncError('UNSUPPORTED', `The largest value of ${collection}.${name} cannot be found: ${why}. Use mode id or timestamp.`, {
        table: collection,
        column: name,
      });
    for (const element of elements(document)) {
      if (element.name !== name) continue;
      const found = inferred(element);
      if (found === null) return null;
      if (element.type === BsonType.string && column !== undefined && numberKinds.has(column.type.kind)) throw refuse('numbers stored as text sort as text');
      if (found.type.kind === 'json') throw refuse('it is no number, text, moment or id');
      if (element.type === BsonType.string && column?.type.kind === 'timestamp' && column.type.zoned)
        throw refuse('zoned timestamps stored as text do not sort by time (timestamps: date stores moments)');
      return toText(readValue(element, found) ?? null, found.type);
    }
    return null;
  }

  async #doing<T>(what: string, work: (session: Session, state: StateStore) => Promise<T>): Promise<T> {
    const { collection } = this.#options;
    try {
      this.#session ??= connect(this.#connection, { primaryOnly: true });
      const session = await this.#session;
      return await work(session, new StateStore(session.db));
    } catch (error) {
      throw mongoError(error, `${what} ${collection}`, { table: collection });
    }
  }
}
