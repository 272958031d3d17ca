/**
 * The contract between the engine and every connector. The engine names no connector; a connector knows nothing of locks, schedules or other
 * connectors. Optional abilities are properties that may be absent, never methods that throw.
 */
import type { ZodType } from 'zod';
import type { SyncError } from '../errors.ts';
import type { Row, Schema, Value } from '../values/types.ts';

export const modes = ['full', 'fullWithId', 'id', 'timestamp', 'lastDestinationId', 'lastDestinationTimestamp', 'stream', 'cdc'] as const;
export type Mode = (typeof modes)[number];
export const writeModes = ['insert', 'upsert', 'replace'] as const;
export type WriteMode = (typeof writeModes)[number];
export const deleteModes = ['hard', 'soft', 'ignore'] as const;
export type DeleteMode = (typeof deleteModes)[number];

/**
 * A position in a source: versioned text, exact, at most 4 KB, opaque to all but the connector that made it. Cursors are compared for equality only; order is
 * the source's own business (GTID sets and resume tokens do not sort).
 */
export type Cursor = string;

/** What happened to a row. A chunk without operations holds rows as they stand (`insert`, or the newest state for an upsert). */
export const Operation = { insert: 0, update: 1, delete: 2 } as const;
export type Operation = (typeof Operation)[keyof typeof Operation];

/** A thing of the source that is not a row (a broken JSON line, a message that is not JSON). It goes the way of `onError`. */
export interface Rejected {
  readonly error: SyncError;
  /** Index in `rows` before which it stood; `rows.length` for the end. */
  readonly before: number;
  /** The text as it came, for the dead letter; cut at 64 KB. */
  readonly raw: string;
}

interface ChunkBase {
  /** Size in the source's own terms, for accounting and the batch's byte limit. */
  readonly bytes: number;
  /** The cursor that holds when everything up to the end of this chunk is committed; null inside a source transaction or a group of equal values without a key. */
  readonly boundary: Cursor | null;
}

export interface RowChunk extends ChunkBase {
  readonly kind: 'rows';
  readonly rows: Row[];
  /** One `Operation` for each row; absent: every row is an insert. A deleted row has its key columns, the others null. */
  readonly operations?: Uint8Array;
  readonly rejected?: readonly Rejected[];
  /** Set when the columns differ from those of the chunks before (sources that declare no schema). Holds from this chunk on. */
  readonly schema?: Schema;
}

/** Bytes in a bulk format that both ends speak, cut at a row's end. The source strips and the writer adds what frames the stream as a whole. */
export interface RawChunk extends ChunkBase {
  readonly kind: 'raw';
  readonly data: Uint8Array;
  readonly rowCount: number;
}

export type Chunk = RowChunk | RawChunk;

/** A bulk format with the exact column types it would carry. Equal name and signature on both ends means that bytes may pass unread. */
export interface RawFormat {
  readonly name: string;
  readonly signature: string;
}

export interface CursorSpec {
  readonly column?: string;
  /** Unique tiebreak; more than one column for a compound key. */
  readonly key: readonly string[];
  readonly lookbackSeconds: number;
  readonly nulls: 'refuse' | 'include';
}

/** What a sync asks of its source. Column names are the source's. */
export interface SourceRequest {
  readonly sync: string;
  /** The source's part of the definition, already parsed by the connector's `source` schema. */
  readonly options: unknown;
  readonly mode: Mode;
  /** Absent: not known. A source that can read a row twice refuses `insert` where it cannot leave out what was read before. */
  readonly write?: WriteMode;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  /** Pushed down as written; only where `capabilities.where`. */
  readonly where?: string;
  readonly cursor: CursorSpec;
  /** `system` of the destination: where it is the source's own, special types (arrays, enums, ranges) are handed over as native text. */
  readonly peer: string;
}

