import { Int32, MongoError, MongoNetworkError, MongoParseError, MongoServerError, MongoServerSelectionError } from 'mongodb';
import { type ErrorCode, type ErrorPlace, type Retry, SyncError } from '../../errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly retry?: Retry;
  readonly advice: string;
}

const gone: Meaning = {
  code: 'RESYNC_REQUIRED',
  advice:
    'the position is gone from the oplog, or the change stream cannot go on from it; reset the checkpoint (`idra checkpoint reset`), so that the next run copies the collection anew, and make the oplog larger or run more often',
};
const elsewhere: Meaning = { code: 'CONNECTION_FAILED', retry: 'now', advice: 'the primary changed or is going down' };
/** The same read goes through on a new cursor. */
const endedRead: Meaning = { code: 'CONNECTION_FAILED', retry: 'now', advice: 'the server ended the read, as at a restart or when the collection is renamed' };
const slow: Meaning = { code: 'TIMEOUT', retry: 'backoff', advice: 'it took longer than the server allows' };
const largeTransaction: Meaning = {
  code: 'TOO_LARGE',
  advice: 'the batch is too large for one transaction of this server: make batch.rows or batch.bytes smaller',
};
const conflict: Meaning = { code: 'CONFLICT', retry: 'now', advice: 'another operation holds the same documents' };
const invalidDocument: Meaning = { code: 'ROW_REJECTED', advice: 'the collection refuses the document' };
const dollarName: Meaning = {
  code: 'VALUE_UNREPRESENTABLE',
  advice: 'this server refuses names with a dollar sign or a dot inside documents; MongoDB 5.0 and later take them',
};

/** By the server's error code, https://www.mongodb.com/docs/manual/reference/error-codes/ */
const meanings: Readonly<Record<number, Meaning>> = {
  6: elsewhere,
  7: elsewhere,
  89: elsewhere,
  91: elsewhere,
  189: elsewhere,
  9001: elsewhere,
  10107: elsewhere,
  11600: elsewhere,
  11602: elsewhere,
  13435: elsewhere,
  13436: elsewhere,
  13: { code: 'PERMISSION_DENIED', advice: "the user's roles do not allow it; grant readWrite (or read) on the database" },
  18: { code: 'AUTHENTICATION_FAILED', advice: 'user, password or authSource are wrong' },
  26: { code: 'NOT_FOUND', advice: 'there is no such collection' },
  50: slow,
  202: slow,
  262: slow,
  134: { code: 'TIMEOUT', retry: 'backoff', advice: 'the majority of the replica set has not confirmed anything yet' },
  290: {
    code: 'TIMEOUT',
    retry: 'backoff',
    advice: 'the transaction took longer than transactionLifetimeLimitSeconds: make batch.rows or batch.bytes smaller',
  },
  133: { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'no member of the replica set can be read with this read preference' },
  43: endedRead,
  175: endedRead,
  237: endedRead,
  11601: endedRead,
  462: { code: 'THROTTLED', retry: 'backoff', advice: 'the server takes no more requests for now' },
  52: dollarName,
  57: dollarName,
  64: { code: 'TIMEOUT', retry: 'now', advice: 'the majority of the replica set did not confirm in time' },
  112: conflict,
  24: conflict,
  246: conflict,
  251: conflict,
  225: conflict,
  267: conflict,
  257: largeTransaction,
  388: largeTransaction,
  73: { code: 'CONFIG_INVALID', advice: 'the server refuses the name of the collection or database' },
  263: { code: 'UNSUPPORTED', advice: 'this cannot be done inside a transaction' },
  136: gone,
  260: gone,
  280: gone,
  286: gone,
  115: { code: 'UNSUPPORTED', advice: 'this server does not know the command' },
  40324: { code: 'UNSUPPORTED', advice: 'this server does not know a stage of the request' },
  40573: { code: 'UNSUPPORTED', advice: 'change streams need a replica set or a sharded cluster; use mode id or timestamp with a standalone server' },
  10334: { code: 'TOO_LARGE', advice: 'a document or change event is larger than MongoDB holds (16 MB)' },
  17280: { code: 'TOO_LARGE', advice: 'a key is too large for its index' },
  11000: { code: 'ROW_REJECTED', advice: 'a unique index has this key already' },
  11001: { code: 'ROW_REJECTED', advice: 'a unique index has this key already' },
  121: { code: 'ROW_REJECTED', advice: "the collection's validator refuses the document" },
  53: { code: 'ROW_REJECTED', advice: '_id of a document cannot be an array, a regular expression or undefined' },
  61: {
    code: 'KEY_REQUIRED',
    advice:
      'in a sharded collection this server finds a document only by its shard key: name the fields of the shard key in key, or write to MongoDB 7.1 or later',
  },
  66: { code: 'ROW_REJECTED', advice: '_id of a document cannot be changed' },
  2: invalidDocument,
  14: invalidDocument,
  14031: { code: 'DISK_FULL', retry: 'backoff', advice: "the server's disk is full; make room" },
};

