/** Kafka as destination, killed and frozen at every step: a reader of committed messages sees each row of the source once. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import type { Report } from '../../lib/engine/report.ts';
import { freshDatabase } from '../support/fresh.ts';
import { readCommitted } from '../support/kafka-topic.ts';
import { between, seeded } from '../support/proxy/random.ts';
import { describeWith } from '../support/servers.ts';
import type { IdraProcess } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Orders, points } from './orders.ts';
import { reportOf, runHere, startChild } from './runs.ts';

class KafkaWorld implements AsyncDisposable {
  readonly topic: string;
  readonly #stack: AsyncDisposableStack;
  readonly #source: Database.Database;
  readonly #folder: string;
  readonly #brokers: string;
  #rows = 0;

  private constructor(parts: { stack: AsyncDisposableStack; source: Database.Database; folder: string; brokers: string; topic: string }) {
    this.#stack = parts.stack;
    this.#source = parts.source;
    this.#folder = parts.folder;
    this.#brokers = parts.brokers;
    this.topic = parts.topic;
  }

  static async make(more: object = {}): Promise<KafkaWorld> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const fresh = stack.use(await freshDatabase('kafka'));
    const source = new Database(join(folder, 'source.db'));
    stack.defer(() => void source.close());
    source.pragma('journal_mode = WAL');
    source.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)');
    const topic = `${fresh.name}orders`;
    const sync = {
      name: 'orders',
      source: { connection: 'from', table: 'orders' },
      destination: { connection: 'to', topic, partitions: 3, replication: 1 },
      mode: 'id',
      cursor: { column: 'id' },
      write: 'insert',
      batch: { rows: 500, bytes: '1MB' },
      lock: { ttl: '1s', wait: '20s' },
      ...more,
    };
    const connections = {
      from: { type: 'sqlite', path: join(folder, 'source.db') },
      to: { type: 'kafka', brokers: fresh.url.split(','), stateTopic: `${fresh.name}state` },
    };
    await writeFile(join(folder, 'syncs.json'), JSON.stringify({ connections, syncs: [sync] }));
    return new KafkaWorld({ stack, source, folder, brokers: fresh.url, topic });
  }

  grow(count: number): void {
    const insert = this.#source.prepare('INSERT INTO orders VALUES (?, ?)');
    this.#source.transaction(() => {
      for (let i = 0; i < count; i++) insert.run(++this.#rows, `note ${this.#rows} ☕`);
    })();
  }

  #orders(): Pick<Orders, 'definitions' | 'sync' | 'store'> {
    return { definitions: join(this.#folder, 'syncs.json'), sync: 'orders', store: { path: join(this.#folder, 'state.db') } };
  }

  start(orders: Partial<Orders> = {}): IdraProcess {
    return startChild({ ...this.#orders(), ...orders });
  }

  run(options: Pick<Orders, 'fencing'> = {}): Promise<Report> {
    return runHere({ ...this.#orders(), ...options });
  }

  /** Ids that are not there, and ids that are there more than once. */
  async difference(): Promise<{ missing: number[]; doubled: number[] }> {
    const counts = new Map<number, number>();
    for (const { value } of await readCommitted(this.#brokers, this.topic, { atLeast: this.#rows })) {
      const { id } = JSON.parse(value ?? 'null') as { id: number };
      counts.set(id, (counts.get(id) ?? 0) + 1);
    }
    const missing = Array.from({ length: this.#rows }, (_, index) => index + 1).filter((id) => !counts.has(id));
    return { missing, doubled: [...counts].filter(([id, count]) => count > 1 || id > this.#rows).map(([id]) => id) };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** A claim is some round trips to the brokers, on a machine that does much else. */
const patienceMs = 90_000;
const exact = { missing: [], doubled: [] };

await describeWith(['kafka'], 'destination kafka under faults', () => {
  it.each(points)('kill -9 at %s: the next run completes the exact set', { timeout: 120_000 }, async (point) => {
    await using world = await KafkaWorld.make();
    world.grow(1_700);
    await using child = world.start({ point, nth: point.startsWith('claim') || point.startsWith('release') ? 1 : 2 });
    expect((await child.exited).signal).toBe('SIGKILL');
    expect(child.stdout).toContain(`at ${point}`);
    expect(await world.run()).toMatchObject({ status: 'succeeded', error: null, caughtUp: true });
    expect(await world.difference()).toEqual(exact);
  });

  it('kill -9 at random moments while the source grows', { timeout: 300_000 }, async () => {
    const random = seeded(20_261_122);
    await using world = await KafkaWorld.make({ batch: { rows: 100, bytes: '1MB' } });
    let killed = 0;
    for (let round = 0; killed < 6; round++) {
      if (round > 40) throw new Error(`only ${killed} of ${round} processes could be killed in time`);
      world.grow(1_000);
      await using child = world.start();
      const exited = child.exited.then(() => true);
      const isReading = child.line(/^reading/, patienceMs).then(
        () => true,
        () => false,
      );
      // It lost its lock before it came that far: the next one has it
      if (!(await isReading)) {
        expect(reportOf(child).error).toMatchObject({ code: 'LOCK_LOST' });
        continue;
      }
      const delayMs = between(random, [0, 400]);
      if (!(await Promise.race([exited, new Promise<false>((done) => setTimeout(() => done(false), delayMs))]))) {
        await child.kill();
        killed++;
      }
    }
    expect(await world.run()).toMatchObject({ status: 'succeeded', caughtUp: true });
    expect(await world.difference()).toEqual(exact);
  });

  it.each(['write:after', 'commit:before', 'commit:after', 'checkpoint:before'] as const)(
    'frozen at %s past its lease: the next run completes, and the zombie writes nothing more',
    { timeout: 120_000 },
    async (point) => {
      await using world = await KafkaWorld.make();
      world.grow(1_700);
      await using zombie = world.start({ point, nth: 2, action: 'SIGSTOP' });
      await zombie.line(new RegExp(`^at ${point}`), patienceMs);
      await new Promise((done) => setTimeout(done, 1_500));
      expect(await world.run()).toMatchObject({ status: 'succeeded', caughtUp: true });
      expect(await world.difference()).toEqual(exact);
      zombie.resume();
      await zombie.exited;
      expect(reportOf(zombie).status).toBe('failed');
      world.grow(300);
      expect(await world.run()).toMatchObject({ status: 'succeeded', caughtUp: true });
      expect(await world.difference()).toEqual(exact);
    },
  );

  it('bites: without fences the zombie doubles rows', { timeout: 120_000 }, async () => {
    await using world = await KafkaWorld.make();
    world.grow(1_700);
    await using zombie = world.start({ point: 'commit:before', nth: 2, action: 'SIGSTOP', fencing: false });
    await zombie.line(/^at commit:before/, patienceMs);
    await new Promise((done) => setTimeout(done, 1_500));
    expect(await world.run({ fencing: false })).toMatchObject({ status: 'succeeded' });
    zombie.resume();
    await zombie.exited;
    expect((await world.difference()).doubled.length).toBeGreaterThan(0);
  });
});
