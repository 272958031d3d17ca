/** PostgreSQL's errors by SQLSTATE and errno. Texts of class 22 and 23 quote values of rows, so they never go any further. */
import pg from 'pg';
import { type ErrorCode, type ErrorPlace, type Retry, SyncError } from '../../errors.ts';
import { isEncryptionError, networkErrors } from '../sql/network-errors.ts';

interface Rule {
  readonly code: ErrorCode;
  readonly retry?: Retry;
  /** Said instead of the server's own text. */
  readonly says?: string;
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html; the two-letter entries stand for their class. */
const rules: Readonly<Record<string, Rule>> = {
  '08': { code: 'CONNECTION_FAILED', retry: 'backoff' },
  '0A': { code: 'UNSUPPORTED' },
  '21': { code: 'ROW_REJECTED', says: 'one statement would change a row twice' },
  '22': { code: 'VALUE_UNREPRESENTABLE', says: 'a value does not fit the column' },
  '22001': { code: 'VALUE_UNREPRESENTABLE', says: 'a text is too long for the column' },
  '22003': { code: 'VALUE_UNREPRESENTABLE', says: 'a number is out of the range of the column' },
  '22007': { code: 'VALUE_UNREPRESENTABLE', says: 'a text is no date or time' },
  '22008': { code: 'VALUE_UNREPRESENTABLE', says: 'a date or time is out of range' },
  '22021': { code: 'VALUE_UNREPRESENTABLE', says: 'a text has a character that the encoding of the database lacks' },
  '22P02': { code: 'VALUE_UNREPRESENTABLE', says: 'a text is no value of the type of the column' },
  '22P03': { code: 'VALUE_UNREPRESENTABLE', says: 'bytes are no value of the type of the column' },
  '22P05': { code: 'VALUE_UNREPRESENTABLE', says: 'a text has a character that the encoding of the database lacks' },
  '23': { code: 'ROW_REJECTED', says: 'a constraint refuses a row' },
  '23502': { code: 'ROW_REJECTED', says: 'a row has NULL where the column allows none' },
  '23503': { code: 'ROW_REJECTED', says: 'a row refers to one that is not there' },
  '23505': { code: 'ROW_REJECTED', says: 'a row has a key that is there already' },
  '23514': { code: 'ROW_REJECTED', says: 'a row fails a check' },
  '25006': { code: 'PERMISSION_DENIED', says: 'the server takes no writes (a standby, or a read-only session)' },
  '25P03': { code: 'CONNECTION_FAILED', retry: 'backoff' },
  '28': { code: 'AUTHENTICATION_FAILED' },
  '3D000': { code: 'NOT_FOUND' },
  '3F000': { code: 'NOT_FOUND' },
  '40': { code: 'CONFLICT', retry: 'now' },
  '42': { code: 'CONFIG_INVALID' },
  '42501': { code: 'PERMISSION_DENIED' },
  '42703': { code: 'NOT_FOUND' },
  '42P01': { code: 'NOT_FOUND' },
  '42804': { code: 'SCHEMA_MISMATCH' },
  '44': { code: 'ROW_REJECTED', says: 'a row fails the check option of a view' },
  '53': { code: 'THROTTLED', retry: 'backoff' },
  '53100': { code: 'DISK_FULL', retry: 'backoff' },
  '54': { code: 'TOO_LARGE' },
  '55P03': { code: 'CONFLICT', retry: 'now', says: 'another session held a lock for too long' },
  '57014': { code: 'TIMEOUT', retry: 'backoff' },
  '57P': { code: 'CONNECTION_FAILED', retry: 'backoff' },
  '58': { code: 'CONNECTION_FAILED', retry: 'backoff' },
  P0: { code: 'ROW_REJECTED', says: 'a trigger or function refuses a row' },
};

/** In a statement that reads, the same states speak of the user's query or view, and of no column that is written to. */
const readingRules: Readonly<Record<string, Rule>> = {
  '21': { code: 'CONFIG_INVALID', says: 'a subquery that stands for one value gives several rows' },
  '22': { code: 'VALUE_UNREPRESENTABLE', says: 'an expression of the query, view or condition fails for a value' },
  '22012': { code: 'VALUE_UNREPRESENTABLE', says: 'the query or view divides by zero for some row' },
};

const connectionErrors: ReadonlySet<string> = new Set([...networkErrors, 'ENOENT', 'EACCES']);

export interface ErrorContext extends ErrorPlace {
  /** What was being done, as the start of the message: `Reading public.orders`. */
  readonly doing: string;
  /** Rows were read, not written. */
  readonly reading?: boolean;
  /** The connection is gone: an error without a code means just that. */
  readonly lost?: boolean;
}

/** Anything that the driver throws. `retry` and code come from SQLSTATE or errno alone. */
export function postgresError(error: unknown, context: ErrorContext): SyncError {
  if (error instanceof SyncError) return error;
  const { doing, lost = false, reading = false, ...place } = context;
  if (error instanceof pg.DatabaseError && error.code !== undefined) return databaseError(error, error.code, { doing, place, reading });
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code !== undefined && connectionErrors.has(code))
    return new SyncError('CONNECTION_FAILED', `${doing} failed: the connection to PostgreSQL could not be made or was lost (${code}).`, {
      ...place,
      retry: 'backoff',
      cause: error,
    });
  if (code !== undefined && isEncryptionError(code))
    return new SyncError('CONNECTION_FAILED', `${doing} failed: no encrypted connection could be made (${code}). See ssl and sslCa.`, {
      ...place,
      cause: error,
    });
  if (lost) return new SyncError('CONNECTION_FAILED', `${doing} failed: the connection to PostgreSQL was lost.`, { ...place, retry: 'backoff', cause: error });
  return new SyncError('INTERNAL', `${doing} failed: ${error instanceof Error ? error.message : String(error)}`, { ...place, cause: error });
}

