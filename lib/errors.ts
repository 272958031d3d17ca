/**
 * One hierarchy for everything that can go wrong, so that the engine decides on `code` and `retry` and never on the text of a message.
 * Connectors translate their driver's errors here by code (SQLSTATE, errno, HTTP status), see each connector's `errors.ts`.
 */

/** Every code that a user can see. Each has an entry in docs/errors.md; a test holds the two together. */
export const errorCodes = [
  // The user's input
  'CONFIG_INVALID', // the definitions file, an argument or an environment variable is wrong
  'SECRET_UNRESOLVED', // a ${env:…}, ${ssm:…} or ${secret:…} reference has no value
  'UNSUPPORTED', // the connector lacks the ability that the definition asks for
  // Reaching and being let in
  'CONNECTION_FAILED', // no connection, or it went away
  'AUTHENTICATION_FAILED',
  'PERMISSION_DENIED',
  'TIMEOUT',
  'THROTTLED', // the service asks for a pause (429, 503, too many connections)
  // What is there
  'NOT_FOUND', // table, collection, topic, bucket, column or database is missing
  'SCHEMA_MISMATCH', // the destination's columns do not fit and may not be changed
  'KEY_REQUIRED', // the mode or the write mode needs a unique key
  'CURSOR_NULL', // NULL in a cursor column
  'CURSOR_INVALID', // a stored cursor does not belong to this source, table or mode
  // Rows
  'VALUE_UNREPRESENTABLE', // the destination cannot hold a value exactly
  'ROW_REJECTED', // a constraint of the destination refuses a row
  'ROW_MALFORMED', // the source delivered something that is not a row
  // The protocol
  'LOCK_HELD', // somebody else runs this sync
  'LOCK_LOST', // the lease ended before the run did
  'FENCED', // a newer holder has claimed the destination
  'STORE_UNAVAILABLE', // the coordination store does not answer
  'STORE_REWOUND', // the coordination store was wiped, or restored from an older state
  'CHECKPOINT_CONFLICT', // somebody else moved the checkpoint
  'CHECKPOINT_MISSING', // the destination holds rows and nobody knows from where
  'RESYNC_REQUIRED', // the position is gone from the source, or the destination went back in time
  'NO_PROGRESS', // continuations that move nothing
  'ROWS_UNACCOUNTED', // read ≠ written + filtered + dead-lettered
  // Resources
  'TOO_LARGE', // a row, document, message or object over a limit
  'DISK_FULL',
  'CONFLICT', // deadlock, serialisation failure, lock timeout: the same work may pass on another try
  'DEADLINE', // the time ended before the first boundary could be reached
  'CANCELLED', // the caller's signal
  'INTERNAL', // a bug in Idra
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/**
 * `now`: the same work may be tried again at once, from the destination's own position. `backoff`: after a pause.
 * `never`: a person has to change something first.
 */
export type Retry = 'now' | 'backoff' | 'never';

/** Where it happened. Only names and keys: a value of a row other than its key never goes into an error. */
export interface ErrorPlace {
  file?: string;
  /** Path into the definitions file, such as `syncs[0].cursor.column`. */
  field?: string;
  connection?: string;
  sync?: string;
  table?: string;
  column?: string;
  /** Key of the row, or its position in the source (`object.jsonl line 7`, `topic/3@1042`). */
  key?: string;
}

export interface SyncErrorOptions extends ErrorPlace {
  retry?: Retry;
  cause?: unknown;
}

/** The root of the hierarchy. `message` is one sentence for a person: what, where, and what to do. It never holds a secret. */
export class SyncError extends Error {
  override readonly name = 'SyncError';
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly place: ErrorPlace;

  constructor(code: ErrorCode, message: string, options: SyncErrorOptions = {}) {
    const { retry = 'never', cause, ...place } = options;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retry = retry;
    this.place = place;
  }
}

/** Where an error came from, for whoever mends Idra; of what it wraps where it wraps something. */
export function stackOf(error: unknown): string {
  const { cause = error } = toSyncError(error);
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
}

/** Codes that concern one row, so that `onError: deadLetter` may set that row aside and go on. */
const rowCodes: ReadonlySet<ErrorCode> = new Set(['VALUE_UNREPRESENTABLE', 'ROW_REJECTED', 'ROW_MALFORMED', 'TOO_LARGE']);

/** Whether the error is the fault of single rows: bisecting the batch finds them. */
export function isRowError(error: unknown): error is SyncError {
  return error instanceof SyncError && rowCodes.has(error.code);
}

/** Anything thrown, as a SyncError: what is unknown is a bug here, and says so. */
export function toSyncError(error: unknown, code: ErrorCode = 'INTERNAL'): SyncError {
  if (error instanceof SyncError) return error;
  // Disposal failed after the work had failed: the first failure is the one to tell
  if (error instanceof SuppressedError) return toSyncError(error.suppressed, code);
  const message = error instanceof Error ? error.message : String(error);
  return new SyncError(code, message, { cause: error });
}
