/** Kafka as source, killed at every step: each message of the topic is in the destination once, and the group never shows more than was committed. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import type { Report } from '../../lib/engine/report.ts';
import { freshDatabase } from '../support/fresh.ts';
import { makeTopic, produce, withAdmin } from '../support/kafka-topic.ts';
import { between, seeded } from '../support/proxy/random.ts';
import { describeWith } from '../support/servers.ts';
import type { IdraProcess } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import type { Orders } from './orders.ts';
import { reportOf, startChild } from './runs.ts';
import { unlessLost } from './unless-lost.ts';

const partitions = 3;

/** A topic that can grow, a SQLite table without any key, and children that run the sync. */
class TopicWorld implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #folder: string;
  readonly #brokers: string;
  readonly topic: string;
  #messages = 0;

  private constructor(parts: { stack: AsyncDisposableStack; folder: string; brokers: string; topic: string }) {
    this.#stack = parts.stack;
    this.#folder = parts.folder;
    this.#brokers = parts.brokers;
    this.topic = parts.topic;
  }

  static async make(): Promise<TopicWorld> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const fresh = stack.use(await freshDatabase('kafka'));
    const topic = `${fresh.name}orders`;
    await makeTopic(fresh.url, topic, { partitions });
    const world = new TopicWorld({ stack, folder, brokers: fresh.url, topic });
    await world.define();
    return world;
  }

  /** Writes the definitions, with other fields of the sync. */
  async define(more: object = {}): Promise<void> {
    const sync = {
      name: 'orders',
      source: { connection: 'from', topic: this.topic, partitionColumn: 'p', group: this.topic },
      destination: { connection: 'to', table: 'orders_copy' },
      mode: 'stream',
      write: 'insert',
      batch: { rows: 300, bytes: '1MB' },
      lock: { ttl: '2s', wait: '30s' },
      ...more,
    };
    const connections = { from: { type: 'kafka', brokers: this.#brokers.split(',') }, to: { type: 'sqlite', path: join(this.#folder, 'copy.db') } };
    await writeFile(join(this.#folder, 'syncs.json'), JSON.stringify({ connections, syncs: [sync] }));
  }

  async grow(count: number): Promise<void> {
    const messages = Array.from({ length: count }, () => {
      const id = ++this.#messages;
      return { partition: id % partitions, key: String(id), value: JSON.stringify({ id, note: `note ${id} ☕` }) };
    });
    await produce(this.#brokers, this.topic, messages);
  }

  /** One message that is no row, behind what is there. */
  async spoil(value: string): Promise<void> {
    await produce(this.#brokers, this.topic, [{ partition: 0, value }]);
  }

  async removeTopic(): Promise<void> {
    await withAdmin(this.#brokers, (admin) => admin.deleteTopics({ topics: [this.topic] }));
  }

  letters(): unknown[] {
    return this.query('SELECT place, code, "row", kind FROM _idra_dead_letters');
  }

  start(orders: Partial<Orders> = {}): IdraProcess {
    return startChild({ definitions: join(this.#folder, 'syncs.json'), sync: 'orders', store: { path: join(this.#folder, 'state.db') }, ...orders });
  }

  /** A process of its own, which must say nothing but its report: the driver has a way of its own with errors. */
  run(): Promise<Report> {
    return unlessLost(async () => {
      await using child = this.start();
      await child.exited;
      expect(child.stderr).toEqual([]);
      return reportOf(child);
    });
  }

  /** Ids that are missing, and those that are there more than once. */
  difference(): { missing: number[]; doubled: number[] } {
    const counts = new Map(this.query<[number, number]>('SELECT id, count(*) FROM orders_copy GROUP BY id'));
    const missing = Array.from({ length: this.#messages }, (_, index) => index + 1).filter((id) => !counts.has(id));
    return { missing, doubled: [...counts].filter(([id, count]) => count > 1 || id > this.#messages).map(([id]) => id) };
  }

  /** What the group shows of each partition, and how many rows of it are in the destination. Nothing committed is 0. */
  async positions(): Promise<{ partition: number; shown: number; rows: number }[]> {
    const [found] = await withAdmin(this.#brokers, (admin) => admin.fetchOffsets({ groupId: this.topic, topics: [this.topic] }));
    const there = this.query<[string]>("SELECT name FROM sqlite_master WHERE name = 'orders_copy'").length > 0;
    const rows = new Map(there ? this.query<[number, number]>('SELECT p, count(*) FROM orders_copy GROUP BY p') : []);
    return Array.from({ length: partitions }, (_, partition) => {
      const offset = Number(found?.partitions.find((each) => each.partition === partition)?.offset ?? -1);
      return { partition, shown: Math.max(0, offset), rows: rows.get(partition) ?? 0 };
    });
  }

  query<T>(sql: string): T[] {
    const db = new Database(join(this.#folder, 'copy.db'));
    try {
      return db.prepare(sql).raw(true).all() as T[];
    } finally {
      db.close();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

const exact = { missing: [], doubled: [] };

await describeWith(['kafka'], 'source kafka under faults', () => {
  it.each(['write:after', 'commit:before', 'commit:after', 'checkpoint:before', 'checkpoint:after'] as const)(
    'kill -9 at %s: the next run reads on exactly, and the group shows no message that is not there',
    { timeout: 60_000 },
    async (point) => {
      await using world = await TopicWorld.make();
      await world.grow(1_000);
      await using child = world.start({ point, nth: 2 });
      expect((await child.exited).signal).toBe('SIGKILL');
      expect(child.stdout).toContain(`at ${point}`);
      for (const { shown, rows } of await world.positions()) expect(shown).toBeLessThanOrEqual(rows);
      await world.grow(200);
      expect(await world.run()).toMatchObject({ status: 'succeeded', error: null, caughtUp: true });
      expect(world.difference()).toEqual(exact);
      for (const { shown, rows } of await world.positions()) expect(shown).toBe(rows);
      expect(await world.run()).toMatchObject({ status: 'succeeded', written: 0 });
    },
  );

  it('kill -9 at random moments while the topic grows', { timeout: 120_000 }, async () => {
    const random = seeded(20_261_123);
    await using world = await TopicWorld.make();
    let killed = 0;
    for (let round = 0; killed < 6; round++) {
      if (round > 30) throw new Error(`only ${killed} of ${round} processes could be killed in time`);
      await world.grow(2_000);
      await using child = world.start();
      const exited = child.exited.then(() => true);
      // On a machine under load a run may lose its lease before it reads: the next one goes on
      if (
        !(await child.line(/^reading/, 60_000).then(
          () => true,
          () => false,
        ))
      )
        continue;
      if (await Promise.race([exited, new Promise<false>((done) => setTimeout(() => done(false), between(random, [0, 200])))])) continue;
      await child.kill();
      killed++;
    }
    expect(await world.run()).toMatchObject({ status: 'succeeded', caughtUp: true });
    expect(world.difference()).toEqual(exact);
  });

  it('stops at a message that is no row, with all before it in its partition committed, and goes on once it may set it aside', {
    timeout: 60_000,
  }, async () => {
    await using world = await TopicWorld.make();
    await world.grow(600);
    await world.spoil('{"id": 1, broken');
    await world.grow(300);
    const place = `${world.topic}/0@200`;
    const failed = await world.run();
    expect(failed).toMatchObject({ status: 'failed', error: { code: 'ROW_MALFORMED', message: expect.stringContaining(place) } });
    expect(world.query('SELECT count(*) FROM orders_copy WHERE p = 0')).toEqual([[200]]);
    await world.define({ onError: 'deadLetter' });
    expect(await world.run()).toMatchObject({ status: 'succeeded', caughtUp: true, deadLettered: 1 });
    expect(world.difference()).toEqual(exact);
    expect(world.letters()).toEqual([[place, 'ROW_MALFORMED', JSON.stringify('{"id": 1, broken'), 'raw']]);
  });

  it('names a topic that is gone, and keeps what was read of it', { timeout: 60_000 }, async () => {
    await using world = await TopicWorld.make();
    await world.grow(300);
    expect(await world.run()).toMatchObject({ status: 'succeeded', written: 300 });
    await world.removeTopic();
    expect(await world.run()).toMatchObject({ status: 'failed', error: { code: 'NOT_FOUND', message: expect.stringContaining(world.topic) } });
    expect(world.difference()).toEqual(exact);
  });
});
