/**
 * Steps 6 to 8 of the protocol: one long read cut into batches; each is committed by the destination together with its cursor, then checkpointed, then acknowledged.
 * Where the writer has two connections, batch n commits and is checkpointed while n + 1 already streams; n + 1 commits only after checkpoint n.
 */
import type { SyncDefinition } from '../config/definition.ts';
import { type Chunk, type Cursor, type DeadLetter, Operation, type RowChunk, type Source, type Writer } from '../connectors/connector.ts';
import type { CheckpointStore, HeldLock } from '../coordination/contract.ts';
import { SyncError } from '../errors.ts';
import type { Row, Schema } from '../values/types.ts';
import { newBatchId, type Origin } from './batch-id.ts';
import { attemptRows, rejectedLetter } from './set-aside.ts';
import type { BatchCounts, Tally } from './tally.ts';

/** A batch is committed at the next boundary once it is this old, so that a slow source does not hold a transaction open for long. */
const maxBatchAgeMs = 15_000;
/** What a commit and its checkpoint are assumed to take before one was measured. */
const firstCommitEstimateMs = 1_000;

export interface TransferOptions {
  readonly definition: SyncDefinition;
  readonly source: Source;
  readonly writer: Writer;
  /** Columns as the writer gets them. */
  readonly schema: Schema;
  readonly mask: ((rows: Row[]) => void) | null;
  readonly rawFormat: string | null;
  readonly from: Cursor | null;
  readonly lock: HeldLock;
  readonly epoch: bigint;
  readonly origin: Origin;
  readonly shard: string;
  readonly checkpoints: CheckpointStore;
  /** Revision of the stored checkpoint. */
  readonly revision: bigint;
  readonly tally: Tally;
  /** Stop at the next boundary. */
  readonly stop: AbortSignal;
  /** Stop at once: the lock is lost, or the grace after `stop` is over. */
  readonly abort: AbortSignal;
  readonly deadline: number | undefined;
  onRows(read: number, bytes: number): void;
  onCommit(cursor: Cursor | null): void;
}

export type TransferEnd =
  | { readonly kind: 'caughtUp' }
  | { readonly kind: 'stopped'; readonly reason: string }
  /** The columns changed at a boundary: everything before is committed, the chunk is not read yet. */
  | { readonly kind: 'schemaChanged' }
  /** There is no position any more: what was committed up to it is in a stage that nobody looks at, or in none. */
  | { readonly kind: 'beginsAnew' };

interface OpenBatch extends BatchCounts {
  startedAt: number;
  rows: number;
  letters: DeadLetter[];
}

const emptyBatch = (): OpenBatch => ({ startedAt: 0, rows: 0, read: 0, filtered: 0, deadLettered: 0, bytes: 0, letters: [] });

export class Transfer {
  readonly #o: TransferOptions;
  #batch = emptyBatch();
  /** Boundary after the last chunk written; undefined while there is none, null inside a source transaction. */
  #boundary: Cursor | null | undefined;
  #committedCursor: Cursor | null;
  #inFlight: Promise<void> = Promise.resolve();
  #failure: { readonly error: unknown } | null = null;
  #revision: bigint;
  #commitMs: number;

  constructor(options: TransferOptions) {
    this.#o = options;
    this.#revision = options.revision;
    // Of a short time limit the estimate may only take a part, or nothing would ever be measured.
    this.#commitMs =
      options.deadline === undefined ? firstCommitEstimateMs : Math.min(firstCommitEstimateMs, Math.max(50, (options.deadline - Date.now()) / 8));
    this.#committedCursor = options.from;
  }

  /** Reads until the source is caught up or the run has to stop. No commit is under way when it returns or throws. */
  async run(): Promise<TransferEnd> {
    try {
      return await this.#pump();
    } finally {
      await this.#inFlight;
    }
  }

