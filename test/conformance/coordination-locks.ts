/** Protocol steps 1 to 3 and 9: the queue, its modes, and that nothing stays behind. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LockManager } from '../../lib/coordination/contract.ts';
import { keys } from '../../lib/coordination/keys.ts';
import { lockManager } from '../../lib/coordination/lock.ts';
import { waitUntil } from '../support/wait-until.ts';
import { codeOf, hold, losing, release, request, type StoreUnderTest, unique, WatchedStore, writes } from './coordination-support.ts';

export function lockSuite(make: () => StoreUnderTest): void {
  describe('locks', () => {
    let store: WatchedStore;
    let locks: LockManager;
    let others: LockManager;
    let resource: string;
    let close: () => Promise<void>;
    beforeEach(async () => {
      store = new WatchedStore(await make().open());
      const second = await make().open();
      [locks, others] = [lockManager(store), lockManager(second)];
      resource = unique('lock/with slash');
      close = async () => {
        await store[Symbol.asyncDispose]();
        await second[Symbol.asyncDispose]();
      };
    });
    afterEach(() => close());

    it('holds, with its create revision as the fence, and names the holder to who comes later', async () => {
      const lock = await hold(locks, resource, { runId: 'run-a' });
      expect(lock.validUntil - Date.now()).toBeGreaterThan(15_000);
      expect(lock.validUntil - Date.now()).toBeLessThan(20_000);
      const queue = await others.queue(resource);
      expect(queue).toMatchObject([{ runId: 'run-a', mode: 'exclusive', fence: lock.fence }]);
      const refused = await others.acquire(request(resource));
      expect(refused.held).toBe(false);
      if (!refused.held) expect(refused.holders).toEqual([expect.stringMatching(/^run run-a on .+ \(process \d+\) since 20.*Z$/)]);
      await release(lock);
      expect(await others.queue(resource)).toEqual([]);
    });

    it('gives later holders higher fences', async () => {
      let last = 0n;
      for (let n = 0; n < 3; n++) {
        const lock = await hold(n % 2 === 0 ? locks : others, resource);
        expect(lock.fence).toBeGreaterThan(last);
        last = lock.fence;
        await release(lock);
      }
    });

    it('serves waiters in the order they came', async () => {
      const first = await hold(locks, resource);
      const served: number[] = [];
      const waiting = [];
      for (let n = 0; n < 4; n++) {
        const entered = others.acquire(request(resource, { runId: `waiter-${n}`, waitMs: 10_000 })).then(async (outcome) => {
          if (!outcome.held) return expect.fail('the waiter was refused');
          served.push(n);
          await release(outcome.lock);
        });
        waiting.push(entered);
        await waitUntil(async () => (await locks.queue(resource)).some(({ runId }) => runId === `waiter-${n}`));
      }
      expect(served).toEqual([]);
      await release(first);
      await Promise.all(waiting);
      expect(served).toEqual([0, 1, 2, 3]);
    });

    it('lets shared holders run together, an exclusive one alone, and nobody past a waiter', async () => {
      const [one, two] = [await hold(locks, resource, { mode: 'shared' }), await hold(others, resource, { mode: 'shared' })];
      expect((await locks.acquire(request(resource))).held).toBe(false);
      const writer = locks.acquire(request(resource, { waitMs: 5_000 }));
      await waitUntil(async () => (await locks.queue(resource)).length === 3);
      // Those who wait are no holders.
      const refused = await others.acquire(request(resource));
      if (!refused.held) expect(refused.holders).toHaveLength(2);
      const late = await others.acquire(request(resource, { mode: 'shared' }));
      expect(late.held).toBe(false);
      await release(one);
      await release(two);
      const outcome = await writer;
      expect(outcome.held).toBe(true);
      if (outcome.held) await release(outcome.lock);
      await release(await hold(others, resource, { mode: 'shared' }));
    });

    it('admits as many limited holders as the limit says, and the next as soon as one leaves', async () => {
      const limited = { mode: 'limited', limit: 3 } as const;
      const held = [await hold(locks, resource, limited), await hold(others, resource, limited), await hold(locks, resource, limited)];
      expect((await others.acquire(request(resource, limited))).held).toBe(false);
      const fourth = others.acquire(request(resource, { ...limited, waitMs: 5_000 }));
      await waitUntil(async () => (await locks.queue(resource)).length === 4);
      await Promise.all(held.slice(1, 2).map(release));
      const outcome = await fourth;
      expect(outcome.held).toBe(true);
      if (outcome.held) await release(outcome.lock);
      await Promise.all(held.map(release));
      expect(await codeOf(locks.acquire(request(resource, { mode: 'limited', limit: 0 })))).toBe('CONFIG_INVALID');
    });

    it('counts places: who wants two waits until two are free, and nobody passes it', async () => {
      const limited = { mode: 'limited', limit: 3 } as const;
      const [one, two] = [await hold(locks, resource, { ...limited, places: 2 }), await hold(others, resource, limited)];
      expect((await others.acquire(request(resource, limited))).held).toBe(false);
      const wide = locks.acquire(request(resource, { ...limited, places: 2, runId: 'wide', waitMs: 10_000 }));
      await waitUntil(async () => (await locks.queue(resource)).length === 3);
      await release(two);
      // One place is free, and one is all that it wants: but somebody stands before it
      expect((await others.acquire(request(resource, limited))).held).toBe(false);
      expect((await others.queues()).get(resource)).toMatchObject([{ places: 2 }, { runId: 'wide', places: 2 }]);
      await release(one);
      const outcome = await wide;
      if (!outcome.held) return expect.fail('refused');
      const third = await hold(others, resource, limited);
      await release(outcome.lock);
      await release(third);
      // More than there are: all of them
      const all = await hold(locks, resource, { ...limited, places: 9 });
      expect((await others.acquire(request(resource, limited))).held).toBe(false);
      await release(all);
      expect((await others.queues()).has(resource)).toBe(false);
    });

    it('never has more limited holders at once than the limit', { timeout: 30_000 }, async () => {
      let running = 0;
      let most = 0;
      const runs = Array.from({ length: 15 }, async (_, n) => {
        const outcome = await (n % 2 === 0 ? locks : others).acquire(request(resource, { mode: 'limited', limit: 4, waitMs: 25_000 }));
        if (!outcome.held) return expect.fail('refused');
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 20));
        running -= 1;
        await release(outcome.lock);
      });
      await Promise.all(runs);
      expect(most).toBe(4);
    });

    it('waits no longer than it was told, and leaves the queue', async () => {
      const lock = await hold(others, resource);
      const outcome = await locks.acquire(request(resource, { waitMs: 400 }));
      expect(outcome.held).toBe(false);
      if (!outcome.held) expect(outcome.waitedMs).toBeGreaterThanOrEqual(400);
      if (!outcome.held) expect(outcome.waitedMs).toBeLessThan(2_000);
      expect(await locks.queue(resource)).toHaveLength(1);
      expect(await store.alive()).toEqual([]);
      await release(lock);
    });

    it('stops waiting when it is cancelled, and leaves the queue', async () => {
      const lock = await hold(others, resource);
      const controller = new AbortController();
      const waiting = codeOf(locks.acquire(request(resource, { waitMs: 20_000 }), controller.signal));
      await waitUntil(async () => (await others.queue(resource)).length === 2);
      controller.abort();
      expect(await waiting).toBe('CANCELLED');
      expect(await others.queue(resource)).toHaveLength(1);
      expect(await store.alive()).toEqual([]);
      await release(lock);
    });

    it('does not mix resources whose names contain each other', async () => {
      const names = [resource, `${resource}/w`, `${resource}/w/x`, `${resource}%2Fw`];
      const held = [];
      for (const name of names) held.push(await hold(locks, name));
      for (const name of names) expect(await locks.queue(name)).toHaveLength(1);
      await Promise.all(held.map(release));
    });

    it('leaves no lease and no renewal behind', async () => {
      const lock = await hold(locks, resource, { ttlSeconds: 2 });
      await waitUntil(() => store.renewals.length > 0);
      await release(lock);
      await release(lock);
      expect(await store.alive()).toEqual([]);
      const renewals = store.renewals.length;
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      expect(store.renewals).toHaveLength(renewals);
      expect(await codeOf(lock.renew())).toBe('LOCK_LOST');
    });

    it('keeps the lock for as long as it is renewed', { timeout: 15_000 }, async () => {
      const lock = await hold(locks, resource, { ttlSeconds: 2 });
      const end = performance.now() + 5_000;
      while (performance.now() < end) {
        expect((await others.acquire(request(resource))).held).toBe(false);
        expect(lock.validUntil).toBeGreaterThan(Date.now());
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
      expect(lock.lost.aborted).toBe(false);
      await release(lock);
    });

    it('finds out that its lease was revoked', async () => {
      const lock = await hold(locks, resource);
      await store.revoke(store.granted[0] ?? '');
      expect(await codeOf(lock.renew())).toBe('LOCK_LOST');
      expect(lock.lost.aborted).toBe(true);
      expect(lock.lost.reason).toMatchObject({ code: 'LOCK_LOST' });
      await release(await hold(others, resource));
      await release(lock);
    });

    it('counts as lost when it cannot be renewed in time, and says why', { timeout: 10_000 }, async () => {
      const lock = await hold(locks, resource, { ttlSeconds: 2 });
      store.before = losing((method) => method === 'keepAlive', Number.POSITIVE_INFINITY);
      await waitUntil(() => lock.lost.aborted, { timeoutMs: 4_000 });
      expect(lock.validUntil).toBeLessThanOrEqual(Date.now() + 20);
      expect(String(lock.lost.reason)).toContain('the reply was lost');
      store.before = () => undefined;
      await release(lock);
    });

    it('survives renewals that fail for a while', { timeout: 10_000 }, async () => {
      const lock = await hold(locks, resource, { ttlSeconds: 4 });
      store.before = losing((method) => method === 'keepAlive', 3);
      await waitUntil(() => store.renewals.length >= 5, { timeoutMs: 8_000 });
      expect(lock.lost.aborted).toBe(false);
      await release(lock);
    });

    it('notices when its entry is taken away while it waits', async () => {
      const lock = await hold(others, resource);
      const waiting = codeOf(locks.acquire(request(resource, { runId: 'taken', waitMs: 10_000 })));
      await waitUntil(async () => (await others.queue(resource)).length === 2);
      await store.txn({ compare: [], success: [{ op: 'delete', key: keys.queueEntry(resource, 'exclusive', 'taken') }] });
      expect(await waiting).toBe('LOCK_LOST');
      expect(await store.alive()).toEqual([]);
      await release(lock);
    });

    describe('with a reply that is lost', () => {
      it('at the grant: holds all the same, and no lease is renewed for nothing', async () => {
        store.after = losing((method) => method === 'grant');
        const lock = await hold(locks, resource, { ttlSeconds: 2 });
        expect(store.granted).toHaveLength(2);
        await waitUntil(() => store.renewals.length > 0);
        expect(new Set(store.renewals)).toEqual(new Set(store.granted.slice(1)));
        await release(lock);
      });

      it('at the enqueuing: finds its own entry', async () => {
        store.after = losing((_method, txn) => writes(txn, keys.queue(resource)));
        const lock = await hold(locks, resource);
        expect(await others.queue(resource)).toMatchObject([{ fence: lock.fence }]);
        await release(lock);
        expect(await store.alive()).toEqual([]);
      });

      it('at the enqueuing, for good: nothing stays', async () => {
        store.after = losing((_method, txn) => writes(txn, keys.queue(resource)), Number.POSITIVE_INFINITY);
        expect(await codeOf(locks.acquire(request(resource)))).toBe('STORE_UNAVAILABLE');
        expect(await others.queue(resource)).toEqual([]);
        expect(await store.alive()).toEqual([]);
      });

      it('at the release and the revocation: no false failure', async () => {
        for (const method of ['txn', 'revoke'] as const) {
          const lock = await hold(locks, resource);
          store.after = losing((called) => called === method);
          await release(lock);
          expect(await others.queue(resource)).toEqual([]);
        }
        expect(await store.alive()).toEqual([]);
      });
    });
  });
}