function databaseError(error: pg.DatabaseError, sqlState: string, about: { doing: string; place: ErrorPlace; reading: boolean }): SyncError {
  const { doing, place, reading } = about;
  const states = [sqlState, sqlState.slice(0, 3), sqlState.slice(0, 2)];
  const rule = [...(reading ? [readingRules] : []), rules].flatMap((known) => states.flatMap((state) => known[state] ?? []))[0] ?? {
    code: 'INTERNAL' as const,
  };
  const quotesRows = rule.code === 'VALUE_UNREPRESENTABLE' || rule.code === 'ROW_REJECTED';
  // Where it happened, never what: the rest of this text is the value
  const [, line, copied] = /^COPY .*?, line ([0-9]+)(?:, column ([^:]+))?/s.exec(error.where ?? '') ?? [];
  const column = place.column ?? error.column ?? (quotesRows ? copied : undefined);
  const key = place.key ?? (line === undefined || !quotesRows ? undefined : `row ${line} of the batch`);
  const says = rule.says ?? error.message;
  const where = [
    column === undefined ? '' : `column ${column}`,
    error.constraint === undefined ? '' : `constraint ${error.constraint}`,
    key === undefined ? '' : key.startsWith('row ') ? key : `key ${key}`,
  ].filter((text) => text !== '');
  return new SyncError(rule.code, `${doing} failed: ${says}${where.length === 0 ? '' : ` (${where.join(', ')})`} [SQLSTATE ${sqlState}].`, {
    ...place,
    ...(column === undefined ? {} : { column }),
    ...(key === undefined ? {} : { key }),
    ...(rule.retry === undefined ? {} : { retry: rule.retry }),
    ...(quotesRows ? {} : { cause: error }),
  });
}

/** A statement passed and changed fewer rows than it was given. */
export function droppedRows(table: string, { taken, of }: { readonly taken: number; readonly of: number }): SyncError {
  return new SyncError('ROWS_UNACCOUNTED', `${table} took ${taken} of ${of} rows, so the batch is rolled back: a trigger or rule of the table drops rows.`, {
    table,
  });
}

/** The same of a DELETE, whose rows would stand beside the new ones. */
export function keptRows(table: string): SyncError {
  return new SyncError(
    'ROWS_UNACCOUNTED',
    `${table} kept rows that a replace deletes, so the batch is rolled back: a trigger, a rule or a row-level security policy of the table keeps them. Take it away, or write by upsert.`,
    { table },
  );
}

/** SQLSTATE of an error that came from the server. */
export function sqlState(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined;
}
