/** The file itself: missing, locked, full, read-only, no database; affinities of tables that are there; what is kept after a kill. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireNode, retryBusy } from '../../lib/connectors/sqlite/database.ts';
import { sqliteError } from '../../lib/connectors/sqlite/errors.ts';
import { connector } from '../../lib/connectors/sqlite/index.ts';
import type { LogicalType, Schema, Value } from '../../lib/values/types.ts';
import { batchOf, chunkOf, column, destinationOf, failure, openSource, openWriter, readTable, writeAll } from '../conformance/drive.ts';
import type { Harness } from '../conformance/harness.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';
import { sqliteHarness } from './sqlite-harness.ts';

const items: Schema = { name: 'items', columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] };

describe('the file', () => {
  let folder: TemporaryFolder;
  let base: Harness;
  beforeAll(async () => {
    folder = await temporaryFolder();
    base = await sqliteHarness();
  });
  afterAll(async () => {
    await base[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });
  const at = (name: string): Harness => ({ ...base, connection: { type: 'sqlite', path: join(folder.path, name) } });
  const signal = new AbortController().signal;

  it('says that Node is too old before it loads the driver', () => {
    expect(() => requireNode('20.19.0')).toThrow(/Node 22.*Node 20\.19\.0/);
    expect(() => requireNode('22.15.0')).not.toThrow();
  });

  it('is made by a write alone, in WAL mode', async () => {
    const harness = at('new.db');
    const path = (harness.connection as { path: string }).path;
    await failure(() => openSource(harness, 'items'), 'NOT_FOUND', 'new.db');
    expect(await connector.check(harness.connection, signal)).toMatchObject({ absent: { code: 'NOT_FOUND', message: expect.stringContaining('new.db') } });
    const destination = await destinationOf(harness, 'items');
    expect(await destination.state()).toBeNull();
    expect(await destination.max?.(['id'])).toBeNull();
    expect(await destination.deadLetters?.()).toEqual([]);
    expect(await destination.prepare(items, { dryRun: true })).toMatchObject({ existed: false, hasRows: false });
    expect(existsSync(path)).toBe(false);
    await destination.prepare(items);
    await destination[Symbol.asyncDispose]();
    const file = new Database(path);
    expect(file.pragma('journal_mode', { simple: true })).toBe('wal');
    file.close();
    await failure(() => destinationOf(at('no/folder.db'), 'items').then((each) => each.prepare(items)), 'NOT_FOUND', 'no/folder.db');
  });

  it('keeps the journal mode of a file that is there', async () => {
    const harness = at('old.db');
    const file = new Database((harness.connection as { path: string }).path);
    file.exec('CREATE TABLE items (id INTEGER PRIMARY KEY, v TEXT)');
    await writeAll(harness, items, [['1', 'x']]);
    expect(file.pragma('journal_mode', { simple: true })).toBe('delete');
    file.close();
  });

  it('names what is no database, a folder, and a file that may not be written', async () => {
    await writeFile(join(folder.path, 'text.db'), 'This is no database at all. '.repeat(100));
    await mkdir(join(folder.path, 'folder.db'));
    await failure(() => connector.check(at('text.db').connection, signal), 'CONNECTION_FAILED', 'text.db', 'SQLITE_NOTADB');
    await failure(() => connector.check(at('folder.db').connection, signal), 'CONNECTION_FAILED', 'folder.db', 'is a folder');
    const harness = at('readonly.db');
    const path = (harness.connection as { path: string }).path;
    const file = new Database(path);
    file.exec("CREATE TABLE items (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO items VALUES (1, 'x')");
    file.close();
    // Permissions mean nothing to root, so the file refuses by itself
    const guard = new Database(path);
    guard.exec("CREATE TRIGGER no BEFORE INSERT ON items BEGIN SELECT RAISE(ABORT, 'not today'); END");
    guard.close();
    await failure(() => writeAll(harness, items, [['2', 'y']]), 'ROW_REJECTED', 'items', 'not today');
    await chmod(path, 0o444);
    expect((await connector.check(harness.connection, signal)).read).toContain('1 table');
    await chmod(path, 0o644);
  });

  it('waits for another writer, and says CONFLICT after a while', async () => {
    const harness = at('busy.db');
    await writeAll(harness, items, [['1', 'x']]);
    const other = new Database((harness.connection as { path: string }).path);
    other.exec('BEGIN IMMEDIATE');
    const writing = writeAll(harness, items, [['2', 'y']]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(other.prepare('SELECT count(*) FROM items').pluck().get()).toBe(1);
    other.exec('COMMIT');
    expect(await writing).toMatchObject({ written: 1 });
    other.exec('BEGIN IMMEDIATE');
    const second = new Database((harness.connection as { path: string }).path, { timeout: 0 });
    await expect(retryBusy(() => second.exec('BEGIN IMMEDIATE'), 50)).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
    second.close();
    other.exec('ROLLBACK');
    other.close();
  });

  it('reads one snapshot while others write', async () => {
    const harness = at('snapshot.db');
    await writeAll(
      harness,
      items,
      Array.from({ length: 5_000 }, (_, i) => [String(i), 'old']),
    );
    const other = new Database((harness.connection as { path: string }).path);
    await using source = await openSource(harness, 'items');
    const seen: unknown[] = [];
    for await (const chunk of source.read({ from: null, maxRows: 100, maxBytes: 1_000_000 }, signal)) {
      if (seen.length === 0) other.exec("UPDATE items SET v = 'new'; DELETE FROM items WHERE id > 4000");
      if (chunk.kind === 'rows') seen.push(...chunk.rows.map(([, v]) => v));
    }
    other.close();
    expect(seen).toEqual(Array.from({ length: 5_000 }, () => 'old'));
  });

  it('knows a full and a damaged file by their codes', async () => {
    const harness = at('full.db');
    const path = (harness.connection as { path: string }).path;
    await writeAll(
      harness,
      items,
      Array.from({ length: 2_000 }, (_, i) => [String(i), 'x'.repeat(100)]),
    );
    const file = new Database(path);
    file.pragma('wal_checkpoint(TRUNCATE)');
    file.pragma(`max_page_count = ${file.pragma('page_count', { simple: true })}`);
    let full: unknown;
    try {
      for (let i = 0; i < 100; i++) file.prepare('INSERT INTO items VALUES (?, ?)').run(10_000 + i, 'x'.repeat(1_000));
    } catch (error) {
      full = error;
    }
    file.close();
    expect(sqliteError(full, 'write to items')).toMatchObject({ code: 'DISK_FULL', retry: 'backoff' });
    const handle = await open(path, 'r+');
    await handle.write(Buffer.alloc(40_000, 0xab), 0, 40_000, 8_192);
    await handle.close();
    await failure(() => readTable(harness, 'items'), 'CONNECTION_FAILED', 'SQLITE_CORRUPT');
  });
});

describe('affinities of a table that is there', () => {
  let harness: Harness;
  let database: Database.Database;
  beforeAll(async () => {
    harness = await sqliteHarness();
    database = new Database((harness.connection as { path: string }).path);
    database.defaultSafeIntegers();
  });
  afterAll(async () => {
    database.close();
    await harness[Symbol.asyncDispose]();
  });

  const decimal: LogicalType = { kind: 'decimal', precision: 38, scale: 20 };
  const write = async (declared: string, type: LogicalType, value: Value): Promise<unknown> => {
    database.exec(`DROP TABLE IF EXISTS there; CREATE TABLE there (id INTEGER PRIMARY KEY, v ${declared})`);
    await writeAll(harness, { name: 'there', columns: [column('id', 'int64', false), column('v', type)], key: ['id'] }, [['7', value]], {
      sync: `${declared} ${Math.random()}`,
    });
    return database.prepare('SELECT v FROM there').pluck().get();
  };

  it.each<[string, LogicalType, Value, unknown]>([
    ['DECIMAL(10,2)', decimal, '19.90', 19.9],
    ['DECIMAL(10,2)', decimal, '5.00', 5n],
    ['DECIMAL(38,0)', decimal, '9223372036854775807', 9223372036854775807n],
    ['TEXT', decimal, '500.00000000000000000000', '500.00000000000000000000'],
    ['INTEGER', decimal, '12.000', 12n],
    ['INTEGER', { kind: 'boolean' }, true, 1n],
    ['TEXT', { kind: 'int64' }, 12, '12'],
    ['', { kind: 'int64' }, 12, 12n],
    ['', { kind: 'string' }, '12', '12'],
    ['', { kind: 'float64' }, '-0', -0],
    ['STRING', { kind: 'string' }, 'abc', 'abc'],
    ['DATETIME', { kind: 'timestamp', fraction: 6, zoned: false }, '2024-01-01 00:00:00', '2024-01-01 00:00:00'],
    ['JSON', { kind: 'json' }, '[1]', '[1]'],
    ['NUMERIC', { kind: 'int64' }, '9007199254740993', 9007199254740993n],
  ])('%s takes %o %s', async (declared, type, value, stored) => {
    expect(await write(declared, type, value)).toEqual(stored);
  });

  it.each<[string, LogicalType, Value]>([
    ['DECIMAL(10,2)', decimal, '12345678901234567.10'],
    ['DECIMAL(10,2)', decimal, '-0.12345678901234567891'],
    ['DECIMAL(38,0)', decimal, '9223372036854775809'],
    ['INTEGER', decimal, '12.5'],
    ['INTEGER', { kind: 'uint64' }, '9223372036854775808'],
    ['STRING', { kind: 'string' }, '007'],
    ['STRING', { kind: 'string' }, ' 1e5 '],
    ['JSON', { kind: 'json' }, '1.0'],
    ['REAL', { kind: 'float64' }, '-0'],
    ['REAL', { kind: 'float64' }, 'NaN'],
  ])('%s refuses %o %s', async (declared, type, value) => {
    const error = await failure(() => write(declared, type, value), 'VALUE_UNREPRESENTABLE', 'there', 'v', '7');
    expect(error.place).toMatchObject({ table: 'there', column: 'v', key: '7' });
    expect(database.prepare('SELECT count(*) FROM there').pluck().get()).toBe(0n);
  });

  it('hands native types to another SQLite file', async () => {
    database.exec(
      'DROP TABLE IF EXISTS native; CREATE TABLE native (id INTEGER PRIMARY KEY, price DECIMAL(10,2), at DATETIME, ref UUID, name VARCHAR(9), bare, epoch DATETIME)',
    );
    database.exec("INSERT INTO native VALUES (1, '19.90', '2024-01-01T00:00:00Z', 'ABCDEF00-0000-0000-0000-000000000000', 'x', 5, 1700000000)");
    const { schema, rows } = await readTable(harness, 'native', { peer: 'sqlite' });
    await writeAll(harness, { ...schema, name: 'copy' }, rows, { peer: 'sqlite' });
    const ddl = database.prepare("SELECT group_concat(type) FROM pragma_table_info('copy')").pluck().get();
    expect(ddl).toBe(database.prepare("SELECT group_concat(type) FROM pragma_table_info('native')").pluck().get()?.toString().replace(',,', ',INTEGER,'));
    expect(database.prepare('SELECT * FROM copy').raw().get()).toEqual(database.prepare('SELECT * FROM native').raw().get());
  });

  it('refuses a key that folds case, and a replace that would cascade', async () => {
    database.exec('CREATE TABLE folded (id TEXT COLLATE NOCASE PRIMARY KEY, v TEXT)');
    const folded: Schema = { name: 'folded', columns: [column('id', 'string', false), column('v', 'string')], key: ['id'] };
    await failure(() => writeAll(harness, folded, [], { write: 'upsert' }), 'SCHEMA_MISMATCH', 'folded');
    database.exec('CREATE TABLE parent (id INTEGER PRIMARY KEY, v TEXT); CREATE TABLE child (p REFERENCES parent (id) ON DELETE CASCADE)');
    database.exec("INSERT INTO parent VALUES (1, 'x'); INSERT INTO child VALUES (1)");
    await failure(() => writeAll(harness, { ...items, name: 'parent' }, [], { write: 'replace' }), 'SCHEMA_MISMATCH', 'parent', 'child');
    expect(database.prepare('SELECT count(*) FROM child').pluck().get()).toBe(1n);
  });

  it('adds columns to a STRICT table in the types that it takes', async () => {
    database.exec('CREATE TABLE strict (id INTEGER PRIMARY KEY) STRICT');
    const schema: Schema = {
      name: 'strict',
      columns: [column('id', 'int64', false), column('price', decimal), column('at', 'timestamp'), column('flag', 'boolean'), column('raw', 'bytes')],
      key: ['id'],
    };
    await writeAll(harness, schema, [['1', '1.50', '2024-01-01 00:00:00', true, new Uint8Array([1])]]);
    expect(database.prepare('SELECT price, at, flag, hex(raw) FROM strict').raw().get()).toEqual(['1.50', '2024-01-01 00:00:00', 1n, '01']);
  });

  it('commits nothing after an error until the batch is discarded', async () => {
    await using broken = await openWriter(harness, { ...items, name: 'broken' });
    await broken.writer.write(chunkOf([['1', 'x']]));
    await failure(() => broken.writer.write(chunkOf([['1', 'again']])), 'ROW_REJECTED', '1');
    await failure(() => broken.writer.commit(batchOf('x')), 'INTERNAL');
    await broken.writer.discard();
    await broken.writer.write(chunkOf([['2', 'y']]));
    expect(await broken.writer.commit(batchOf('y'))).toMatchObject({ written: 1 });
    expect(database.prepare('SELECT id FROM broken').pluck().all()).toEqual([2n]);
  });
});
