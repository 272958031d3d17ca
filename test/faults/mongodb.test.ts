/**
 * MongoDB killed and frozen at every step. As a destination on a replica set: rows without any key, each of them once, since rows and state are one transaction. On a standalone server: by key, every row there with its newest
 * value, whatever was written twice. As a source: the change stream goes on exactly where the destination stands.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type Collection, type Db, MongoClient } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { loadDefinitions } from '../../lib/config/load.ts';
import { encodeStream } from '../../lib/connectors/mongodb/cursor.ts';
import { createOpener } from '../../lib/connectors/open.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { Report } from '../../lib/engine/report.ts';
import { setPosition } from '../../lib/engine/set-position.ts';
import { freshDatabase } from '../support/fresh.ts';
import { between, seeded } from '../support/proxy/random.ts';
import { hasTransactions, isReplicaSet } from '../support/servers/mongodb.ts';
import { describeWith } from '../support/servers.ts';
import type { IdraProcess } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Orders, points } from './orders.ts';
import { reportOf, runHere, startChild } from './runs.ts';

interface Stored {
  readonly _id: number;
  note: string;
}

/** A MongoDB database of its own and a SQLite file, a sync between the two, and children that run it. */
class MongodbWorld implements AsyncDisposable {
  readonly db: Db;
  readonly sqlite: Database.Database;
  readonly definitions: string;
  readonly store: { readonly path: string };
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: { stack: AsyncDisposableStack; db: Db; sqlite: Database.Database; folder: string }) {
    this.#stack = parts.stack;
    this.db = parts.db;
    this.sqlite = parts.sqlite;
    this.definitions = join(parts.folder, 'syncs.json');
    this.store = { path: join(parts.folder, 'state.db') };
  }

  static async make(sync: object): Promise<MongodbWorld> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const fresh = stack.use(await freshDatabase('mongodb'));
    const client = new MongoClient(fresh.url);
    stack.defer(() => client.close());
    const sqlite = new Database(join(folder, 'orders.db'));
    stack.defer(() => void sqlite.close());
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('busy_timeout = 5000');
    const world = new MongodbWorld({ stack, db: client.db(fresh.name), sqlite, folder });
    const connections = { file: { type: 'sqlite', path: join(folder, 'orders.db') }, mongo: { type: 'mongodb', url: fresh.url } };
    const common = { name: 'orders', batch: { rows: 200, bytes: '1MB' }, lock: { ttl: '2s', wait: '30s' } };
    await writeFile(world.definitions, JSON.stringify({ connections, syncs: [{ ...common, ...sync }] }));
    return world;
  }

  start(orders: Partial<Orders> = {}): IdraProcess {
    return startChild({ definitions: this.definitions, sync: 'orders', store: this.store, ...orders });
  }

  run(): Promise<Report> {
    return runHere({ definitions: this.definitions, sync: 'orders', store: this.store });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const done = { status: 'succeeded', error: null, caughtUp: true };
const exact = { missing: [], doubled: [], foreign: [] };

await describeWith(['mongodb'], 'mongodb under faults', ({ mongodb }) => {
  describe('as a destination', () => {
    const sync = {
      source: { connection: 'file', table: 'orders' },
      destination: { connection: 'mongo', collection: 'copy' },
      mode: 'id',
      cursor: { column: 'id' },
      ...(hasTransactions(mongodb) ? { write: 'insert' } : { write: 'upsert', key: ['id'] }),
    };
    const make = async (): Promise<MongodbWorld> => {
      const world = await MongodbWorld.make(sync);
      // There already, and without an index by which a doubled row would be refused
      if (hasTransactions(mongodb)) await world.db.createCollection('copy');
      world.sqlite.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)');
      return world;
    };
    const grow = ({ sqlite }: MongodbWorld, count: number): void =>
      void sqlite.exec(
        `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
         INSERT INTO orders SELECT coalesce((SELECT max(id) FROM orders), 0) + i, 'note ' || (coalesce((SELECT max(id) FROM orders), 0) + i) FROM n`,
      );
    const difference = async ({ sqlite, db }: MongodbWorld): Promise<{ missing: number[]; doubled: number[]; foreign: number[] }> => {
      const wanted = new Map(sqlite.prepare('SELECT id, note FROM orders').raw(true).all() as [number, string][]);
      const found = new Map<number, number>();
      const foreign: number[] = [];
      for (const { id, note } of await db.collection('copy').find().toArray()) {
        found.set(Number(id), (found.get(Number(id)) ?? 0) + 1);
        if (wanted.get(Number(id)) !== note) foreign.push(Number(id));
      }
      return {
        missing: [...wanted.keys()].filter((id) => !found.has(id)),
        doubled: [...found].filter(([, count]) => count > 1).map(([id]) => id),
        foreign,
      };
    };
    const seqOf = async ({ db }: MongodbWorld): Promise<number> => Number((await db.collection('_idra_state').findOne({}))?.seq ?? 0);

    it.each(points)('kill -9 at %s: the next run completes the exact set', { timeout: 60_000 }, async (point) => {
      await using world = await make();
      grow(world, 900);
      await using child = world.start({ point, nth: point.startsWith('claim') || point.startsWith('release') ? 1 : 2 });
      expect((await child.exited).signal).toBe('SIGKILL');
      expect(child.stdout).toContain(`at ${point}`);
      const before = await seqOf(world);
      const report = await world.run();
      expect(report).toMatchObject(done);
      expect(await difference(world)).toEqual(exact);
      expect(await seqOf(world)).toBe(before + report.batches);
    });

    it('kill -9 at random moments while the source grows', { timeout: 120_000 }, async () => {
      const random = seeded(20_261_122);
      await using world = await make();
      let killed = 0;
      let last = 0;
      for (let round = 0; killed < 6; round++) {
        if (round > 30) throw new Error(`only ${killed} of ${round} processes could be killed in time`);
        grow(world, 2_000);
        await using child = world.start();
        const exited = child.exited.then(() => true);
        const reading = child.line(/^reading/, 60_000).then(
          () => true,
          () => false,
        );
        if (!(await reading)) continue;
        if (await Promise.race([exited, new Promise<false>((turn) => setTimeout(() => turn(false), between(random, [0, 400])))])) continue;
        await child.kill();
        killed++;
        const seq = await seqOf(world);
        expect(seq).toBeGreaterThanOrEqual(last);
        last = seq;
      }
      expect(await world.run()).toMatchObject(done);
      expect(await difference(world)).toEqual(exact);
    });

    it.each(['write:after', 'commit:before', 'commit:after', 'checkpoint:before'] as const)(
      'frozen at %s past its lease: the next run completes, and the zombie writes nothing more',
      { timeout: 60_000 },
      async (point) => {
        await using world = await make();
        grow(world, 900);
        // Without transactions a batch whose writes are under way goes on with them: before the first write none is
        const nth = point === 'write:after' && !hasTransactions(mongodb) ? 1 : 2;
        await using zombie = world.start({ point, nth, action: 'SIGSTOP' });
        await zombie.line(new RegExp(`^at ${point}`), 60_000);
        await new Promise((turn) => setTimeout(turn, 2_200));
        expect(await world.run()).toMatchObject(done);
        // Newer than what the zombie holds
        world.sqlite.exec("UPDATE orders SET note = 'changed'");
        await world.db.collection('copy').updateMany({}, { $set: { note: 'changed' } });
        zombie.resume();
        await zombie.exited;
        expect(reportOf(zombie).status).toBe('failed');
        expect(await difference(world)).toEqual(exact);
      },
    );
  });

  describe('as a source of changes', () => {
    const sync = {
      source: { connection: 'mongo', collection: 'orders' },
      destination: { connection: 'file', table: 'copy' },
      mode: 'stream',
      write: 'upsert',
      key: ['_id'],
      batch: { rows: 60, bytes: '1MB' },
    };
    const setUp = async (): Promise<{ world: MongodbWorld; orders: Collection<Stored> }> => {
      const world = await MongodbWorld.make(sync);
      const orders = world.db.collection<Stored>('orders');
      await orders.insertMany(Array.from({ length: 200 }, (_, _id) => ({ _id, note: `note ${_id}` })));
      if (!isReplicaSet(mongodb)) await givePosition(world, orders);
      return { world, orders };
    };
    /** Inserts, updates, replacements and deletes, some of them of the same document. */
    const change = async (orders: Collection<Stored>, round: number): Promise<void> => {
      const base = 1_000 * (round + 1);
      await orders.insertMany(Array.from({ length: 100 }, (_, i) => ({ _id: base + i, note: `round ${round}` })));
      await orders.updateMany({ _id: { $lt: 40 } }, { $set: { note: `updated ${round}` } });
      for (let i = 0; i < 20; i++) await orders.replaceOne({ _id: base + i }, { note: `replaced ${round}` });
      await orders.deleteMany({ _id: { $gte: base + 10, $lt: base + 30 } });
      await orders.insertOne({ _id: base + 15, note: 'again' });
    };
    const difference = async ({ sqlite }: MongodbWorld, orders: Collection<Stored>): Promise<unknown[]> => {
      const wanted = (await orders.find({}, { sort: { _id: 1 } }).toArray()).map(({ _id, note }) => [Number(_id), note]);
      return [sqlite.prepare('SELECT _id, note FROM copy ORDER BY _id').raw(true).all(), wanted];
    };

    it.each(['write:after', 'commit:before', 'commit:after', 'checkpoint:before', 'checkpoint:after'] as const)(
      'kill -9 at %s, within the snapshot and within the changes: nothing is lost or comes back',
      { timeout: 60_000 },
      async (point) => {
        const { world, orders } = await setUp();
        await using _ = world;
        for (const round of [0, 1]) {
          await using child = world.start({ point, nth: 2 });
          expect((await child.exited).signal).toBe('SIGKILL');
          expect(child.stdout).toContain(`at ${point}`);
          await change(orders, round);
        }
        expect(await world.run()).toMatchObject(done);
        const [found, wanted] = await difference(world, orders);
        expect(found).toEqual(wanted);
        expect(await world.run()).toMatchObject({ ...done, written: 0, deleted: 0 });
      },
    );
  });
});

/** The stand-in gives a position with an event alone: one from before the snapshot is made by an event, and set as the position to begin the snapshot from. */
async function givePosition(world: MongodbWorld, orders: Collection<Stored>): Promise<void> {
  const stream = orders.watch([], { maxAwaitTimeMS: 50 });
  await stream.tryNext();
  await orders.insertOne({ _id: 500, note: 'first' });
  const { _id: token } = await stream.next();
  await stream.close();
  const cursor = encodeStream('orders', { position: { token, startAfter: false }, after: null });
  const definitions = await loadDefinitions(world.definitions);
  const [definition] = definitions.syncs;
  if (definition === undefined) throw new Error('no sync');
  await using coordination = await openCoordination(world.store);
  const set = await setPosition(definition, { open: createOpener(definitions), coordination }, { cursor, signal: new AbortController().signal });
  expect(set.set).toBe(true);
}
