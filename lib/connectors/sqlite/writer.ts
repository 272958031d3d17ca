import { isRowError, SyncError } from '../../errors.ts';
import type { Batch, Chunk, Claim, Committed, DestinationState, RowChunk, Writer } from '../connector.ts';
import { fencedError, readState, type StateStatements } from '../sql/state.ts';
import { type Database, retryBusy, type Statements } from './database.ts';
import { droppedRows, sqliteError } from './errors.ts';
import { createStage, swap } from './stage.ts';
import { type RowCounts, TableWriter, type TableWriterOptions } from './table-writer.ts';

export interface WriterOptions {
  readonly database: Database;
  readonly statements: Statements;
  readonly state: StateStatements;
  readonly claim: Claim;
  readonly committed: DestinationState;
  /** The target's; `stage` is where rows go first with write mode `replace`. */
  readonly table: TableWriterOptions;
  readonly stage: string | null;
}

/** One transaction for each batch on the destination's only connection: SQLite has one writer at a time. */
export class SqliteWriter implements Writer {
  readonly pipelined = false;
  readonly #o: WriterOptions;
  readonly #rows: TableWriter;
  #committed: DestinationState;
  #counts: RowCounts = { written: 0, deleted: 0 };
  /** Rows of the open batch that came in. */
  #taken = 0;
  #open = false;
  /** After an error the batch is not whole: nothing of it may be committed. */
  #broken = false;

  constructor(options: WriterOptions) {
    this.#o = options;
    this.#committed = options.committed;
    this.#rows = new TableWriter(options.database, options.stage === null ? options.table : { ...options.table, table: options.stage, resolves: false });
  }

  get committed(): DestinationState {
    return this.#committed;
  }

  async write(chunk: Chunk): Promise<void> {
    await this.#guard('write', async () => {
      await this.#begin();
      const { rows, operations } = rowsOf(chunk);
      this.#taken += rows.length;
      await this.#rows.apply(rows, operations, this.#counts);
    });
  }

  async attempt(chunk: RowChunk): Promise<void> {
    const { database } = this.#o;
    const before = { ...this.#counts };
    let failure: unknown;
    await this.#guard('write', async () => {
      await this.#begin();
      database.exec('SAVEPOINT idra_attempt');
      try {
        await this.#rows.apply(chunk.rows, chunk.operations, this.#counts);
        this.#taken += chunk.rows.length;
      } catch (error) {
        if (!isRowError(error)) throw error;
        failure = error;
        this.#counts = before;
        database.exec('ROLLBACK TO idra_attempt');
      }
      database.exec('RELEASE idra_attempt');
    });
    if (failure !== undefined) throw failure;
  }

  async commit(batch: Batch): Promise<Committed> {
    const { database, statements, state, claim, table, stage } = this.#o;
    const { seq } = this.#committed;
    await this.#guard('commit', async () => {
      await this.#begin();
      this.#account();
      for (const letter of batch.deadLetters ?? []) statements.run(state.insertDeadLetter(claim.sync, letter));
      for (const id of batch.resolved ?? []) statements.run(state.deleteDeadLetter(claim.sync, id));
      if (batch.final === true && stage !== null) await swap(database, statements, { stage, table });
      if (statements.run(state.advance(claim, seq, batch)) !== 1) throw fencedError(claim, table.title);
      await this.#commitTransaction(batch);
    });
    const { epoch, fence } = claim;
    this.#committed = { epoch, fence, seq: seq + 1n, batchId: batch.batchId, cursor: batch.cursor };
    const done: Committed = { seq: seq + 1n, ...this.#counts };
    this.#reset();
    return done;
  }

  async discard(): Promise<void> {
    const { database } = this.#o;
    if (database.open && database.inTransaction) database.exec('ROLLBACK');
    this.#reset();
    this.#broken = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }

  #reset(): void {
    this.#counts = { written: 0, deleted: 0 };
    this.#taken = 0;
    this.#open = false;
  }

  /** Before the position passes them. */
  #account(): void {
    const { written, deleted } = this.#counts;
    if (written + deleted !== this.#taken) throw droppedRows(this.#o.table.title, { taken: written + deleted, of: this.#taken });
  }

  async #begin(): Promise<void> {
    const { database, stage, table } = this.#o;
    if (this.#open) return;
    await retryBusy(() => database.exec('BEGIN IMMEDIATE'));
    this.#open = true;
    if (stage !== null) createStage(database, stage, table);
  }

  /** Readers of a file with a rollback journal keep COMMIT waiting; the transaction stays as it is meanwhile. */
  async #commitTransaction(batch: Batch): Promise<void> {
    const { database, statements, state, claim } = this.#o;
    try {
      await retryBusy(() => database.exec('COMMIT'));
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK');
      // A failed sync leaves open whether it was stored: the file says
      const stored = statements.first(state.select(claim.sync, claim.shard));
      if (stored === undefined || readState(stored).batchId !== batch.batchId) throw error;
    }
  }

  async #guard(what: string, work: () => Promise<void>): Promise<void> {
    if (this.#broken)
      throw new SyncError('INTERNAL', `${this.#o.table.title}: the writer was used after an error without a discard.`, { table: this.#o.table.title });
    try {
      await work();
    } catch (error) {
      await this.discard();
      this.#broken = true;
      throw sqliteError(error, `${what} to ${this.#o.table.title}`, { table: this.#o.table.title });
    }
  }
}

function rowsOf(chunk: Chunk): RowChunk {
  if (chunk.kind === 'rows') return chunk;
  throw new SyncError('INTERNAL', 'SQLite speaks no raw format.');
}
