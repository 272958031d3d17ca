import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Database } from 'better-sqlite3';
import { SyncError } from '../../errors.ts';

/** In the header of every state file ("Idra"), so that a user's own database is never taken for one. */
const applicationId = 0x49647261;
/** Raised with every change that an older Idra could not read. */
const formatVersion = 1;

const schema = `
  create table counter (id integer primary key check (id = 1), revision integer not null) strict;
  create table leases (id integer primary key autoincrement, ttl_ms integer not null, expires_at integer not null) strict;
  create table kv (
    key text primary key,
    value text not null,
    create_revision integer not null,
    mod_revision integer not null,
    lease integer references leases (id)
  ) strict, without rowid;
  create index kv_lease on kv (lease) where lease is not null;
`;

/** The wall clock was set back since they were renewed: a lease never has longer to live than its length. A process that died would hold its locks until the clock is there again. */
export const shortenLeases = 'update leases set expires_at = @now + ttl_ms where expires_at > @now + ttl_ms';

/** Opens the state file, made with its folder where it is missing. Throws what SQLite and the file system throw, and SyncErrors for files that are not ours. */
export async function openFile(path: string, busyTimeoutMs: number): Promise<Database> {
  await makeFolder(dirname(path));
  const found = await stat(path).catch(() => null);
  if (found && !found.isFile()) throw new SyncError('CONFIG_INVALID', `${path} is not a file: name another one with --state.`, { file: path });
  const { default: Sqlite } = await import('better-sqlite3');
  const database = new Sqlite(path, { timeout: busyTimeoutMs });
  try {
    database.defaultSafeIntegers(true);
    // In one snapshot: another process may be making the file at this moment
    database.transaction(refuseForeign)(database, path);
    database.pragma('journal_mode = WAL');
    // A commit that is lost with the power would give its revision, and so a fence, a second time.
    database.pragma('synchronous = FULL');
    database.transaction(create).immediate(database, path);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Folder by folder: Node's own recursive `mkdir` never returns where the file system answers ENOENT for ever, as /proc does. */
async function makeFolder(folder: string): Promise<void> {
  const make = async (): Promise<NodeJS.ErrnoException | null> =>
    mkdir(folder).then(
      () => null,
      (error: NodeJS.ErrnoException) => error,
    );
  let failure = await make();
  if (failure?.code === 'ENOENT' && dirname(folder) !== folder) {
    await makeFolder(dirname(folder));
    failure = await make();
  }
  if (failure !== null && !(failure.code === 'EEXIST' && (await stat(folder)).isDirectory())) throw failure;
}

function refuseForeign(database: Database, path: string): void {
  const id = Number(database.pragma('application_id', { simple: true }));
  const version = Number(database.pragma('user_version', { simple: true }));
  if (id === applicationId && version > formatVersion) {
    throw new SyncError(
      'CONFIG_INVALID',
      `The state file ${path} was written by a newer Idra (format ${version}, this one knows ${formatVersion}): update Idra, or name another file with --state.`,
      { file: path },
    );
  }
  if (id === applicationId) return;
  if (id !== 0 || version !== 0 || database.prepare('select 1 from sqlite_master limit 1').get() !== undefined) {
    throw new SyncError('CONFIG_INVALID', `${path} is a SQLite database of something else: name another file with --state.`, { file: path });
  }
}

function create(database: Database, path: string): void {
  // Another process may have made it between the first look and this transaction.
  refuseForeign(database, path);
  if (Number(database.pragma('application_id', { simple: true })) === applicationId) {
    database.prepare(shortenLeases).run({ now: BigInt(Date.now()) });
    return;
  }
  database.exec(schema);
  // Counted from the clock, so that a file that was deleted and made anew goes on above the fences that destinations have seen.
  database.prepare('insert into counter (id, revision) values (1, ?)').run(BigInt(Date.now()));
  database.pragma(`application_id = ${applicationId}`);
  database.pragma(`user_version = ${formatVersion}`);
}
