import { isRowError, SyncError } from '../../errors.ts';
import type { Batch, Chunk, Claim, Committed, DestinationState, RowChunk, Writer } from '../connector.ts';
import { fencedError, type StateStatements } from '../sql/state.ts';
import { endsConnection, mysqlError } from './errors.ts';
import type { Lane } from './lane.ts';

export interface WriterParts {
  readonly claim: Claim;
  readonly committed: DestinationState;
  readonly statements: StateStatements;
  /** Of the target, for messages. */
  readonly table: string;
  /** The same one twice where a second session is not wanted. */
  readonly lanes: readonly [Lane, Lane];
  /** A connection in the place of one that is gone. */
  readonly reopen: (index: number) => Promise<Lane>;
  /** The stored state, read once no transaction holds it. */
  readonly readState: (lane: Lane) => Promise<DestinationState | null>;
  /** The stored state as it stands. */
  readonly stored: () => Promise<DestinationState | null>;
  /** The target's own rows are loaded: see `Sink.direct`. */
  readonly direct: boolean;
  readonly final: readonly string[];
}

/**
 * Two connections in turn (or the same one, without the overlap): while one finishes and commits batch n, rows of n+1 go to the other.
 *
 * No deadlock between the two: where rows go straight into the target, the second begins when the first has only its state row and COMMIT left, which the second never touches before its own commit; otherwise
 * the second loads a table that only it can see.
 */
export class MysqlWriter implements Writer {
  readonly pipelined: boolean;
  readonly #parts: WriterParts;
  readonly #lanes: [Lane, Lane];
  #current = 0;
  #committed: DestinationState;
  /** Settles when the batch before has all its rows in place. */
  #applied: Promise<unknown> = Promise.resolve();

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.pipelined = parts.lanes[0] !== parts.lanes[1];
    this.#lanes = [...parts.lanes];
    this.#committed = parts.committed;
  }

  get committed(): DestinationState {
    return this.#committed;
  }

  async write(chunk: Chunk): Promise<void> {
    const lane = this.#lane();
    try {
      await this.#begin(lane);
      await lane.write(rowsOf(chunk));
    } catch (error) {
      throw await this.#error(error, lane);
    }
  }

  async attempt(chunk: RowChunk): Promise<void> {
    const lane = this.#lane();
    try {
      await this.#begin(lane);
      await lane.attempt(chunk);
    } catch (error) {
      throw await this.#error(error, lane);
    }
  }

  async commit(batch: Batch): Promise<Committed> {
    const index = this.#current;
    const lane = this.#lane();
    this.#current = 1 - index;
    const before = this.#applied;
    const applied = Promise.withResolvers<void>();
    this.#applied = applied.promise;
    const seq = this.#committed.seq + 1n;
    let counts = { written: 0, deleted: 0 };
    try {
      await before;
      await lane.begin();
      await lane.flush();
      if (batch.final === true) for (const sql of this.#parts.final) await lane.run({ sql, params: [] });
      counts = { written: lane.written, deleted: lane.deleted };
      applied.resolve();
      await this.#record(lane, batch);
    } catch (error) {
      applied.resolve();
      const reason = await this.#error(error, lane);
      await lane.rollback().catch(() => undefined);
      throw reason;
    }
    try {
      await lane.commit();
    } catch (error) {
      if (!lane.session.lost) throw await this.#error(error, lane);
      await this.#afterLostCommit(index, batch);
    }
    const { claim } = this.#parts;
    this.#committed = { epoch: claim.epoch, fence: claim.fence, seq, batchId: batch.batchId, cursor: batch.cursor };
    return { seq, ...counts };
  }

  async discard(): Promise<void> {
    this.#applied = Promise.resolve();
    for (const lane of this.#lanes) {
      try {
        await lane.rollback();
      } catch (error) {
        // A connection that is gone has rolled back with it
        if (!lane.session.lost) throw await this.#error(error, lane);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lane of this.#lanes) {
      // What is open rolls back with its connection; a load in its middle could be ended in no other way at once
      if (lane.isOpen) lane.session.destroy();
      else await lane.session[Symbol.asyncDispose]();
    }
  }

  async #begin(lane: Lane): Promise<void> {
    if (this.#parts.direct) await this.#applied;
    await lane.begin();
  }

  /** State row, dead letters: what stands in the same transaction as the rows. */
  async #record(lane: Lane, batch: Batch): Promise<void> {
    const { claim, statements, table } = this.#parts;
    for (const letter of batch.deadLetters ?? []) await lane.run(statements.insertDeadLetter(claim.sync, letter));
    for (const id of batch.resolved ?? []) await lane.run(statements.deleteDeadLetter(claim.sync, id));
    if ((await lane.run(statements.advance(claim, this.#committed.seq, batch))) !== 1) throw fencedError(claim, table);
  }

  /** The server may have committed or not: a locking read waits for it to be decided. */
  async #afterLostCommit(index: number, batch: Batch): Promise<void> {
    const { table, claim } = this.#parts;
    const again = (found: string): SyncError =>
      new SyncError('CONNECTION_FAILED', `The connection was lost while a batch for ${table} was being committed, and ${found}.`, {
        table,
        sync: claim.sync,
        retry: 'now',
      });
    let state: DestinationState | null;
    try {
      const lane = await this.#parts.reopen(index);
      if (this.pipelined) this.#lanes[index] = lane;
      else this.#lanes.fill(lane);
      state = await this.#parts.readState(lane);
    } catch (error) {
      throw endsConnection(error)
        ? again('once more while asking whether it is there: the next attempt finds out')
        : mysqlError(error, { doing: `Asking ${table} for its state`, table, sync: claim.sync, lost: true });
    }
    if (state?.batchId !== batch.batchId) throw again('the batch is not there: it is written again');
  }

  #lane(): Lane {
    return this.#lanes[this.#current] as Lane;
  }

  async #error(error: unknown, lane: Lane): Promise<SyncError> {
    const { table, claim } = this.#parts;
    if (!lane.session.lost || isRowError(error) || (error instanceof SyncError && error.code === 'FENCED'))
      return mysqlError(error, { doing: `Writing ${table}`, table, sync: claim.sync, rows: true });
    // A newer holder ends the connections of the older one: then this is no fault of the network
    const stored = await this.#parts.stored().catch(() => null);
    const superseded = claim.enforced && stored !== null && (stored.epoch > claim.epoch || (stored.epoch === claim.epoch && stored.fence > claim.fence));
    if (superseded) return fencedError(claim, table);
    return new SyncError('CONNECTION_FAILED', `The connection was lost while ${table} was being written.`, { table, sync: claim.sync, retry: 'now' });
  }
}

function rowsOf(chunk: Chunk): RowChunk {
  if (chunk.kind === 'rows') return chunk;
  throw new SyncError('INTERNAL', 'MySQL takes no raw format.');
}
