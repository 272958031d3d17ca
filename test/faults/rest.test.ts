/**
 * Killed at every step of the protocol, with a service at either end. As a destination it has no transaction and keeps no position: what a batch had sent is sent again, under the same keys. A service that knows the key by the
 * address, or honours Idempotency-Key, has each record once; one that does neither has the records of one batch twice at most for each kill.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import type { Report } from '../../lib/engine/report.ts';
import { pages, Resources } from '../support/http/handlers.ts';
import type { Recorded } from '../support/http/reply.ts';
import { HttpFaultServer } from '../support/http-fault-server.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Orders, type Point, points } from './orders.ts';
import { runHere, startChild } from './runs.ts';

const batchRows = 20;
const total = 70;

class RestWorld implements AsyncDisposable {
  readonly server: HttpFaultServer;
  readonly resources = new Resources();
  /** Bodies of every POST that came, honoured or not. */
  readonly plain: string[] = [];
  readonly db: Database.Database;
  readonly #folder: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: { stack: AsyncDisposableStack; folder: string; server: HttpFaultServer; db: Database.Database }) {
    this.#stack = parts.stack;
    this.#folder = parts.folder;
    this.server = parts.server;
    this.db = parts.db;
    for (const method of ['PUT', 'DELETE'] as const) this.server.route(`${method} /orders/*`, this.resources.handle);
    this.server.route('POST /orders', this.resources.handle);
    this.server.route('POST /plain', ({ body }: Recorded) => {
      this.plain.push(body);
      return { status: 201, json: {} };
    });
    this.server.route(
      'GET /orders',
      pages(() => Array.from({ length: total }, (_, i) => ({ id: i + 1, note: `note ${i + 1} ☕` })), { paging: 'page', size: 5 }),
    );
  }

  static async make(): Promise<RestWorld> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const server = stack.use(await HttpFaultServer.listen());
    const db = new Database(join(folder, 'data.db'));
    stack.defer(() => {
      db.close();
    });
    db.pragma('journal_mode = WAL');
    db.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT); CREATE TABLE copy (id INTEGER, note TEXT)');
    const insert = db.prepare('INSERT INTO orders VALUES (?, ?)');
    for (let id = 1; id <= total; id++) insert.run(id, `note ${id} ☕`);
    const common = { batch: { rows: batchRows, bytes: '1MB' }, lock: { ttl: '1s', wait: '20s' } };
    const table = { connection: 'file', table: 'orders' };
    const byId = { mode: 'id', cursor: { column: 'id' } };
    const definitions = {
      connections: { file: { type: 'sqlite', path: join(folder, 'data.db') }, api: { type: 'rest', url: server.url, allowPrivate: true } },
      syncs: [
        { name: 'put', ...common, ...byId, source: table, destination: { connection: 'api', path: '/orders/{id}' }, write: 'upsert' },
        { name: 'post', ...common, ...byId, source: table, destination: { connection: 'api', path: '/orders' }, write: 'insert' },
        { name: 'plain', ...common, ...byId, source: table, destination: { connection: 'api', path: '/plain' }, write: 'insert' },
        {
          name: 'pull',
          ...common,
          mode: 'full',
          source: { connection: 'api', path: '/orders', records: 'data', pagination: { type: 'page' } },
          destination: { connection: 'file', table: 'copy' },
          write: 'insert',
        },
      ],
    };
    await writeFile(join(folder, 'syncs.json'), JSON.stringify(definitions));
    return new RestWorld({ stack, folder, server, db });
  }

  #orders(sync: string): Orders {
    return { definitions: join(this.#folder, 'syncs.json'), sync, store: { path: join(this.#folder, 'state.db') } };
  }

  async kill(sync: string, point: Point): Promise<void> {
    await using child = startChild({ ...this.#orders(sync), point, nth: point.startsWith('claim') || point.startsWith('release') ? 1 : 2 });
    expect((await child.exited).signal, child.stderr.join('\n')).toBe('SIGKILL');
    expect(child.stdout).toContain(`at ${point}`);
  }

  run(sync: string): Promise<Report> {
    return runHere(this.#orders(sync));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const idsOf = (bodies: readonly unknown[]): number[] =>
  bodies.map((body) => (typeof body === 'string' ? JSON.parse(body) : body).id as number).sort((a, b) => a - b);
const all = Array.from({ length: total }, (_, i) => i + 1);

describe('kill -9, destination REST', { timeout: 180_000 }, () => {
  it.each(points)('at %s: PUT by key has each record once, Idempotency-Key too, a plain POST at most one batch twice', async (point) => {
    await using world = await RestWorld.make();
    const killAndRun = async (sync: string): Promise<void> => {
      await world.kill(sync, point);
      expect(await world.run(sync)).toMatchObject({ status: 'succeeded', error: null, caughtUp: true });
    };
    await Promise.all(['put', 'post', 'plain'].map(killAndRun));
    expect([...world.resources.byId.keys()].map(Number)).toEqual(all);
    expect(idsOf(world.resources.posted)).toEqual(all);
    const sent = idsOf(world.plain);
    expect([...new Set(sent)]).toEqual(all);
    // Between the first call of a batch and its checkpoint nothing tells that it was sent
    const between = ['write:after', 'commit:before', 'commit:after', 'checkpoint:before'].includes(point);
    expect(sent.length - total).toBe(between ? batchRows : 0);
  });
});

describe('kill -9, source REST', { timeout: 180_000 }, () => {
  it.each(points)('at %s: every record once', async (point) => {
    await using world = await RestWorld.make();
    await world.kill('pull', point);
    const report = await world.run('pull');
    expect(report).toMatchObject({ status: 'succeeded', error: null, caughtUp: true });
    const found = world.db.prepare('SELECT id FROM copy ORDER BY id').pluck().all();
    // A full pass that had ended begins anew
    expect(found).toEqual(point === 'release:before' ? all.flatMap((id) => [id, id]) : all);
  });
});