export interface ReadOptions {
  /** Start after this position; null: from the beginning. */
  readonly from: Cursor | null;
  /** A chunk never has more rows than this. */
  readonly maxRows: number;
  /** Nor more bytes, unless a single row has. */
  readonly maxBytes: number;
  /** Name of the raw format that the engine chose; absent: rows. */
  readonly rawFormat?: string;
  /** Milliseconds since the epoch. Sources that wait for data stop waiting before it. */
  readonly deadline?: number;
}

export interface Remaining {
  /** Rows after the cursor; an estimate where `exact` is false. */
  readonly rows?: number;
  readonly exact?: boolean;
  /** Age of the oldest row not yet read, in seconds. */
  readonly lagSeconds?: number;
}

/**
 * One table, query, collection, topic, prefix or endpoint, opened for reading.
 *
 * Order of calls: `read` at most once at a time; `acknowledge` only for boundaries that `read` has yielded, after the commit and the checkpoint.
 * Every iteration ends when the source is caught up with what was there when `read` began, or when `signal` aborts (then it throws the signal's reason).
 * Breaking out of the iteration frees what it holds.
 */
export interface Source extends AsyncDisposable {
  readonly system: string;
  /** Its columns of UUIDs have one order in every version of the system, so that two ends of it agree on the largest. */
  readonly ordersUuids?: true;
  /** Columns after include and exclude, in the order of the rows. */
  readonly schema: Schema;
  readonly rawFormats?: readonly RawFormat[];
  read(options: ReadOptions, signal: AbortSignal): AsyncIterable<Chunk>;
  /** Lets the source forget what is before this position (consumer group, replication slot). */
  acknowledge?(cursor: Cursor): Promise<void>;
  /** The cursor for "after these values": `[id]` or `[timestamp, …key]`, in canonical text, as a destination reports them. */
  cursorAfter?(values: readonly Value[]): Cursor;
  remaining?(from: Cursor | null): Promise<Remaining>;
}

/** Who writes: compared and stored by the destination in the transaction that writes the rows. */
export interface Claim {
  readonly sync: string;
  readonly shard: string;
  readonly epoch: bigint;
  readonly fence: bigint;
  /**
   * Whether the destination checks the fence. False exists for one purpose: to show that the fault bench fails without it. No definition, flag or
   * environment variable sets it.
   */
  readonly enforced: boolean;
  /** For a destination without a state of its own (`stateless`) alone: the coordination store's checkpoint, which its writer counts on from. Absent: nothing was committed. */
  readonly known?: DestinationState;
}

/** The destination's own record of a sync: `_idra_state`. It outranks the coordination store's checkpoint. */
export interface DestinationState {
  readonly epoch: bigint;
  readonly fence: bigint;
  /** Number of the last committed batch; 0 before the first. */
  readonly seq: bigint;
  readonly batchId: string | null;
  readonly cursor: Cursor | null;
}

export interface DeadLetter {
  /** Key of the row or place in the source, for a person. */
  readonly place: string;
  readonly code: string;
  readonly reason: string;
  /** The row as a JSON object of canonical text by destination column, or the raw text of what was no row. */
  readonly row: string;
  readonly kind: 'row' | 'raw';
}

export interface StoredDeadLetter extends DeadLetter {
  readonly id: string;
  readonly sync: string;
  /** ISO time, UTC. */
  readonly at: string;
}

/** What a sync asks of its destination. */
export interface DestinationRequest {
  readonly sync: string;
  readonly shard: string;
  /** The destination's part of the definition, already parsed by the connector's `destination` schema. */
  readonly options: unknown;
  readonly write: WriteMode;
  readonly deletes: DeleteMode;
  /** Name of the marker column for `deletes: soft`. */
  readonly softDeleteColumn: string;
  readonly schema: 'evolve' | 'freeze';
  readonly onError: 'stop' | 'deadLetter';
  /** The connection has a limit (`maxConcurrent`): a run counts as one session there, and holds no second one where it can do without, at the price of the pipeline. */
  readonly frugal?: boolean;
  /** `system` of the source. */
  readonly peer: string;
}

