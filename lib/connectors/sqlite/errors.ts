import { type ErrorCode, type ErrorPlace, type Retry, SyncError } from '../../errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly retry?: Retry;
  readonly advice: string;
}

/** By result code, https://www.sqlite.org/rescode.html: an extended code (`SQLITE_IOERR_FSYNC`) is looked up first, then its primary code. */
const meanings: Readonly<Record<string, Meaning>> = {
  SQLITE_BUSY: { code: 'CONFLICT', retry: 'backoff', advice: 'another process or sync is writing to the file; try again when it is done, or end it' },
  SQLITE_BUSY_SNAPSHOT: { code: 'CONFLICT', retry: 'now', advice: 'another writer came in between' },
  SQLITE_LOCKED: { code: 'CONFLICT', retry: 'backoff', advice: 'another statement holds the table' },
  SQLITE_FULL: { code: 'DISK_FULL', retry: 'backoff', advice: 'the disk or the database is full; make room' },
  SQLITE_IOERR: { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'the file could not be read or written; look at the disk' },
  SQLITE_READONLY: { code: 'PERMISSION_DENIED', advice: 'the file or its folder may not be written to' },
  SQLITE_PERM: { code: 'PERMISSION_DENIED', advice: 'the file may not be opened' },
  SQLITE_AUTH: { code: 'PERMISSION_DENIED', advice: 'the statement is not allowed' },
  SQLITE_CANTOPEN: { code: 'CONNECTION_FAILED', advice: 'the file could not be opened; check the path and the permissions of the file and its folder' },
  SQLITE_NOTADB: { code: 'CONNECTION_FAILED', advice: 'the file is no SQLite database, or it is encrypted; check the path' },
  SQLITE_CORRUPT: { code: 'CONNECTION_FAILED', advice: 'the file is damaged; restore it from a backup' },
  SQLITE_TOOBIG: { code: 'TOO_LARGE', advice: 'a row is larger than SQLite holds (1,000,000,000 bytes)' },
  SQLITE_CONSTRAINT: { code: 'ROW_REJECTED', advice: 'a constraint of the table refuses the row' },
  SQLITE_MISMATCH: { code: 'ROW_REJECTED', advice: 'the column refuses the type of the value' },
  SQLITE_INTERRUPT: { code: 'CANCELLED', advice: 'the statement was interrupted' },
  SQLITE_NOMEM: { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'there is not enough memory' },
  SQLITE_PROTOCOL: { code: 'CONFLICT', retry: 'backoff', advice: 'the locks of the file could not be had' },
  SQLITE_SCHEMA: { code: 'CONFLICT', retry: 'now', advice: 'the schema changed meanwhile' },
};

/** The driver's result code; null for what did not come from SQLite. */
export function sqliteCode(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null;
  return error.code.startsWith('SQLITE_') ? error.code : null;
}

function meaningOf(code: string): Meaning | undefined {
  return meanings[code] ?? meanings[code.split('_').slice(0, 2).join('_')];
}

export function isBusy(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== null && (code.startsWith('SQLITE_BUSY') || code === 'SQLITE_LOCKED' || code === 'SQLITE_PROTOCOL');
}

export function isConstraint(error: unknown): boolean {
  const code = sqliteCode(error);
  return code !== null && meaningOf(code)?.code === 'ROW_REJECTED';
}

/**
 * An error of the driver as a SyncError, by its code. SQLite's own message is added: it holds names, never values. `what` says what was being done: `write to orders`.
 * A plain `SQLITE_ERROR` is a statement that SQLite refuses: the user's own part of it (`where`, `query`), or a bug.
 */
export function sqliteError(error: unknown, what: string, place: ErrorPlace = {}): SyncError {
  if (error instanceof SyncError) return error;
  const code = sqliteCode(error);
  const message = error instanceof Error ? error.message : String(error);
  if (code === null) return new SyncError('INTERNAL', `Could not ${what}: ${message}.`, { ...place, cause: error });
  const meaning = meaningOf(code);
  if (meaning === undefined) return new SyncError('INTERNAL', `Could not ${what}: ${message} (${code}).`, { ...place, cause: error });
  return new SyncError(meaning.code, `Could not ${what}: ${meaning.advice} (${message}, ${code}).`, {
    ...place,
    cause: error,
    ...(meaning.retry === undefined ? {} : { retry: meaning.retry }),
  });
}

/** A statement passed and changed fewer rows than it was given. */
export function droppedRows(table: string, { taken, of }: { readonly taken: number; readonly of: number }): SyncError {
  return new SyncError(
    'ROWS_UNACCOUNTED',
    `${table} took ${taken} of ${of} rows, so the batch is rolled back: a trigger of the table drops rows (RAISE(IGNORE)).`,
    {
      table,
    },
  );
}

/** Throws `CONFIG_INVALID` where the part that the user wrote, `field`, has parameters (`?`, `:x`, `@x`, `$x`): nothing is bound to them. The driver has no code for that, and no other way to tell. */
export function refuseParameters(statement: { bind(): unknown }, field: 'where' | 'source.query'): void {
  try {
    statement.bind();
  } catch (error) {
    throw new SyncError(
      'CONFIG_INVALID',
      `${field} has a parameter (?, :name, @name or $name), and there is nothing to put in its place: write the value itself.`,
      {
        field,
        cause: error,
      },
    );
  }
}

/** A statement with a part that the user wrote: what SQLite cannot compile is theirs to change. */
export function statementError(error: unknown, what: string, place: ErrorPlace = {}): SyncError {
  if (sqliteCode(error) !== 'SQLITE_ERROR' && !(error instanceof RangeError)) return sqliteError(error, what, place);
  const message = error instanceof Error ? error.message : String(error);
  return new SyncError('CONFIG_INVALID', `Could not ${what}: SQLite says "${message}". Check where and query.`, { ...place, cause: error });
}