  async #pump(): Promise<TransferEnd> {
    const { source, definition, from, rawFormat, abort, deadline } = this.#o;
    const read = source.read(
      {
        from,
        maxRows: definition.batch.rows,
        maxBytes: definition.batch.bytes,
        ...(rawFormat === null ? {} : { rawFormat }),
        ...(deadline === undefined ? {} : { deadline }),
      },
      abort,
    );
    for await (const chunk of read) {
      abort.throwIfAborted();
      this.#throwFailure();
      if (chunk.kind === 'rows' && chunk.schema !== undefined) {
        await this.#flush('the columns change');
        return { kind: 'schemaChanged' };
      }
      await this.#take(chunk);
      const reason = this.#mustStop();
      if (reason !== null && this.#boundary !== null) {
        await this.#flush(reason);
        return { kind: 'stopped', reason };
      }
    }
    await this.#finish();
    return { kind: 'caughtUp' };
  }

  /** Commits a batch without rows: stores a position that a person has chosen. */
  async seed(cursor: Cursor | null): Promise<void> {
    await this.#commit(cursor, false);
    await this.#settle();
  }

  /** Rows, or a position that moved without any (resume tokens of an idle stream). */
  get #pending(): boolean {
    return this.#batch.rows > 0 || (typeof this.#boundary === 'string' && this.#boundary !== this.#committedCursor);
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure.error;
  }

  async #settle(): Promise<void> {
    await this.#inFlight;
    this.#throwFailure();
  }

  /** Why no further batch may start: the caller's wish, the deadline, or both with what is still open. */
  #mustStop(): string | null {
    const { stop, deadline } = this.#o;
    if (stop.aborted) return 'stopped on request';
    // The open batch and the one in flight have to end as well.
    if (deadline !== undefined && Date.now() + 2 * this.#commitMs > deadline) {
      if (this.#boundary === null && Date.now() > deadline) {
        throw new SyncError(
          'DEADLINE',
          `Sync ${this.#o.definition.name} ran out of time inside one source transaction: raise the time limit, or give the table a unique key.`,
          {
            sync: this.#o.definition.name,
          },
        );
      }
      return 'the time limit nears';
    }
    return null;
  }

  async #take(chunk: Chunk): Promise<void> {
    const { definition, writer } = this.#o;
    const count = chunk.kind === 'raw' ? chunk.rowCount : chunk.rows.length;
    const batch = this.#batch;
    const full =
      batch.rows + count > definition.batch.rows || batch.bytes + chunk.bytes > definition.batch.bytes || Date.now() - batch.startedAt > maxBatchAgeMs;
    if (full && batch.rows > 0 && typeof this.#boundary === 'string') await this.#commit(this.#boundary, false);
    if (chunk.kind === 'rows' && chunk.rejected !== undefined && chunk.rejected.length > 0 && definition.onError === 'stop') {
      // What came before stays delivered; the cursor stands before the thing that is no row, and does not pass it.
      await this.#flush('a row is malformed');
      throw chunk.rejected[0]?.error ?? new SyncError('ROW_MALFORMED', 'The source delivered something that is not a row.');
    }
    if (!writer.pipelined) await this.#settle();
    if (this.#batch.rows === 0) {
      await this.#ensureLease();
      this.#batch.startedAt = Date.now();
    }
    if (chunk.kind === 'raw') await writer.write(chunk);
    else await this.#takeRows(chunk);
    this.#batch.read += count;
    this.#batch.rows += count;
    this.#batch.bytes += chunk.bytes;
    this.#boundary = chunk.boundary;
    this.#o.onRows(this.#o.tally.read + this.#batch.read, this.#o.tally.bytes + this.#batch.bytes);
  }

  async #takeRows(incoming: RowChunk): Promise<void> {
    const { definition, writer, mask, schema } = this.#o;
    const batch = this.#batch;
    for (const rejected of incoming.rejected ?? []) {
      batch.letters.push(rejectedLetter(rejected, { masked: mask !== null }));
      batch.read += 1;
      batch.rows += 1;
      batch.deadLettered += 1;
    }
    const chunk = definition.deletes === 'ignore' ? withoutDeletes(incoming) : incoming;
    batch.filtered += incoming.rows.length - chunk.rows.length;
    mask?.(chunk.rows);
    if (chunk.rows.length === 0) return;
    if (definition.onError === 'deadLetter') {
      const letters = await attemptRows(writer, chunk, schema);
      batch.letters.push(...letters);
      batch.deadLettered += letters.length;
    } else {
      await writer.write(chunk);
    }
  }

  /** A batch is started only under a lease that covers it. */
  async #ensureLease(): Promise<void> {
    const { lock, abort } = this.#o;
    abort.throwIfAborted();
    if (lock.validUntil - Date.now() < 2 * this.#commitMs) await lock.renew();
  }

  /** Commits what is open, if anything, and waits until everything is stored. */
  async #flush(why: string): Promise<void> {
    if (this.#boundary === null && this.#batch.rows > 0) {
      await this.#o.writer.discard();
      throw new SyncError(
        'DEADLINE',
        `Sync ${this.#o.definition.name} had to stop (${why}) inside a source transaction; the next run starts from the last commit.`,
        {
          sync: this.#o.definition.name,
          retry: 'now',
        },
      );
    }
    if (this.#pending && typeof this.#boundary === 'string') await this.#commit(this.#boundary, false);
    await this.#settle();
  }

  /** The source is caught up. A full pass ends with an empty cursor, so that the next run begins anew. */
  async #finish(): Promise<void> {
    const { definition, from, writer } = this.#o;
    if (definition.mode === 'full') {
      const nothing = this.#batch.rows === 0 && this.#boundary === undefined && from === null && definition.write !== 'replace';
      if (!nothing || writer.committed.seq === 0n) await this.#commit(null, true);
    } else if (this.#pending) {
      if (typeof this.#boundary !== 'string') throw new SyncError('INTERNAL', 'The source ended without a boundary.', { sync: definition.name });
      await this.#commit(this.#boundary, false);
    }
    await this.#settle();
  }

  /** Starts the commit of the open batch once the one before is stored whole; the next batch may then be filled. */
  async #commit(cursor: Cursor | null, final: boolean): Promise<void> {
    await this.#settle();
    await this.#ensureLease();
    const batch = this.#batch;
    this.#batch = emptyBatch();
    this.#committedCursor = cursor;
    this.#inFlight = this.#store(batch, cursor, final).catch((error: unknown) => {
      this.#failure = { error };
    });
    if (!this.#o.writer.pipelined) await this.#settle();
  }

  async #store(batch: OpenBatch, cursor: Cursor | null, final: boolean): Promise<void> {
    const { writer, tally, definition, checkpoints, lock, epoch, origin, shard, source } = this.#o;
    const startedAt = Date.now();
    const batchId = newBatchId({ staged: definition.write === 'replace' && !final, origin });
    const committed = await writer.commit({
      batchId,
      cursor,
      ...(final ? { final } : {}),
      ...(batch.letters.length > 0 ? { deadLetters: batch.letters } : {}),
    });
    tally.add(batch, committed, definition.name);
    this.#o.onCommit(cursor);
    this.#revision = await checkpoints.save(definition.name, shard, {
      checkpoint: { epoch, fence: lock.fence, seq: committed.seq, batchId, cursor, at: new Date().toISOString() },
      expected: this.#revision,
      lock,
    });
    if (cursor !== null) await source.acknowledge?.(cursor);
    this.#commitMs = Math.max(this.#commitMs / 2, Date.now() - startedAt, 50);
  }
}

function withoutDeletes(chunk: RowChunk): RowChunk {
  const { operations } = chunk;
  if (operations === undefined || !operations.includes(Operation.delete)) return chunk;
  const kept = chunk.rows.map((_, index) => index).filter((index) => operations[index] !== Operation.delete);
  return {
    ...chunk,
    rows: kept.flatMap((index) => chunk.rows.slice(index, index + 1)),
    operations: Uint8Array.from(kept, (index) => operations[index] ?? Operation.insert),
  };
}