/** What `prepare` found or made. */
export interface Target {
  /** The table as it now is: names of the incoming columns, the destination's types. */
  readonly schema: Schema;
  /** It was there before. */
  readonly existed: boolean;
  /** It holds at least one row. */
  readonly hasRows: boolean;
  /** Columns that stood there before; absent where it did not exist or has no declared columns. What a dry run would add is the difference. */
  readonly existingColumns?: readonly string[];
  readonly rawFormats?: readonly RawFormat[];
}

/**
 * Where rows go. Order of calls: `state` at any time; `prepare`, then `open`, each again after a schema change. DDL happens in `prepare`, and in `open` for what a `replace` stages, never inside a batch.
 */
export interface Destination extends AsyncDisposable {
  readonly system: string;
  /** As of a source. */
  readonly ordersUuids?: true;
  /**
   * It has no place for a state: no fence, seq or cursor is stored with the rows. The coordination store's checkpoint alone then tells where to go on; `state` always answers null, and
   * `open` is given the checkpoint as `claim.known`. A batch whose checkpoint was lost is written again with the same `seq`; a superseded writer is not held off.
   */
  readonly stateless?: true;
  /** The stored state, or null where this sync has never claimed. Works before `prepare`. */
  state(): Promise<DestinationState | null>;
  /**
   * Creates the table where it is missing, adds columns under `evolve`, and refuses what does not fit (`SCHEMA_MISMATCH`, naming table and column).
   * `schema` has the incoming columns under the destination's names; its `key` is what an upsert goes by. With `dryRun` nothing is changed.
   */
  prepare(schema: Schema, options?: { readonly dryRun?: boolean }): Promise<Target>;
  /**
   * Claims the state row (`set epoch, fence where (epoch, fence) <= (mine)`, waiting for another writer's open transaction) and returns the writer.
   * Equal is the same run again, after a lost connection or a schema change: fences are unique to a run, and `seq` guards what it may have left in flight.
   * Throws `FENCED` where a newer holder has claimed. `writer.committed` is what was stored.
   */
  open(target: Target, claim: Claim): Promise<Writer>;
  /** Largest value of a column, canonical text; null where there are no rows. With `ties`, the largest key among the rows that have it follows. */
  max?(columns: readonly string[]): Promise<readonly Value[] | null>;
  /**
   * Removes every row of the target and the sync's position; the user has asked for it (`--existing replace`). Called after an `open` with the same claim, whose writer is closed.
   * Throws `FENCED`, and removes nothing, where a newer holder has claimed since.
   */
  clear?(target: Target, claim: Claim): Promise<void>;
  deadLetters?(): Promise<StoredDeadLetter[]>;
}

export interface Batch {
  /** Fresh for each attempt at a batch. Stored, so that the outcome of a lost COMMIT can be read back. */
  readonly batchId: string;
  /** The position after this batch; null when a full pass is complete and the next run begins anew. */
  readonly cursor: Cursor | null;
  /**
   * The last batch of a full pass: with write mode `replace` the staged rows take the place of the old ones in this transaction.
   * A `replace` run whose state has no cursor starts with an empty stage.
   */
  readonly final?: boolean;
  /** Stored in the same transaction. */
  readonly deadLetters?: readonly DeadLetter[];
  /** Ids of stored dead letters that this batch resolves: removed in the same transaction. */
  readonly resolved?: readonly string[];
}

export interface Committed {
  readonly seq: bigint;
  /**
   * Rows that the destination itself says it took: unchanged upserts count, and so does a row that a later one of the same key in the batch has superseded.
   * `written + deleted` equals the rows handed over, or the engine stops with `ROWS_UNACCOUNTED`; a delete of a row that was not there counts as deleted.
   */
  readonly written: number;
  readonly deleted: number;
}

