import type { ClientSession, Collection, Document } from 'mongodb';
import { SyncError } from '../../errors.ts';
import type { Batch, Chunk, Claim, Committed, DestinationState, RowChunk, Writer } from '../connector.ts';
import type { Session } from './client.ts';
import { mongoError, serverCode } from './errors.ts';
import { type Encoded, equal, type OperationOptions, Operations } from './operations.ts';
import { swapStage } from './stage.ts';
import { fencedError, type StateStore } from './state.ts';
import { Transactions } from './transaction.ts';

export interface WriterOptions {
  readonly session: Session;
  readonly state: StateStore;
  readonly claim: Claim;
  readonly committed: DestinationState;
  readonly operations: OperationOptions;
  /** Collection that takes the rows first with write mode `replace`. */
  readonly stage: string | null;
  /** Keys that are there are looked up before a row is taken: `insert` with `onError: deadLetter`. */
  readonly checkKeys: boolean;
}

const duplicateKey = 11_000;
/** Rows of one request: the driver makes several objects of each, and the request as a whole before it is sent. */
const requestRows = 1_000;

interface Counts {
  readonly written: number;
  readonly deleted: number;
}

/**
 * A batch is held as rows until its commit and written in one go: a transaction is open for as long as the writes take (the server ends it after 60 s), and may be tried again from memory.
 */
export class MongodbWriter implements Writer {
  readonly pipelined = true;
  readonly #o: WriterOptions;
  readonly #target: Collection<Document>;
  readonly #transactions: Transactions;
  readonly #operations: Operations;
  /** Says of each row whether it can be written before any of the batch is. */
  readonly #check: Operations;
  #committed: DestinationState;
  #batch: RowChunk[] = [];
  /** Keys of the batch, where they are looked at. */
  #keys = new Set<string>();
  /** What was sent last, to name the row that failed. */
  #sent: readonly Encoded[] = [];
  #broken = false;

  constructor(options: WriterOptions) {
    this.#o = options;
    this.#committed = options.committed;
    this.#operations = new Operations(options.operations);
    this.#check = new Operations(options.operations);
    this.#transactions = new Transactions(options.session.client);
    this.#target = options.session.db.collection(options.stage ?? options.operations.collection, { ignoreUndefined: false });
  }

  get committed(): DestinationState {
    return this.#committed;
  }

  async write(chunk: Chunk): Promise<void> {
    this.#usable();
    try {
      const rows = rowsOf(chunk);
      this.#check.encode(rows);
      this.#batch.push(rows);
    } catch (error) {
      this.#break();
      throw error;
    }
  }

