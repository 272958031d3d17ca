/** etcd that is away, frozen, restarted, full; replies that are lost after their commit. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Coordination, coordinationOver } from '../../lib/coordination/coordination.ts';
import { EtcdStore } from '../../lib/coordination/etcd/store.ts';
import { checkpoint, codeOf, errorOf, hold, type losing, release, request, unique, WatchedStore } from '../conformance/coordination-support.ts';
import { type EtcdServer, startEtcd } from '../support/servers/etcd.ts';
import { freePort } from '../support/servers/ports.ts';
import { describeWith } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitUntil } from '../support/wait-until.ts';
import { connect, leases, withClient } from './etcd-support.ts';

/** Not used itself: where this run has an etcd at all, private ones can be started. */
await describeWith(['etcd'], 'etcd with faults', () => {
  let server: EtcdServer;
  const process = () => server.processes[0] ?? expect.fail('no etcd process');
  beforeAll(async () => {
    server = await startEtcd();
    return () => server[Symbol.asyncDispose]();
  });
  let earlier: string[];
  beforeEach(async () => {
    earlier = await leases(server.url);
  });
  afterEach(() => process().resume());

  /** Leases that the test made and that live. */
  const left = async (): Promise<string[]> => (await leases(server.url)).filter((lease) => !earlier.includes(lease));
  /** The signal reaches the threads of a busy machine only after a while. */
  const freeze = async (): Promise<void> => {
    process().pause();
    await delay(300);
  };

  const answers = (coordination: Coordination) => waitUntil(() => coordination.epoch.get().then(() => true), { timeoutMs: 20_000, intervalMs: 100 });

  it('names the host that cannot be reached, soon', async () => {
    const host = `127.0.0.1:${await freePort()}`;
    await using coordination = await connect(host, 5_000);
    const begin = performance.now();
    for (const call of [() => coordination.locks.acquire(request('orders')), () => coordination.runs.list(), () => coordination.epoch.raise(1n)]) {
      const error = await errorOf(call());
      expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'backoff' });
      expect(error.message).toContain(host);
      expect(error.message).toContain('ECONNREFUSED');
    }
    expect(performance.now() - begin).toBeLessThan(5_000);
  });

  it('bounds every call to a server that stands still, and names it', { timeout: 60_000 }, async () => {
    await using store = await EtcdStore.open({ hosts: [server.url], timeoutMs: 700 });
    const lease = await store.grant(60);
    await freeze();
    const calls = {
      read: () => store.txn({ compare: [], success: [{ op: 'get', key: 'a' }] }),
      write: () => store.txn({ compare: [], success: [{ op: 'put', key: 'a', value: '1' }] }),
      grant: () => store.grant(20),
      keepAlive: () => store.keepAlive(lease),
      revoke: () => store.revoke(lease),
    };
    for (const [name, call] of Object.entries(calls)) {
      const begin = performance.now();
      const error = await errorOf(call());
      expect(error, name).toMatchObject({ code: 'STORE_UNAVAILABLE', retry: 'backoff' });
      expect(error.message).toContain(server.url);
      expect(performance.now() - begin, name).toBeLessThan(1_100);
    }
    const begin = performance.now();
    await using coordination = await connect(server.url, 700);
    const error = await errorOf(coordination.locks.acquire(request('orders', { waitMs: 60_000 })));
    expect(error.code).toBe('STORE_UNAVAILABLE');
    expect(performance.now() - begin).toBeLessThan(6_000);
    process().resume();
    await answers(coordination);
    await store.revoke(lease);
  });

  it('cancels a call to a server that stands still', async () => {
    await using coordination = await connect(server.url, 5_000);
    await coordination.epoch.get();
    await freeze();
    const controller = new AbortController();
    const begin = performance.now();
    const acquiring = codeOf(coordination.locks.acquire(request('orders'), controller.signal));
    await delay(100);
    controller.abort();
    expect(await acquiring).toBe('CANCELLED');
    expect(performance.now() - begin).toBeLessThan(1_000);
  });

  it('a lease that was cancelled on its way is ended, and not left until its time is over', async () => {
    await using proxy = await TcpProxy.before(server.url);
    await using store = await EtcdStore.open({ hosts: [proxy.host], timeoutMs: 5_000 });
    await store.txn({ compare: [], success: [{ op: 'get', key: 'warm' }] });
    proxy.delay({ ms: 300 });
    const stop = new AbortController();
    const granting = codeOf(store.grant(60, stop.signal));
    await waitUntil(async () => (await left()).length === 1);
    stop.abort();
    expect(await granting).toBe('CANCELLED');
    await waitUntil(async () => (await left()).length === 0);
  });

  it('never says that a lock is held by another when etcd is away', async () => {
    await using coordination = await connect(server.url, 500);
    await using _lock = await hold(coordination.locks, unique('orders'));
    await freeze();
    await expect(coordination.locks.acquire(request('orders'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await expect(coordination.leader.campaign({ runId: 'a', ttlSeconds: 20 })).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    process().resume();
    await answers(coordination);
  });

  it('keeps a lock over a restart of the server', { timeout: 60_000 }, async () => {
    await using coordination = await connect(server.url, 2_000);
    const lock = await hold(coordination.locks, unique('orders'), { ttlSeconds: 20 });
    const sync = unique('restart');
    const expected = await coordination.checkpoints.save(sync, '0', { checkpoint: checkpoint(lock.fence), expected: 0n, lock });
    await process().kill();
    expect(await codeOf(coordination.checkpoints.load(sync, '0'))).toBe('STORE_UNAVAILABLE');
    await process().start();
    await answers(coordination);
    await lock.renew();
    await coordination.checkpoints.save(sync, '0', { checkpoint: checkpoint(lock.fence, { seq: 2n }), expected, lock });
    expect(lock.lost.aborted).toBe(false);
    await release(lock);
    expect(await left()).toEqual([]);
  });

  it('goes on after the history was compacted', async () => {
    await using coordination = await connect(server.url, 2_000);
    await using lock = await hold(coordination.locks, unique('orders'));
    const sync = unique('compacted');
    const expected = await coordination.checkpoints.save(sync, '0', { checkpoint: checkpoint(lock.fence), expected: 0n, lock });
    await withClient(server.url, (client) => client.kv.compact({ revision: String(expected), physical: true }, { deadline: Date.now() + 5_000 }));
    await coordination.checkpoints.save(sync, '0', { checkpoint: checkpoint(lock.fence), expected, lock });
  });

  it('says that the store is full, and leaves no lease in it', { timeout: 60_000 }, async () => {
    await using small = await startEtcd({ arguments: [`--quota-backend-bytes=${2 * 1024 * 1024}`] });
    await using store = await EtcdStore.open({ hosts: [small.url] });
    await using coordination = coordinationOver(store);
    const fill = async (): Promise<void> => {
      for (let n = 0; ; n++) await store.txn({ compare: [], success: [{ op: 'put', key: `filler/${n % 4}`, value: 'x'.repeat(500_000) }] });
    };
    const error = await errorOf(fill());
    expect(error).toMatchObject({ code: 'DISK_FULL', message: expect.stringContaining(small.url) });
    // Reading goes on, and releasing too.
    expect(await coordination.epoch.get()).toBe(0n);
    expect(await codeOf(coordination.locks.acquire(request('orders')))).toBe('DISK_FULL');
    expect(await leases(small.url)).toEqual([]);
  });

  it('says what is wrong where the server takes fewer operations than etcd does by default', { timeout: 30_000 }, async () => {
    await using strict = await startEtcd({ arguments: ['--max-txn-ops=16'] });
    await using coordination = await connect(strict.url, 2_000);
    const outcome = await coordination.leader.campaign({ runId: 'a', ttlSeconds: 20 });
    if (!outcome.held) expect.fail('somebody else leads');
    const due = Array.from({ length: 20 }, (_, n) => ({ sync: `s${n}`, slot: 1, body: '{}', expected: 0n }));
    const error = await errorOf(coordination.schedule.plan(outcome.lock, due));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('max-txn-ops') });
    await release(outcome.lock);
  });

  describe.for([{ and: 'hang' as const }, { and: 'cut' as const }])('a reply lost after its commit ($and)', { timeout: 60_000 }, ({ and }) => {
    const through = async (proxy: TcpProxy): Promise<{ store: WatchedStore; coordination: Coordination }> => {
      const store = new WatchedStore(await EtcdStore.open({ hosts: [proxy.host], timeoutMs: 1_000 }));
      await store.txn({ compare: [], success: [{ op: 'get', key: 'warm' }] });
      return { store, coordination: coordinationOver(store) };
    };

    it('at the grant', async () => {
      await using proxy = await TcpProxy.before(server.url);
      const { store, coordination } = await through(proxy);
      await using _closed = coordination;
      // Armed by the request itself, once: the connection stands by then.
      store.before = once(
        (method) => method === 'grant',
        () => proxy.swallowReplies({ and, times: 1 }),
      );
      const lock = await hold(coordination.locks, unique('grant'));
      expect(proxy.counts.swallowedBytes).toBeGreaterThan(0);
      expect(await left()).toHaveLength(1);
      await release(lock);
      expect(await left()).toEqual([]);
    });

    it('at the enqueuing', async () => {
      await using proxy = await TcpProxy.before(server.url);
      const { coordination } = await through(proxy);
      await using _closed = coordination;
      const resource = unique('enqueue');
      proxy.swallowReplies({ after: `lock/${resource}/w/mine`, and, times: 1 });
      const lock = await hold(coordination.locks, resource, { runId: 'mine' });
      expect(proxy.counts.swallowedBytes).toBeGreaterThan(0);
      expect(await coordination.locks.queue(resource)).toMatchObject([{ runId: 'mine', fence: lock.fence }]);
      await release(lock);
      expect(await left()).toEqual([]);
    });

    it('at the checkpoint', async () => {
      await using proxy = await TcpProxy.before(server.url);
      const { coordination } = await through(proxy);
      await using direct = await connect(server.url, 2_000);
      await using _closed = coordination;
      const sync = unique('checkpoint');
      const lock = await hold(coordination.locks, sync);
      const mine = checkpoint(lock.fence);
      proxy.swallowReplies({ after: mine.batchId, and, times: 1 });
      const revision = await coordination.checkpoints.save(sync, '0', { checkpoint: mine, expected: 0n, lock });
      expect(proxy.counts.swallowedBytes).toBeGreaterThan(0);
      expect(await direct.checkpoints.load(sync, '0')).toEqual({ ...mine, revision });
      await coordination.checkpoints.save(sync, '0', { checkpoint: checkpoint(lock.fence, { seq: 2n }), expected: revision, lock });
      await release(lock);
      expect(await left()).toEqual([]);
    });

    it('at the revocation', async () => {
      await using proxy = await TcpProxy.before(server.url);
      const { store, coordination } = await through(proxy);
      await using _closed = coordination;
      const resource = unique('revoke');
      const lock = await hold(coordination.locks, resource);
      store.before = once(
        (method) => method === 'revoke',
        () => proxy.swallowReplies({ and, times: 1 }),
      );
      await release(lock);
      expect(proxy.counts.swallowedBytes).toBeGreaterThan(0);
      expect(await left()).toEqual([]);
      await release(await hold(coordination.locks, resource));
    });
  });

  it('gives the lock of a holder that was cut off to the next, and the holder knows', { timeout: 30_000 }, async () => {
    await using proxy = await TcpProxy.before(server.url);
    await using cutOff = await connect(proxy.host, 1_000);
    await using other = await connect(server.url, 1_000);
    const sync = unique('partition');
    const zombie = await hold(cutOff.locks, sync, { ttlSeconds: 3 });
    proxy.partition();
    const lost = waitUntil(() => zombie.lost.aborted, { timeoutMs: 5_000 });
    const lock = await hold(other.locks, sync, { waitMs: 15_000 });
    // It stopped believing before another could begin.
    expect(zombie.lost.aborted).toBe(true);
    await lost;
    proxy.heal();
    const save = cutOff.checkpoints.save(sync, '0', { checkpoint: checkpoint(zombie.fence), expected: 0n, lock: zombie });
    expect(await codeOf(save)).toBe('LOCK_LOST');
    expect(await other.checkpoints.load(sync, '0')).toBeNull();
    await release(zombie);
    await release(lock);
    await waitUntil(async () => (await left()).length === 0);
  });

  it('bears a network that cuts connections at random', { timeout: 60_000 }, async () => {
    await using proxy = await TcpProxy.before(server.url, { seed: 7 });
    await using coordination = await connect(proxy.host, 1_000);
    const sync = unique('cuts');
    const lock = await hold(coordination.locks, sync);
    proxy.cutRandomly([2_000, 20_000]);
    proxy.cut();
    let expected = 0n;
    for (let seq = 1n; seq <= 200n; seq++) {
      const mine = checkpoint(lock.fence, { seq });
      expected = await coordination.checkpoints.save(sync, '0', { checkpoint: mine, expected, lock });
      expect(await coordination.checkpoints.load(sync, '0')).toEqual({ ...mine, revision: expected });
    }
    expect(proxy.counts.cuts).toBeGreaterThan(3);
    await release(lock);
    expect(await left()).toEqual([]);
  });
});

function once(condition: Parameters<typeof losing>[0], action: () => void): (...call: Parameters<ReturnType<typeof losing>>) => void {
  let done = false;
  return (...call) => {
    if (done || !condition(...call)) return;
    done = true;
    action();
  };
}