/**
 * Writes batches, each in one transaction of the destination: rows + `update state set seq = n + 1, cursor, batchId where epoch = e and fence = f and seq = n`.
 * Anything but one row updated: roll back and throw `FENCED`.
 *
 * Order of calls: `write` any number of times, `commit`, `write`, … `commit` is never called while another commit is under way. Where `pipelined`, `write` may be called
 * for batch n+1 while commit n is under way (two connections in turn); otherwise the engine waits.
 * A connection that is lost during COMMIT: reconnect and read; `batchId` is ours: committed; otherwise throw with `retry: 'now'`: the engine reads again from the destination's cursor.
 * After an error the writer accepts only `discard` and disposal, unless it came from `attempt`. Disposal discards what is staged and never commits.
 */
export interface Writer extends AsyncDisposable {
  readonly committed: DestinationState;
  readonly pipelined: boolean;
  /** Resolves when the chunk has been taken over: its rows may still be held in the driver's buffers, bounded by a few hundred KB. */
  write(chunk: Chunk): Promise<void>;
  commit(batch: Batch): Promise<Committed>;
  /** Rolls the open batch back. */
  discard(): Promise<void>;
  /**
   * For `onError: deadLetter`: applies the chunk inside the open batch, all of it or nothing, and leaves `rows` unchanged. Throws the row error where it fails, and the batch stays usable with all that
   * earlier calls applied (savepoint). Absent: the destination cannot set rows aside, and the definition is refused.
   */
  attempt?(chunk: RowChunk): Promise<void>;
}

/** What a connector can do; definitions are validated against it before anything is opened. */
export interface Capabilities {
  readonly source: {
    readonly modes: readonly Mode[];
    /** `where` can be pushed down. */
    readonly where: boolean;
    /** Emits deletes. */
    readonly deletes: boolean;
    /** Has no declared columns: `columns.include` and `exclude` are applied by the connector while it reads. */
    readonly schemaless: boolean;
  };
  readonly destination: {
    readonly writes: readonly WriteMode[];
    readonly deletes: readonly DeleteMode[];
    readonly deadLetter: boolean;
    /** `max` exists, so that the lastDestination… modes work. */
    readonly max: boolean;
    /** One line for documentation and `idra check`: `exactly-once effect`, `idempotent by key`, `at least once`. */
    readonly guarantee: string;
  };
}

/** Light part of a connector, loaded with the definitions: no driver may be imported from here. */
export interface ConnectorConfig {
  /** The connection's own fields, strict, each described; `type` is a literal. */
  readonly connection: ZodType;
  /** Fields of `source` beside `connection`. */
  readonly source: ZodType;
  /** Fields of `destination` beside `connection`. */
  readonly destination: ZodType;
  readonly capabilities: Capabilities;
  /** Names of connection fields that hold a secret and have to be references or stay out of every output. `url` counts for its password. */
  readonly secretFields: readonly string[];
}

export interface CheckResult {
  /** Product and version as the server says. */
  readonly server: string;
  /** What may be done, in short phrases: `read 14 tables in schemas public, sales`, `create tables in public`. */
  readonly read: string;
  readonly write: string;
  /** There is nothing yet (a file): what reads it fails so, and what writes to it makes it. */
  readonly absent?: SyncError;
}

export interface DiscoveredTable {
  readonly name: string;
  readonly columns: Schema['columns'];
  readonly key: readonly string[];
  readonly estimatedRows?: number;
}

/** Heavy part: what `registry` imports lazily. `connection` is the resolved, parsed connection, secrets included. */
export interface Connector {
  /** Throws a SyncError that names the connection where it cannot be reached. */
  check(connection: unknown, signal: AbortSignal): Promise<CheckResult>;
  discover(connection: unknown, signal: AbortSignal): Promise<DiscoveredTable[]>;
  openSource(connection: unknown, request: SourceRequest, signal: AbortSignal): Promise<Source>;
  openDestination(connection: unknown, request: DestinationRequest, signal: AbortSignal): Promise<Destination>;
}
