/** Opening a file, and waiting for it without blocking the event loop: the driver is synchronous, and leases are renewed by timers. */
import { existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { Database, Statement } from 'better-sqlite3';
import { SyncError } from '../../errors.ts';
import type { Value } from '../../values/types.ts';
import type { Statement as Sql } from '../sql/dialect.ts';
import { isBusy, sqliteError } from './errors.ts';

export type { Database, Statement } from 'better-sqlite3';

export interface SqliteConnection {
  readonly type: 'sqlite';
  readonly path: string;
}

/** How long a writer waits for another one's transaction before it gives up with `CONFLICT`. */
export const busyWaitMs = 30_000;
/** Work without a turn of the event loop never lasts longer than about this. */
const sliceMs = 8;

/** The driver's native code ends the process on an older Node, so it is asked before the driver is loaded. */
export function requireNode(version: string = process.versions.node): void {
  if (Number.parseInt(version, 10) >= 22) return;
  throw new SyncError(
    'UNSUPPORTED',
    `SQLite needs Node 22 or later, and this is Node ${version}. Run Idra with a newer Node, or on Lambda choose the runtime nodejs22.x or nodejs24.x.`,
  );
}

export function fileOf(connection: SqliteConnection): string {
  return resolve(connection.path);
}

export function noFileError({ path }: SqliteConnection): SyncError {
  return new SyncError('NOT_FOUND', `There is no SQLite file ${path}. Paths are relative to the current folder.`);
}

/** Throws `NOT_FOUND` where a file to read is missing, and what `errors.ts` makes of the rest. */
export async function openDatabase(connection: SqliteConnection, options: { readonly write: boolean }): Promise<Database> {
  requireNode();
  const file = fileOf(connection);
  const created = !existsSync(file);
  if (created && !options.write) throw noFileError(connection);
  if (!created && statSync(file).isDirectory()) throw new SyncError('CONNECTION_FAILED', `${connection.path} is a folder, not a SQLite file.`);
  if (!existsSync(dirname(file))) throw new SyncError('NOT_FOUND', `The folder of the SQLite file ${connection.path} does not exist.`);
  const { default: Sqlite } = await import('better-sqlite3');
  let database: Database | undefined;
  try {
    // Its own busy handler would sleep in this thread, where the other writer may be another sync of this very process
    database = new Sqlite(file, { readonly: !options.write, timeout: 0 });
    // The first statement that touches the file: opening alone reads nothing
    await retryBusy(() => database?.pragma('schema_version'));
    if (options.write) {
      // A new file only: the journal mode of a file that is there is its owner's choice
      if (created) database.pragma('journal_mode = WAL');
      // A checkpoint elsewhere may outlive a commit that a power failure takes back, so each commit is on the disk before it returns. EXTRA is FULL in WAL mode, and with a
      // rollback journal also syncs the folder from which the journal was deleted (https://www.sqlite.org/pragma.html#pragma_synchronous)
      database.pragma('synchronous = EXTRA');
    }
    return database;
  } catch (error) {
    database?.close();
    throw sqliteError(error, `open the SQLite file ${connection.path}`);
  }
}

/** Runs a statement that may find the file locked, with pauses in which the event loop turns. Throws the last error after `busyWaitMs`. */
export async function retryBusy<T>(run: () => T, waitMs: number = busyWaitMs): Promise<T> {
  const end = Date.now() + waitMs;
  for (let pauseMs = 1; ; pauseMs = Math.min(pauseMs * 2, 50)) {
    try {
      return run();
    } catch (error) {
      if (!isBusy(error) || Date.now() >= end) throw error;
    }
    await sleep(pauseMs);
  }
}

/** Statements of one connection, each compiled once. */
export class Statements {
  readonly #database: Database;
  readonly #compiled = new Map<string, Statement<unknown[], unknown[]>>();

  constructor(database: Database) {
    this.#database = database;
  }

  /** Rows as arrays; integers as bigint. */
  all({ sql, params }: Sql): Value[][] {
    return this.#prepare(sql)
      .raw()
      .all(...params) as Value[][];
  }

  first(statement: Sql): Value[] | undefined {
    return this.all(statement)[0];
  }

  /** Number of rows changed. */
  run({ sql, params }: Sql): number {
    return this.#prepare(sql).run(...params).changes;
  }

  #prepare(sql: string): Statement<unknown[], unknown[]> {
    const known = this.#compiled.get(sql);
    if (known !== undefined) return known;
    const statement = this.#database.prepare<unknown[], unknown[]>(sql).safeIntegers();
    if (this.#compiled.size >= 50) this.#compiled.clear();
    this.#compiled.set(sql, statement);
    return statement;
  }
}

/** Lets timers and sockets have their turn once the slice is used up. */
export class Pacer {
  #since = performance.now();

  due(): boolean {
    return performance.now() - this.#since > sliceMs;
  }

  async turn(): Promise<void> {
    await nextTurn();
    this.#since = performance.now();
  }
}
