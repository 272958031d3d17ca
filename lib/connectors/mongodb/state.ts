/** `_idra_state` and `_idra_dead_letters`: the destination's own record of each sync, one document for each sync and shard. */
import { createHash, randomUUID } from 'node:crypto';
import { type ClientSession, type Collection, type Db, type Document, type Filter, Long, type MatchKeysAndValues } from 'mongodb';
import { SyncError } from '../../errors.ts';
import type { Batch, Claim, DeadLetter, DestinationState, StoredDeadLetter } from '../connector.ts';

export const stateCollection = '_idra_state';
export const deadLetterCollection = '_idra_dead_letters';

interface StateDocument {
  readonly _id: string;
  readonly sync: string;
  readonly shard: string;
  readonly epoch: Long;
  readonly fence: Long;
  readonly seq: Long;
  readonly batchId: string | null;
  readonly cursor: string | null;
  readonly at: Date;
  /** Another one for each claim. */
  readonly claimId?: string;
  /** Collection in which a `replace` gathers its rows. */
  readonly stage?: string | null;
  /** The stage is complete and committed, and has to take the target's place. */
  readonly swap?: boolean;
}

export interface Stored {
  readonly state: DestinationState;
  readonly stage: string | null;
  readonly swap: boolean;
}

interface LetterDocument extends Omit<DeadLetter, never> {
  readonly _id: string;
  readonly sync: string;
  readonly at: Date;
  /** Within its batch: of several rows of one key the last is replayed last. */
  readonly order?: number;
}

export interface Place {
  readonly sync: string;
  readonly shard: string;
}

export interface InTransaction {
  readonly session?: ClientSession;
}

const keyOf = ({ sync, shard }: Place): string => JSON.stringify([sync, shard]);
/** Integers as they are: beyond 2^53 a number would change them. */
const exact = { promoteLongs: false } as const;
/** Wait for the majority to confirm what is read. */
const lastingMs = 10_000;
const majority = { writeConcern: { w: 'majority' as const, j: true } };

export class StateStore {
  readonly #states: Collection<StateDocument>;
  readonly #letters: Collection<LetterDocument>;

  constructor(db: Db) {
    this.#states = db.collection(stateCollection);
    this.#letters = db.collection(deadLetterCollection);
  }

  /** `lasting`: what no election can take back any more; needs a replica set, and waits for its majority. */
  async read(place: Place, { lasting = false }: { readonly lasting?: boolean } = {}): Promise<Stored | null> {
    const surely = lasting ? { readConcern: { level: 'linearizable' as const }, maxTimeMS: lastingMs } : {};
    const found = await this.#states.findOne({ _id: keyOf(place) }, { ...exact, ...surely, readPreference: 'primary' });
    return found === null ? null : storedOf(found);
  }