export function serverCode(error: unknown): number | null {
  if (!(error instanceof MongoServerError)) return null;
  // An Int32 where the request asked for exact types, as change streams do
  const code: unknown = error.code;
  if (code instanceof Int32) return code.value;
  return typeof code === 'number' ? code : null;
}

export function hasLabel(error: unknown, label: string): boolean {
  return error instanceof MongoError && error.hasErrorLabel(label);
}

/**
 * An error of the driver as a SyncError, by its code. The server's own text stays out: of a duplicate key it quotes values. `what` says what was being done: `write to orders`.
 */
export function mongoError(thrown: unknown, what: string, place: ErrorPlace = {}): SyncError {
  if (thrown instanceof SyncError) return thrown;
  // A bulk write wraps whatever stopped it, a lost connection included
  const error: unknown = thrown instanceof MongoServerError && thrown.errorResponse instanceof MongoError ? thrown.errorResponse : thrown;
  const failed = (code: ErrorCode, advice: string, retry: Retry = 'never'): SyncError =>
    new SyncError(code, `Could not ${what}: ${advice}.`, { ...place, retry, cause: thrown });
  const code = serverCode(error);
  if (code !== null) {
    const meaning = meanings[code];
    const suffix = ` (code ${code})`;
    if (hasLabel(error, 'TransientTransactionError') && meaning?.code !== 'TIMEOUT')
      return failed('CONFLICT', `the transaction has to be tried again${suffix}`, 'now');
    if (meaning !== undefined) return failed(meaning.code, `${meaning.advice}${suffix}`, meaning.retry);
    if (hasLabel(error, 'NonResumableChangeStreamError')) return failed(gone.code, `${gone.advice}${suffix}`);
    if (hasLabel(error, 'RetryableWriteError') || hasLabel(error, 'ResumableChangeStreamError'))
      return failed('CONNECTION_FAILED', `the server could not finish it${suffix}`, 'now');
    return failed('INTERNAL', `the server refuses it with ${String((error as MongoServerError).codeName ?? 'an error')}${suffix}`);
  }
  if (error instanceof MongoServerSelectionError) {
    const asked = [...(error.reason?.servers.keys() ?? [])].join(', ');
    return failed('CONNECTION_FAILED', `no server answers at ${asked === '' ? 'the address' : asked}; check url, network and whether it runs`, 'backoff');
  }
  if (error instanceof MongoNetworkError) return failed('CONNECTION_FAILED', 'the connection was lost', 'now');
  if (error instanceof MongoParseError) return failed('CONFIG_INVALID', 'the url is no address of MongoDB');
  if (error instanceof MongoError) return failed('INTERNAL', `the driver says ${error.name}`);
  return failed('INTERNAL', error instanceof Error ? error.message : String(error));
}
