/** The packaged sync function, each invocation a process of its own, killed with SIGKILL at random moments while it holds its lock. */
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { expect, it } from 'vitest';
import { leases, withClient } from '../coordination/etcd-support.ts';
import { freshDatabase } from '../support/fresh.ts';
import { between, seeded } from '../support/proxy/random.ts';
import { startEtcd } from '../support/servers/etcd.ts';
import { describeWith } from '../support/servers.ts';
import { waitUntil } from '../support/wait-until.ts';
import { type Outcome, World } from './world.ts';

const kills = 100;
/** Syncs side by side: the lease of a killed invocation has to end before the next one of that sync, and meanwhile the others go on. */
const syncs = 10;
const roundRows = 300;
const batchRows = 30;
const ttlMs = 2_000;
/** etcd looks for leases that have ended twice a second, the waiter as often, and the machine may be busy. */
const slackMs = 4_000;

await describeWith(['postgres', 'etcd'], 'the packaged sync function under kill -9', () => {
  it(`${kills} times: nothing lost, nothing doubled, recovery within the TTL, nothing left behind`, { timeout: 600_000 }, async () => {
    await using etcd = await startEtcd();
    await using target = await freshDatabase('postgres');
    await using world = await World.start({ etcd: etcd.url });
    world.connect('pg', { type: 'postgres', url: target.url });
    /** From the kill, or from the moment the next invocation has come, until that one holds the lock. */
    const recoveries: number[] = [];
    let moved = 0;

    const seqOf = async (name: string): Promise<bigint> => (await world.coordination.checkpoints.load(name, '0'))?.seq ?? 0n;

    /** Caught up, or no more than too slow for so short a lease on this machine: whether it caught up. */
    function expectGood({ result, failure, text }: Outcome): boolean {
      if (failure?.type === 'LOCK_LOST') return false;
      expect(result, text).toMatchObject({ status: 'succeeded', caughtUp: true, error: null });
      return true;
    }

    async function killed(name: string, random: () => number): Promise<void> {
      let done = 0;
      let killedAt: number | null = null;
      for (let round = 0; done < kills / syncs; round++) {
        if (round > kills) throw new Error(`only ${done} of ${round} invocations could be killed in time`);
        world.grow(name, roundRows);
        const before = await seqOf(name);
        await using child = world.begin('sync', { sync: name });
        let ended = false;
        const exited = child.exited.then(() => {
          ended = true;
        });
        const head = async () => (await world.coordination.locks.queue(name)).slice(0, 1).find(({ value }) => value.includes(`"pid":${child.pid},`));
        const holder = await waitUntil(async () => ended || (await head()), { timeoutMs: 60_000, intervalMs: 100, what: `the lock of ${name} to be had` });
        if (killedAt !== null && holder !== true) {
          const { since } = JSON.parse(holder.value) as { since: string };
          recoveries.push(Date.now() - Math.max(killedAt, Date.parse(since)));
        }
        // Somewhere among its batches, the time before the first one included
        const batches = BigInt(between(random, [0, roundRows / batchRows]));
        await waitUntil(async () => ended || (await seqOf(name)) >= before + batches, { timeoutMs: 60_000, intervalMs: 40, what: `${name} to move` });
        await Promise.race([exited, delay(between(random, [0, batches === 0n ? 500 : 20]))]);
        killedAt = null;
        if (ended) {
          expectGood(await World.outcome(child));
          continue;
        }
        const { signal } = await child.kill();
        if (signal !== 'SIGKILL') {
          // It had come to its end in that moment
          expectGood(await World.outcome(child));
          continue;
        }
        killedAt = Date.now();
        done++;
        if ((await seqOf(name)) > before) moved++;
      }
      // Once more where the lease was lost, as the bus does
      for (let tries = 0; !expectGood(await world.invoke('sync', { sync: name })); tries++) expect(tries).toBeLessThan(5);
    }

    const names = Array.from({ length: syncs }, (_, index) => `killed${index}`);
    const options = { batch: { rows: batchRows }, lock: { ttl: `${ttlMs / 1000}s`, wait: '20s' } };
    for (const name of names) await world.sync(name, 0, { ...options, destination: { connection: 'pg', table: name } });
    // Who is killed keeps no compiled code for the next one: this one does, for all
    await world.invoke('sync', { sync: names[0] });
    await Promise.all(names.map((name, index) => killed(name, seeded(7 + index))));

    const client = new pg.Client({ connectionString: target.url });
    await client.connect();
    for (const name of names) {
      const { rows } = await client.query({ text: `select id::int, name from ${name} order by id`, rowMode: 'array' });
      expect(rows).toEqual(world.rows(name));
    }
    await client.end();
    // The kills fell into the work, not only before it or after it
    expect(moved).toBeGreaterThan(kills / 2);
    expect(recoveries.length).toBeGreaterThan(kills / 2);
    expect(Math.max(...recoveries)).toBeLessThan(ttlMs + slackMs);
    await waitUntil(async () => (await leases(etcd.url)).length === 0, { timeoutMs: 2 * ttlMs, what: 'every lease to be gone' });
    const keys = await withClient(etcd.url, (connected) => connected.getAll().keys());
    expect(keys.filter((key) => /\/(lock|leader)\//.test(key))).toEqual([]);
  });
});