  /** Waits, in the server, for an open transaction that has changed the document. Throws `FENCED` where a newer holder has claimed. */
  async claim(claim: Claim, collection: string): Promise<Stored> {
    const _id = keyOf(claim);
    const { sync, shard, enforced } = claim;
    const [epoch, fence] = [Long.fromBigInt(claim.epoch), Long.fromBigInt(claim.fence)];
    const first = { sync, shard, epoch: Long.ZERO, fence: Long.ZERO, seq: Long.ZERO, batchId: null, cursor: null, at: new Date() };
    await this.#states.updateOne({ _id }, { $setOnInsert: first }, { upsert: true, ...majority });
    const older: Filter<StateDocument> = { $or: [{ epoch: { $lt: epoch } }, { epoch, fence: { $lte: fence } }] };
    const claimed = await this.#states.findOneAndUpdate(
      { _id, ...(enforced ? older : {}) },
      // A claim by the same fence changes something as well: an update that changes nothing would not wait
      { $set: { epoch, fence, claimId: randomUUID() } },
      { ...exact, ...majority, returnDocument: 'after' },
    );
    if (claimed === null) throw fencedError(claim, collection);
    return storedOf(claimed);
  }

  /** Whether the document is still as this writer left it. */
  async holds(claim: Claim, seq: bigint): Promise<boolean> {
    return (await this.#states.findOne(this.#mine(claim, seq), { projection: { _id: 1 }, readPreference: 'primary' })) !== null;
  }

  /** In the transaction of the rows where there is one. False: not exactly one document changed. */
  async advance(claim: Claim, next: { readonly seq: bigint; readonly batch: Batch; readonly swap: boolean }, { session }: InTransaction): Promise<boolean> {
    const { seq, batch, swap } = next;
    const set = { seq: Long.fromBigInt(seq + 1n), batchId: batch.batchId, cursor: batch.cursor, at: new Date(), swap };
    const { matchedCount } = await this.#states.updateOne(this.#mine(claim, seq), { $set: set }, session === undefined ? majority : { session });
    return matchedCount === 1;
  }

  /** The stage that a pass writes to, null for none; `swap` ends with it. False: a newer holder has claimed, or another stage has come up since. */
  async setStage(claim: Claim, stage: { readonly from: string | null; readonly to: string | null }): Promise<boolean> {
    return this.#change(claim, { stage: stage.to, swap: false }, stage.from === null ? {} : { stage: stage.from });
  }

  /** The position is gone with what was staged, and the sync reads from its beginning; `seq` goes on. False where a newer holder has claimed. */
  async forgetCursor(claim: Claim): Promise<boolean> {
    return this.#change(claim, { cursor: null });
  }

  /** For `clear`: the sync begins anew, and its fence stays so that a zombie is still refused. False where a newer holder has claimed. */
  async forget(claim: Claim): Promise<boolean> {
    return this.#change(claim, { seq: Long.ZERO, batchId: null, cursor: null, stage: null, swap: false });
  }

  /** Ids come from the content: the same letter stored twice is one. */
  async storeLetters(sync: string, batch: Batch, { session }: InTransaction): Promise<void> {
    const { deadLetters = [], resolved = [] } = batch;
    const options = session === undefined ? majority : { session };
    if (deadLetters.length > 0) {
      const at = new Date();
      await this.#letters.bulkWrite(
        deadLetters.map((letter, order) => {
          const { place, code, reason, row, kind } = letter;
          const _id = createHash('sha256')
            .update(JSON.stringify([sync, place, code, reason, row, kind]))
            .digest('hex')
            .slice(0, 32);
          // JSON text escapes what UTF-8 cannot hold
          const document = { sync, place: place.toWellFormed(), code, reason: reason.toWellFormed(), row: JSON.stringify(row), kind, at, order };
          return { updateOne: { filter: { _id }, update: { $set: document }, upsert: true } };
        }),
        options,
      );
    }
    if (resolved.length > 0) await this.#letters.deleteMany({ sync, _id: { $in: [...resolved] } }, options);
  }

  async letters(sync: string): Promise<StoredDeadLetter[]> {
    const found = await this.#letters.find({ sync }, { sort: { at: 1, order: 1, _id: 1 } }).toArray();
    return found.map(({ _id, place, code, reason, row, kind, at }) => ({
      id: _id,
      sync,
      place,
      code,
      reason,
      row: JSON.parse(row),
      kind,
      at: at.toISOString(),
    }));
  }

  /** Both made before the first transaction, in which older servers make no collections. */
  async create(db: Db): Promise<void> {
    const there = new Set(
      (await db.listCollections({ name: { $in: [stateCollection, deadLetterCollection] } }, { nameOnly: true }).toArray()).map(({ name }) => name),
    );
    for (const name of [stateCollection, deadLetterCollection]) if (!there.has(name)) await db.createCollection(name);
    await this.#letters.createIndex({ sync: 1, at: 1 });
  }

  /** Under this claim; false: a newer holder has claimed, or `and` is not so any more. */
  async #change(claim: Claim, set: MatchKeysAndValues<StateDocument>, and: Filter<StateDocument> = {}): Promise<boolean> {
    const { epoch, fence, enforced } = claim;
    const held = enforced ? { epoch: Long.fromBigInt(epoch), fence: Long.fromBigInt(fence) } : {};
    const { matchedCount } = await this.#states.updateOne({ _id: keyOf(claim), ...held, ...and }, { $set: set }, majority);
    return matchedCount === 1;
  }

  #mine(claim: Claim, seq: bigint): Filter<StateDocument> {
    const _id = keyOf(claim);
    return claim.enforced ? { _id, epoch: Long.fromBigInt(claim.epoch), fence: Long.fromBigInt(claim.fence), seq: Long.fromBigInt(seq) } : { _id };
  }
}

function storedOf(document: Document): Stored {
  const { epoch, fence, seq, batchId, cursor, stage, swap } = document;
  const int = (value: unknown): bigint => BigInt(String(value));
  const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);
  return {
    state: { epoch: int(epoch), fence: int(fence), seq: int(seq), batchId: text(batchId), cursor: text(cursor) },
    stage: text(stage),
    swap: swap === true,
  };
}

/** `claim` found a newer holder, or `advance` did not change exactly one document. */
export function fencedError(claim: Claim, table: string): SyncError {
  return new SyncError('FENCED', `Another run has claimed ${table} for sync ${claim.sync} since fence ${claim.fence}: this run writes nothing more.`, {
    sync: claim.sync,
    table,
  });
}
