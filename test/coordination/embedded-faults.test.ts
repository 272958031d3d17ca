/** What can befall the state file: each with an error that names it and says what to do, and no harm to what is not ours. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedStore } from '../../lib/coordination/embedded/store.ts';
import type { KvStore } from '../../lib/coordination/kv.ts';
import { lockManager } from '../../lib/coordination/lock.ts';
import { codeOf, errorOf, hold, release, request } from '../conformance/coordination-support.ts';
import { program } from '../support/programs.ts';
import { spawnIdra } from '../support/spawn-idra.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';

const child = await program('coordination-child');

describe('state file', () => {
  let folder: TemporaryFolder;
  let path: string;
  beforeEach(async () => {
    folder = await temporaryFolder();
    path = join(folder.path, 'state.db');
  });
  afterEach(() => folder[Symbol.asyncDispose]());

  const put = (store: KvStore, key: string, value = 'x') => store.txn({ compare: [], success: [{ op: 'put', key, value }] });
  const make = async (): Promise<void> => {
    await using store = await EmbeddedStore.open(path);
    await put(store, 'a');
  };

  it('keeps its keys, counters and format from one opening to the next', async () => {
    await make();
    await using store = await EmbeddedStore.open(path);
    const { results, revision } = await store.txn({ compare: [], success: [{ op: 'get', key: 'a' }] });
    expect(results[0]?.[0]).toMatchObject({ value: 'x', modRevision: revision });
  });

  it('goes on above the fences of a file that was deleted', async () => {
    await make();
    await using before = await EmbeddedStore.open(path);
    const { revision } = await put(before, 'b');
    path = join(folder.path, 'anew.db');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await using store = await EmbeddedStore.open(path);
    expect((await put(store, 'a')).revision).toBeGreaterThan(revision);
  });

  it('can be made by several processes at once', { timeout: 20_000 }, async () => {
    const options = JSON.stringify({ path });
    const children = Array.from({ length: 4 }, (_, n) => spawnIdra(child, { arguments: [options, 'leave', `resource-${n}`] }));
    for (const each of children) expect(await each.exited, each.stderr.join('\n')).toEqual({ code: 0, signal: null });
  });

  it('is refused where it is a database of something else, which is left as it is', async () => {
    const database = new Sqlite(path);
    database.exec('create table customers (id integer)');
    database.close();
    const before = await readFile(path);
    expect(await errorOf(EmbeddedStore.open(path))).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining(path) });
    expect(await readFile(path)).toEqual(before);
  });

  it('is refused where a newer Idra wrote it', async () => {
    await make();
    const database = new Sqlite(path);
    database.pragma('user_version = 2');
    database.close();
    const error = await errorOf(EmbeddedStore.open(path));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', retry: 'never' });
    expect(error.message).toContain('format 2');
  });

  it('is named where it is damaged, or is no database', async () => {
    await make();
    const pages = await readFile(path);
    // The header stays; the pages with the tables do not.
    await writeFile(path, Buffer.concat([pages.subarray(0, 4096), Buffer.alloc(pages.length - 4096, 0xa5)]));
    const damaged = await errorOf(
      EmbeddedStore.open(path).then(async (store) => {
        await using opened = store;
        await put(opened, 'a');
      }),
    );
    expect(damaged).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'never', message: expect.stringContaining(path) });
    await writeFile(path, 'syncs:\n  - name: orders\n'.repeat(100));
    expect(await errorOf(EmbeddedStore.open(path))).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'never', message: expect.stringContaining('damaged') });
    expect(await readFile(path, 'utf8')).toContain('orders');
  });

  it('is named where it cannot be made', async () => {
    await mkdir(path);
    expect(await errorOf(EmbeddedStore.open(path))).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('is not a file') });
    await writeFile(join(folder.path, 'file'), '');
    expect(await codeOf(EmbeddedStore.open(join(folder.path, 'file', 'state.db')))).toBe('CONFIG_INVALID');
  });

  it('is named where it may not be written', async () => {
    // Permissions do not hold for root, but nobody makes a folder in /sys.
    const closed = process.getuid?.() === 0 && existsSync('/sys') ? '/sys/idra' : join(folder.path, 'closed');
    if (!closed.startsWith('/sys')) {
      await mkdir(closed);
      await chmod(closed, 0o500);
    }
    const error = await errorOf(EmbeddedStore.open(join(closed, 'state.db')));
    expect(error).toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringContaining(join(closed, 'state.db')) });
  });

  it.skipIf(!mayMount())('is named where the disk is full, and goes on when it no longer is', async () => {
    const disk = join(folder.path, 'disk');
    await mkdir(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]);
    try {
      path = join(disk, 'state.db');
      await using store = await EmbeddedStore.open(path);
      const fill = async (): Promise<void> => {
        for (let n = 0; ; n++) await put(store, `key-${n}`, 'x'.repeat(20_000));
      };
      expect(await errorOf(fill())).toMatchObject({ code: 'DISK_FULL', message: expect.stringContaining(path) });
      execFileSync('mount', ['-o', 'remount,size=2m', disk]);
      await put(store, 'after');
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });

  it('waits for another process that writes, without blocking this one, and no longer than its time', async () => {
    await make();
    await using store = await EmbeddedStore.open(path, { timeoutMs: 600 });
    const writer = new Sqlite(path);
    try {
      writer.exec('begin immediate');
      let ticks = 0;
      const ticking = setInterval(() => {
        ticks += 1;
      }, 10);
      const begin = performance.now();
      const error = await errorOf(put(store, 'b'));
      clearInterval(ticking);
      expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'backoff', message: expect.stringContaining(path) });
      expect(performance.now() - begin).toBeLessThan(1_500);
      expect(ticks).toBeGreaterThan(5);
      // Readers are never kept out.
      expect((await store.txn({ compare: [], success: [{ op: 'get', key: 'a' }] })).results[0]).toHaveLength(1);
      const waiting = put(store, 'b');
      await new Promise((resolve) => setTimeout(resolve, 200));
      writer.exec('commit');
      await waiting;
    } finally {
      writer.close();
    }
  });

  it('takes the lock from a process whose event loop stood still for longer than its lease', async () => {
    await using store = await EmbeddedStore.open(path);
    await using other = await EmbeddedStore.open(path);
    const lock = await hold(lockManager(store), 'orders', { ttlSeconds: 1 });
    const end = performance.now() + 3_000;
    while (performance.now() < end);
    const next = await lockManager(other).acquire(request('orders'));
    expect(next.held).toBe(true);
    expect(lock.validUntil).toBeLessThan(Date.now());
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(lock.lost.reason).toMatchObject({ code: 'LOCK_LOST' });
    await release(lock);
    if (next.held) await release(next.lock);
  });
});

/** Full disks are made of small ones; that takes root, and a machine that lets it mount. */
function mayMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