  /** Nothing is written before the commit, so what does not pass leaves the batch as it was. */
  async attempt(chunk: RowChunk): Promise<void> {
    this.#usable();
    const encoded = this.#check.encode(chunk);
    if (this.#o.checkKeys) await this.#refuseKnownKeys(encoded);
    this.#batch.push(chunk);
  }

  async commit(batch: Batch): Promise<Committed> {
    this.#usable();
    const { session, claim } = this.#o;
    const writes = this.#batch;
    this.#forget();
    let counts: Counts;
    try {
      counts = await (session.transactions ? this.#commitTransaction(batch, writes) : this.#commitStandalone(batch, writes));
      if (this.#swaps(batch)) await this.#swap();
    } catch (error) {
      this.#break();
      throw this.#failed(error);
    }
    const seq = this.#committed.seq + 1n;
    this.#committed = { epoch: claim.epoch, fence: claim.fence, seq, batchId: batch.batchId, cursor: batch.cursor };
    return { seq, ...counts };
  }

  async discard(): Promise<void> {
    this.#forget();
    this.#broken = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#forget();
  }

  #swaps(batch: Batch): boolean {
    return batch.final === true && this.#o.stage !== null;
  }

  async #commitTransaction(batch: Batch, writes: readonly RowChunk[]): Promise<Counts> {
    const { claim, operations, state } = this.#o;
    const counts = await this.#transactions.run({
      collection: operations.collection,
      attempt: async (session) => {
        // First, so that two writers meet here and not after the rows
        if (!(await state.advance(claim, { seq: this.#committed.seq, batch, swap: this.#swaps(batch) }, { session }))) return null;
        const applied = await this.#apply(writes, session);
        await state.storeLetters(claim.sync, batch, { session });
        return applied;
      },
      stored: async () => (await state.read(claim, { lasting: true }))?.state.batchId === batch.batchId,
    });
    if (counts === null) throw fencedError(claim, operations.collection);
    return counts;
  }

  /** Without transactions: the fence is looked at, rows go in by key, and the position moves last. A batch that was cut short is written again, to the same end. */
  async #commitStandalone(batch: Batch, writes: readonly RowChunk[]): Promise<Counts> {
    const { claim, operations, state } = this.#o;
    const { seq } = this.#committed;
    if (!(await state.holds(claim, seq))) throw fencedError(claim, operations.collection);
    const counts = await this.#apply(writes);
    await state.storeLetters(claim.sync, batch, {});
    try {
      if (!(await state.advance(claim, { seq, batch, swap: this.#swaps(batch) }, {}))) throw fencedError(claim, operations.collection);
    } catch (error) {
      if (error instanceof SyncError) throw error;
      // The reply may be lost although it is stored
      if ((await state.read(claim))?.state.batchId !== batch.batchId) throw error;
    }
    return counts;
  }

  async #apply(writes: readonly RowChunk[], transaction?: ClientSession): Promise<Counts> {
    const counts = { written: 0, deleted: 0 };
    let request: Encoded[] = [];
    const flush = async (): Promise<void> => {
      await this.#send(request, transaction);
      for (const { deleted } of request) counts[deleted ? 'deleted' : 'written']++;
      request = [];
    };
    for (const { rows, operations, ...chunk } of writes) {
      for (let from = 0; from < rows.length; from += requestRows) {
        const to = from + requestRows;
        const some = operations === undefined ? {} : { operations: operations.subarray(from, to) };
        request.push(...this.#operations.encode({ ...chunk, rows: rows.slice(from, to), ...some }));
        if (request.length >= requestRows) await flush();
      }
    }
    await flush();
    return counts;
  }

  async #send(writes: readonly Encoded[], transaction?: ClientSession): Promise<void> {
    if (writes.length === 0) return;
    this.#sent = writes;
    const result = await this.#target.bulkWrite(
      writes.map(({ operation }) => operation),
      { ordered: true, ...(transaction === undefined ? { writeConcern: { w: 'majority', j: true } } : { session: transaction }) },
    );
    const wanted = writes.filter(({ deleted }) => !deleted).length;
    const taken = result.insertedCount + result.upsertedCount + result.matchedCount;
    // Marks of deleted rows count as matched where the row was there
    if (taken < wanted)
      throw new SyncError('ROWS_UNACCOUNTED', `${this.#o.operations.collection} took ${taken} of ${wanted} rows.`, { table: this.#o.operations.collection });
  }

  async #swap(): Promise<void> {
    const { session, stage, operations, state, claim } = this.#o;
    if (stage === null) return;
    await swapStage(session.db, stage, operations.collection);
    await state.setStage(claim, { from: stage, to: null });
  }

  async #refuseKnownKeys(encoded: readonly Encoded[]): Promise<void> {
    const { collection } = this.#o.operations;
    const taken = new Set(this.#keys);
    for (const { key, keyText, deleted } of encoded) {
      if (key === null || deleted) continue;
      const known = taken.has(keyText) || (await this.#target.findOne(equal(key), { projection: { _id: 1 } })) !== null;
      if (known) throw new SyncError('ROW_REJECTED', `${collection} has the key ${keyText} already.`, { table: collection, key: keyText });
      taken.add(keyText);
    }
    this.#keys = taken;
  }

  #failed(error: unknown): unknown {
    const { collection } = this.#o.operations;
    const index = typeof error === 'object' && error !== null && 'index' in error && typeof error.index === 'number' ? error.index : firstIndex(error);
    const key = index === null ? undefined : this.#sent[index]?.keyText;
    const what = `write ${serverCode(error) === duplicateKey && key !== undefined ? `the row with key ${key} ` : ''}to ${collection}`;
    return mongoError(error, what, { table: collection, ...(key === undefined ? {} : { key }) });
  }

  #usable(): void {
    if (this.#broken)
      throw new SyncError('INTERNAL', `${this.#o.operations.collection}: the writer was used after an error without a discard.`, {
        table: this.#o.operations.collection,
      });
  }

  #forget(): void {
    this.#batch = [];
    this.#keys = new Set();
  }

  #break(): void {
    this.#forget();
    this.#broken = true;
  }
}

/** Place in the batch of the write that failed first. */
function firstIndex(error: unknown): number | null {
  const failures = typeof error === 'object' && error !== null && 'writeErrors' in error ? error.writeErrors : null;
  const first: unknown = Array.isArray(failures) ? failures[0] : failures;
  return typeof first === 'object' && first !== null && 'index' in first && typeof first.index === 'number' ? first.index : null;
}

function rowsOf(chunk: Chunk): RowChunk {
  if (chunk.kind === 'rows') return chunk;
  throw new SyncError('INTERNAL', 'MongoDB speaks no raw format.');
}
