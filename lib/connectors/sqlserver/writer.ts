import { isRowError, SyncError } from '../../errors.ts';
import type { Batch, Chunk, Claim, Committed, DestinationState, RowChunk, Writer } from '../connector.ts';
import { fencedError, type StateStatements } from '../sql/state.ts';
import { errorNumber, sqlserverError } from './errors.ts';
import type { Lane } from './lane.ts';

export interface WriterParts {
  readonly claim: Claim;
  readonly committed: DestinationState;
  readonly statements: StateStatements;
  /** Of the target, for messages. */
  readonly table: string;
  /** The same one twice where a second session is not wanted. */
  readonly lanes: readonly [Lane, Lane];
  /** A session in the place of one that is gone. */
  readonly reopen: () => Promise<Lane>;
  /** Claims once more, which waits for a transaction that is still being committed, and answers what is stored. Throws `FENCED`. */
  readonly claimed: (lane: Lane) => Promise<DestinationState>;
}

/** Two sessions in turn: while batch n goes from its session's own table to the target, rows of n+1 are loaded into the table of the other. */
export class SqlserverWriter implements Writer {
  readonly pipelined: boolean;
  readonly #parts: WriterParts;
  readonly #lanes: [Lane, Lane];
  #current = 0;
  #committed: DestinationState;
  /** Settles when the batch before is committed, or is not. */
  #previous: Promise<unknown> = Promise.resolve();

  constructor(parts: WriterParts) {
    this.#parts = parts;
    this.#lanes = [...parts.lanes];
    this.pipelined = parts.lanes[0] !== parts.lanes[1];
    this.#committed = parts.committed;
  }

  get committed(): DestinationState {
    return this.#committed;
  }

  async write(chunk: Chunk): Promise<void> {
    const lane = this.#lane();
    try {
      await lane.write(rowsOf(chunk));
    } catch (error) {
      throw this.#error(error, lane);
    }
  }

  async attempt(chunk: RowChunk): Promise<void> {
    const lane = this.#lane();
    // Locks on the target are taken here: two batches at once would wait for each other
    await this.#previous;
    try {
      await lane.attempt(chunk);
    } catch (error) {
      throw this.#error(error, lane);
    }
  }

  async commit(batch: Batch): Promise<Committed> {
    const index = this.#current;
    const lane = this.#lane();
    this.#current = 1 - index;
    const over = Promise.withResolvers<void>();
    this.#previous = over.promise;
    try {
      return await this.#commit(batch, index, lane);
    } catch (error) {
      const reason = this.#error(error, lane);
      // What cannot be rolled back has been, with its session
      await lane.rollback().catch(() => lane.session.destroy());
      throw reason;
    } finally {
      over.resolve();
    }
  }

  async discard(): Promise<void> {
    // Nothing can be asked of a session that is committing
    await this.#previous;
    for (const lane of new Set(this.#lanes)) {
      try {
        await lane.rollback();
      } catch (error) {
        // A session that is gone has rolled back with it
        if (!lane.session.lost) throw this.#error(error, lane);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lane of this.#lanes) lane.session.destroy();
    for (const lane of this.#lanes) await lane.session.gone;
  }

  async #commit(batch: Batch, index: number, lane: Lane): Promise<Committed> {
    const { claim, statements, table } = this.#parts;
    const { written, deleted } = lane.counted();
    const seq = this.#committed.seq + 1n;
    const others = [
      ...(batch.deadLetters ?? []).map((letter) => statements.insertDeadLetter(claim.sync, letter)),
      ...(batch.resolved ?? []).map((id) => statements.deleteDeadLetter(claim.sync, id)),
    ];
    try {
      const ours = await lane.commit({ advance: statements.advance(claim, this.#committed.seq, batch), others, final: batch.final === true });
      if (!ours) throw fencedError(claim, table);
    } catch (error) {
      // A refusal is an answer; where the connection went the server may have committed or not
      if (!lane.session.lost || error instanceof SyncError) throw error;
      await this.#afterLostCommit(index, batch);
    }
    this.#committed = { epoch: claim.epoch, fence: claim.fence, seq, batchId: batch.batchId, cursor: batch.cursor };
    return { seq, written, deleted };
  }

  async #afterLostCommit(index: number, batch: Batch): Promise<void> {
    const { reopen, claimed, table } = this.#parts;
    const lane = await reopen();
    if (!this.pipelined) this.#lanes.fill(lane);
    else this.#lanes[index] = lane;
    if ((await claimed(lane)).batchId === batch.batchId) return;
    throw new SyncError(
      'CONNECTION_FAILED',
      `The connection was lost while a batch for ${table} was being committed, and the batch is not there: it is written again.`,
      { table, retry: 'now' },
    );
  }

  #lane(): Lane {
    return this.#lanes[this.#current] as Lane;
  }

  #error(error: unknown, lane: Lane): SyncError {
    const { table, claim } = this.#parts;
    const answered = isRowError(error) || error instanceof SyncError || errorNumber(error) !== undefined;
    if (lane.session.lost && !answered)
      return new SyncError('CONNECTION_FAILED', `The connection was lost while ${table} was being written.`, { table, sync: claim.sync, retry: 'now' });
    return sqlserverError(error, { doing: `Writing ${table}`, table, sync: claim.sync, rows: true });
  }
}

function rowsOf(chunk: Chunk): RowChunk {
  if (chunk.kind === 'rows') return chunk;
  throw new SyncError('INTERNAL', 'SQL Server takes no raw format.');
}
