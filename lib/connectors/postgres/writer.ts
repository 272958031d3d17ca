/** Batches into one table, on two connections in turn: while one commits, the other takes in the next batch. */
import { SyncError } from '../../errors.ts';
import type { Batch, Chunk, Claim, Committed, DestinationState, RowChunk, Writer } from '../connector.ts';
import type { Statement } from '../sql/dialect.ts';
import { fencedError, readState, type StateStatements } from '../sql/state.ts';
import { rowEncoder } from './encoder.ts';
import { droppedRows, keptRows, postgresError, sqlState } from './errors.ts';
import { BatchLost, type CopyTarget, type Lane } from './lane.ts';
import {
  batchTable,
  changesTable,
  createBatchTable,
  createChangesTable,
  deleteFrom,
  keysIn,
  names,
  nullKeyCheck,
  onlyKeys,
  operationColumn,
  referencedQuery,
  replaceStatements,
  upsertFrom,
} from './merge.ts';
import type { EncodedColumn, RowEncoder } from './row-encoder.ts';
import type { Session } from './session.ts';
import type { PreparedTable } from './target-table.ts';

export interface WriterSetup {
  readonly table: PreparedTable;
  readonly claim: Claim;
  readonly committed: DestinationState;
  readonly statements: StateStatements;
  readonly upsert: boolean;
  readonly ignoreDeletes: boolean;
  /** The one that claimed and its fellow; the same one twice where a second session is not wanted. */
  readonly lanes: readonly [Lane, Lane];
  /** Ends the sessions of older holders of this sync that stand in the way; they could not commit any more. */
  readonly unblock: () => Promise<void>;
  /** On a connection of its own. */
  readonly readState: () => Promise<DestinationState | null>;
}

interface Counts {
  written: number;
  deleted: number;
}

export class PostgresWriter implements Writer {
  readonly pipelined: boolean;
  readonly #setup: WriterSetup;
  readonly #encoders: readonly [RowEncoder, RowEncoder];
  /** Where rows without operations go. */
  readonly #rowsInto: string;
  readonly #counts = new Map<Lane, Counts>();
  #committed: DestinationState;
  #turn: 0 | 1 = 0;
  /** The last commit: settled when its rows are in the table, and when it is over. */
  #previous: { readonly settled: Promise<void>; readonly over: Promise<unknown> } = { settled: Promise.resolve(), over: Promise.resolve() };
  /** Connections that have their temporary table. */
  readonly #ready = new WeakSet<Session>();
  /** A batch had a key twice: from then on every one is looked through. */
  #dedupe = false;

  constructor(setup: WriterSetup) {
    this.#setup = setup;
    this.pipelined = setup.lanes[0] !== setup.lanes[1];
    this.#committed = setup.committed;
    const { table, upsert } = setup;
    this.#rowsInto = `${upsert ? batchTable : (table.stage ?? table.place.sql)} (${names(table)})`;
    const columns = table.incoming.columns.map((incoming, i) => ({ incoming, target: table.columns[i]?.type })).filter((column) => column.target !== undefined);
    const key = table.incoming.key.map((name) => table.incoming.columns.findIndex((column) => column.name === name)).filter((i) => i >= 0);
    const encoder = (): RowEncoder => rowEncoder(columns as EncodedColumn[], { table: table.place.name, key });
    this.#encoders = [encoder(), encoder()];
  }

  get committed(): DestinationState {
    return this.#committed;
  }

  async write(chunk: Chunk): Promise<void> {
    const lane = this.#lane();
    try {
      await this.#take(lane, this.#encoders[this.#turn], chunk);
    } catch (error) {
      throw await this.#explain(error, lane);
    }
  }

