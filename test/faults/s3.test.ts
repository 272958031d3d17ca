/** I1 to I4 for objects: killed or frozen at every step of the protocol, the manifest names each row once; and a source of objects, killed likewise, loses and doubles none. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Report } from '../../lib/engine/report.ts';
import { column } from '../conformance/drive.ts';
import { manifestOf, readManifest, type S3World, s3World } from '../connectors/s3-harness.ts';
import { describeWith } from '../support/servers.ts';
import type { IdraProcess } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Orders, points } from './orders.ts';
import { reportOf, runHere, startChild } from './runs.ts';

const columns = [column('id', 'int64')];
const range = (to: number): string[] => Array.from({ length: to }, (_, i) => String(i + 1));

interface Sync extends AsyncDisposable {
  readonly folder: string;
  start(orders?: Partial<Orders>): IdraProcess;
  run(options?: Pick<Orders, 'fencing'>): Promise<Report>;
}

await describeWith(['s3'], 'kill and freeze with s3', () => {
  let world: S3World;
  let paths = 0;
  beforeAll(async () => {
    world = await s3World();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  async function makeSync(make: (folder: string) => Record<string, unknown>): Promise<Sync> {
    const folder = await temporaryFolder();
    const definitions = join(folder.path, 'syncs.json');
    const sync = { name: 'orders', batch: { rows: 500, bytes: '1MB' }, lock: { ttl: '1s', wait: '20s' }, ...make(folder.path) };
    const lake = world.connection as Record<string, unknown>;
    await writeFile(definitions, JSON.stringify({ connections: { file: { type: 'sqlite', path: join(folder.path, 'data.db') }, lake }, syncs: [sync] }));
    const orders = { definitions, sync: 'orders', store: { path: join(folder.path, 'state.db') } };
    return {
      folder: folder.path,
      start: (more) => startChild({ ...orders, ...more }),
      run: (more) => runHere({ ...orders, ...more }),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  }

  async function toObjects(path: string): Promise<Sync> {
    const sync = await makeSync(() => ({
      source: { connection: 'file', table: 'orders' },
      destination: { connection: 'lake', path, compression: 'gzip' },
      mode: 'id',
      cursor: { column: 'id' },
      write: 'insert',
    }));
    const database = new Database(join(sync.folder, 'data.db'));
    database.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY)');
    const insert = database.prepare('INSERT INTO orders VALUES (?)');
    database.transaction(() => {
      for (const id of range(1_700)) insert.run(id);
    })();
    database.close();
    return sync;
  }

  const ids = async (path: string): Promise<string[]> => (await readManifest(world, path, columns)).map(([id]) => String(id));

  it.each(points)('to objects, killed at %s: the next run completes the exact set', { timeout: 90_000 }, async (point) => {
    const path = `to-${++paths}/`;
    await using sync = await toObjects(path);
    await using child = sync.start({ point, nth: point.startsWith('claim') || point.startsWith('release') ? 1 : 2 });
    expect((await child.exited).signal).toBe('SIGKILL');
    expect(await sync.run()).toMatchObject({ status: 'succeeded', error: null, caughtUp: true });
    expect(await ids(path)).toEqual(range(1_700));
    expect(Number((await manifestOf(world, path)).seq)).toBe(4);
  });

  it.each(['claim:before', 'write:after', 'commit:before', 'checkpoint:before'] as const)(
    'to objects, frozen at %s and overtaken: the thawed process adds nothing',
    { timeout: 90_000 },
    async (point) => {
      const path = `to-${++paths}/`;
      await using sync = await toObjects(path);
      await using frozen = sync.start({ point, nth: point === 'claim:before' ? 1 : 2, action: 'SIGSTOP' });
      await frozen.line(/^at /);
      expect(await sync.run()).toMatchObject({ status: 'succeeded', caughtUp: true });
      frozen.resume();
      await frozen.exited;
      expect(['FENCED', 'LOCK_LOST']).toContain(reportOf(frozen).error?.code);
      expect(await ids(path)).toEqual(range(1_700));
    },
  );

  it('bites: with fences switched off the thawed process doubles rows', { timeout: 90_000 }, async () => {
    const path = `to-${++paths}/`;
    await using sync = await toObjects(path);
    await using frozen = sync.start({ point: 'commit:before', nth: 2, action: 'SIGSTOP', fencing: false });
    await frozen.line(/^at /);
    await sync.run({ fencing: false });
    frozen.resume();
    await frozen.exited;
    expect((await ids(path)).length).toBeGreaterThan(1_700);
  });

  it.each(['commit:before', 'commit:after', 'checkpoint:before', 'checkpoint:after'] as const)(
    'from objects, killed at %s: the next run completes the exact set',
    { timeout: 90_000 },
    async (point) => {
      const path = `from-${++paths}/`;
      for (let at = 0; at < 4; at++) {
        await world.put(
          `${path}${9 - at}.jsonl`,
          range(1_600)
            .slice(at * 400, at * 400 + 400)
            .map((id) => `{"id":${id}}\n`)
            .join(''),
        );
      }
      await using sync = await makeSync(() => ({
        source: { connection: 'lake', path },
        destination: { connection: 'file', table: 'copy' },
        mode: 'stream',
        write: 'insert',
        batch: { rows: 300, bytes: '1MB' },
      }));
      await using child = sync.start({ point, nth: 3 });
      expect((await child.exited).signal).toBe('SIGKILL');
      expect(await sync.run()).toMatchObject({ status: 'succeeded', error: null, caughtUp: true });
      await world.put(`${path}0.jsonl`, '{"id":1601}');
      expect(await sync.run()).toMatchObject({ status: 'succeeded', read: 1 });
      const database = new Database(join(sync.folder, 'data.db'));
      const found = database.prepare('SELECT id FROM copy ORDER BY id').raw().all() as number[][];
      database.close();
      expect(found.map(([id]) => String(id))).toEqual(range(1_601));
    },
  );
});