  async commit(batch: Batch): Promise<Committed> {
    const lane = this.#lane();
    const encoder = this.#encoders[this.#turn];
    this.#turn = this.#turn === 0 ? 1 : 0;
    const before = this.#previous.over;
    const settled = this.#begin(lane).then(() => this.#settle(lane, encoder, { after: before, last: true }));
    const over = settled.then(() => this.#finish(lane, batch));
    this.#previous = { settled: settled.then(noop, noop), over: over.then(noop, noop) };
    try {
      await over;
    } catch (error) {
      const explained = await this.#explain(error, lane);
      await lane.rollback();
      encoder.reset();
      this.#counts.delete(lane);
      throw explained;
    }
    const { epoch, fence } = this.#setup.claim;
    this.#committed = { epoch, fence, seq: this.#committed.seq + 1n, batchId: batch.batchId, cursor: batch.cursor };
    const { written, deleted } = this.#count(lane);
    this.#counts.delete(lane);
    return { seq: this.#committed.seq, written, deleted };
  }

  async discard(): Promise<void> {
    const lane = this.#lane();
    await lane.rollback();
    this.#encoders[this.#turn].reset();
    this.#counts.delete(lane);
  }

  async attempt(chunk: RowChunk): Promise<void> {
    const lane = this.#lane();
    const encoder = this.#encoders[this.#turn];
    const before = { ...this.#count(lane) };
    try {
      const session = await this.#begin(lane);
      await this.#settle(lane, encoder, { after: this.#previous.over });
      await session.query('SAVEPOINT idra_attempt');
      try {
        await this.#take(lane, encoder, chunk);
        await this.#settle(lane, encoder, { after: this.#previous.over });
        // A deferred constraint would speak at COMMIT, when no row can be named any more
        await session.query('SET CONSTRAINTS ALL IMMEDIATE');
      } catch (error) {
        encoder.reset();
        this.#counts.set(lane, before);
        await lane.failCopy();
        if (!lane.lost) await session.query('ROLLBACK TO SAVEPOINT idra_attempt');
        throw error;
      }
      await session.query('RELEASE SAVEPOINT idra_attempt');
    } catch (error) {
      throw await this.#explain(error, lane);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#previous.over;
    for (const lane of this.#setup.lanes) await lane[Symbol.asyncDispose]();
  }

  #lane(): Lane {
    return this.#setup.lanes[this.#turn];
  }

  #count(lane: Lane): Counts {
    const counts = this.#counts.get(lane) ?? { written: 0, deleted: 0 };
    this.#counts.set(lane, counts);
    return counts;
  }

  async #begin(lane: Lane): Promise<Session> {
    const { table, upsert } = this.#setup;
    const session = await lane.session();
    if (upsert && !lane.begun && !this.#ready.has(session)) {
      // Outside the transaction, so that it outlives a batch that is rolled back
      await session.query(createBatchTable(table));
      this.#ready.add(session);
    }
    return lane.begin();
  }

  async #take(lane: Lane, encoder: RowEncoder, chunk: Chunk): Promise<void> {
    const { table } = this.#setup;
    if (chunk.kind === 'raw') {
      if (chunk.rowCount === 0) return;
      await this.#copyInto(lane, encoder, { into: this.#rowsInto, format: 'binary' });
      await lane.send(chunk.data, chunk.rowCount);
      this.#count(lane).written += chunk.rowCount;
      return;
    }
    if (chunk.rows.length === 0) return;
    const { operations } = chunk;
    const { format } = encoder;
    const target: CopyTarget = { into: operations === undefined ? this.#rowsInto : `${changesTable} (${names(table)}, ${operationColumn})`, format };
    if (operations !== undefined && table.key.length === 0)
      throw new SyncError(
        'KEY_REQUIRED',
        `Changes can only be applied to ${table.place.name} by a key, and it has no unique index over (${table.incoming.key.join(', ')}).`,
        { table: table.place.name },
      );
    await this.#copyInto(lane, encoder, target);
    for (const data of encoder.encode(chunk.rows, operations)) await lane.send(data, 0);
    await lane.send(emptyData, chunk.rows.length);
    let deleted = 0;
    if (operations !== undefined) for (const operation of operations) if (operation === 2) deleted++;
    const counts = this.#count(lane);
    counts.written += chunk.rows.length - deleted;
    counts.deleted += deleted;
  }

  async #copyInto(lane: Lane, encoder: RowEncoder, target: CopyTarget): Promise<void> {
    if (lane.copying(target)) return;
    const session = await this.#begin(lane);
    await this.#settle(lane, encoder, { after: this.#previous.over });
    if (target.into.startsWith(changesTable)) await session.query(createChangesTable(this.#setup.table));
    // Straight into the table, two connections could wait for each other's keys; with the other's rows all in, only this one waits
    await lane.startCopy(target, this.#setup.upsert ? Promise.resolve() : this.#previous.settled);
  }

  /** Everything that was sent is in the table, or the error is thrown that keeps it out. `after`: merges take turns. `last`: the commit empties the temporary table. */
  async #settle(lane: Lane, encoder: RowEncoder, options: { after: Promise<unknown>; last?: boolean }): Promise<void> {
    const target = lane.target;
    if (target === null) return;
    await lane.send(encoder.take(), 0);
    const rows = await lane.endCopy();
    const changes = target.into.startsWith(changesTable);
    if (!changes && !this.#setup.upsert) return;
    const { table, ignoreDeletes } = this.#setup;
    const session = await lane.session();
    const from = changes ? changesTable : batchTable;
    const nulls = nullKeyCheck(table, from);
    if (nulls !== null && (await session.query(nulls)).length > 0)
      throw new SyncError('ROW_REJECTED', `A row for ${table.place.name} has NULL in its key (${table.key.join(', ')}), by which an upsert finds rows.`, {
        table: table.place.name,
        column: table.nullableKey.join(', '),
      });
    await options.after;
    if (changes) {
      if (!ignoreDeletes) await session.query(deleteFrom(table, from));
      await this.#merge(session, { from, rows, dedupe: true, operations: true });
    } else await this.#upsert(lane, rows);
    if (options.last !== true) await session.query(`TRUNCATE ${from}`);
  }

  async #upsert(lane: Lane, rows: number): Promise<void> {
    const session = await lane.session();
    if (!this.#dedupe) {
      await session.query('SAVEPOINT idra_upsert');
      try {
        await this.#merge(session, { from: batchTable, rows, dedupe: false, operations: false });
        await session.query('RELEASE SAVEPOINT idra_upsert');
        return;
      } catch (error) {
        // cardinality_violation: the batch has a key twice
        if (sqlState(error) !== '21000') throw error;
        this.#dedupe = true;
        await session.query('ROLLBACK TO SAVEPOINT idra_upsert');
      }
    }
    await this.#merge(session, { from: batchTable, rows, dedupe: true, operations: false });
  }

  /** Counted before the position passes the rows; a row of a key that comes again in the batch is one with it. */
  async #merge(session: Session, batch: { from: string; rows: number; dedupe: boolean; operations: boolean }): Promise<void> {
    const { table } = this.#setup;
    const { from, rows, operations } = batch;
    const { rowCount } = await session.run(upsertFrom(table, from, batch));
    if (rowCount === rows || onlyKeys(table)) return;
    const of = Number((await session.query(keysIn(table, from, { operations })))[0]?.[0]);
    if (rowCount !== of) throw droppedRows(table.place.name, { taken: rowCount, of });
  }

  async #finish(lane: Lane, batch: Batch): Promise<void> {
    const { table, claim, statements } = this.#setup;
    const session = await lane.session();
    if (batch.final === true && table.stage !== null) {
      const referenced = (await session.query(referencedQuery, [table.place.sql])).length > 0;
      const { count, remove, left, insert, empty } = replaceStatements(table, referenced);
      const of = Number((await session.query(count))[0]?.[0]);
      const remains = async (): Promise<boolean> => {
        await session.query(remove);
        return (await session.query(left)).length > 0;
      };
      // Once more for what somebody else has committed in between
      if ((await remains()) && (await remains())) throw keptRows(table.place.name);
      const { rowCount } = await session.run(insert);
      if (rowCount !== of && !(referenced && onlyKeys(table))) throw droppedRows(table.place.name, { taken: rowCount, of });
      await session.query(empty);
    }
    const run = async ({ sql, params }: Statement): Promise<number> => (await session.run(sql, params)).rowCount;
    for (const letter of batch.deadLetters ?? []) await run(statements.insertDeadLetter(claim.sync, letter));
    for (const id of batch.resolved ?? []) await run(statements.deleteDeadLetter(claim.sync, id));
    if ((await run(statements.advance(claim, this.#committed.seq, batch))) !== 1) throw fencedError(claim, table.place.name);
    try {
      await lane.commit();
    } catch (error) {
      const state = sqlState(error);
      // A refusal is an answer; anything else leaves open whether the server committed
      if (state !== undefined && !/^(08|57P)/.test(state)) throw error;
      await this.#readBack(lane, batch, error);
    }
  }

  async #readBack(lane: Lane, batch: Batch, cause: unknown): Promise<void> {
    const { claim, statements, table } = this.#setup;
    lane.abandon();
    const session = await lane.session();
    const { sql, params } = statements.select(claim.sync, claim.shard);
    // The lock waits for a transaction that is still being committed
    const [row] = await session.query(`${sql} FOR UPDATE`, params);
    const state = row === undefined ? null : readState(row);
    if (state?.batchId === batch.batchId) return;
    if (claim.enforced && state !== null && (state.epoch !== claim.epoch || state.fence !== claim.fence)) throw fencedError(claim, table.place.name);
    throw new SyncError(
      'CONNECTION_FAILED',
      `The connection was lost while a batch for ${table.place.name} was committed, and it was not: it has to be written again.`,
      { table: table.place.name, retry: 'now', cause },
    );
  }

  /** A connection that is lost may have been ended by a newer holder; a lock that an older one holds is freed for the next try. */
  async #explain(error: unknown, lane: Lane): Promise<SyncError> {
    const { table, claim, unblock, readState: stored } = this.#setup;
    const explained = postgresError(error, { doing: `Writing ${table.place.name}`, table: table.place.name, lost: lane.lost || error instanceof BatchLost });
    if (!claim.enforced) return explained;
    if (sqlState(error) === '55P03') await unblock();
    if (explained.code !== 'CONNECTION_FAILED') return explained;
    try {
      const state = await stored();
      if (state !== null && (state.epoch !== claim.epoch || state.fence !== claim.fence)) return fencedError(claim, table.place.name);
    } catch {
      // Not to be reached: that the connection is lost is all that is known
    }
    return explained;
  }
}

const emptyData = new Uint8Array(0);
const noop = (): void => undefined;
