/** Protocol step 7, and what else is kept: reports, the epoch, definitions. */
import { beforeAll, describe, expect, it } from 'vitest';
import { type Coordination, coordinationOver } from '../../lib/coordination/coordination.ts';
import { keys } from '../../lib/coordination/keys.ts';
import type { Report } from '../../lib/engine/report.ts';
import { checkpoint, codeOf, errorOf, hold, losing, release, type StoreUnderTest, unique, WatchedStore, writes } from './coordination-support.ts';

export function checkpointSuite(make: () => StoreUnderTest): void {
  describe('checkpoints and what else is kept', () => {
    let store: WatchedStore;
    let own: Coordination;
    let other: Coordination;
    beforeAll(async () => {
      store = new WatchedStore(await make().open());
      [own, other] = [coordinationOver(store), coordinationOver(await make().open())];
      return async () => {
        await own[Symbol.asyncDispose]();
        await other[Symbol.asyncDispose]();
      };
    });

    it('saves under the lock, from revision to revision', async () => {
      const sync = unique('orders/ä');
      await using lock = await hold(own.locks, sync);
      expect(await own.checkpoints.load(sync, '0')).toBeNull();
      const first = checkpoint(lock.fence);
      const revision = await own.checkpoints.save(sync, '0', { checkpoint: first, expected: 0n, lock });
      expect(await other.checkpoints.load(sync, '0')).toEqual({ ...first, revision });
      const second = checkpoint(lock.fence, { epoch: 7n, seq: 2n ** 62n, cursor: null });
      const next = await own.checkpoints.save(sync, '0', { checkpoint: second, expected: revision, lock });
      expect(next).toBeGreaterThan(revision);
      expect(await other.checkpoints.load(sync, '0')).toEqual({ ...second, revision: next });
    });

    it('refuses a holder whose lock is gone', async () => {
      const sync = unique('zombie');
      const zombie = await hold(own.locks, sync);
      const revision = await own.checkpoints.save(sync, '0', { checkpoint: checkpoint(zombie.fence), expected: 0n, lock: zombie });
      await store.revoke(store.granted.at(-1) ?? '');
      await using lock = await hold(other.locks, sync);
      expect(await codeOf(own.checkpoints.save(sync, '0', { checkpoint: checkpoint(zombie.fence), expected: revision, lock: zombie }))).toBe('LOCK_LOST');
      const mine = checkpoint(lock.fence);
      await other.checkpoints.save(sync, '0', { checkpoint: mine, expected: revision, lock });
      expect(await own.checkpoints.load(sync, '0')).toMatchObject({ batchId: mine.batchId });
      await release(zombie);
    });

    it('takes a save whose reply was lost for what it is: done', async () => {
      const sync = unique('lost-reply');
      await using lock = await hold(own.locks, sync);
      const mine = checkpoint(lock.fence);
      store.after = losing((_method, txn) => writes(txn, keys.checkpoints(sync)));
      const revision = await own.checkpoints.save(sync, '0', { checkpoint: mine, expected: 0n, lock });
      expect(await other.checkpoints.load(sync, '0')).toEqual({ ...mine, revision });
    });

    it('saves again what was lost on the way to the store', async () => {
      const sync = unique('lost-request');
      await using lock = await hold(own.locks, sync);
      const mine = checkpoint(lock.fence);
      store.before = losing((_method, txn) => writes(txn, keys.checkpoints(sync)));
      const revision = await own.checkpoints.save(sync, '0', { checkpoint: mine, expected: 0n, lock });
      expect(await other.checkpoints.load(sync, '0')).toEqual({ ...mine, revision });
    });

    it('does not overwrite what somebody else has set', async () => {
      const sync = unique('conflict');
      await using lock = await hold(own.locks, sync);
      const theirs = checkpoint(0n);
      await other.checkpoints.set(sync, '0', theirs);
      const error = await errorOf(own.checkpoints.save(sync, '0', { checkpoint: checkpoint(lock.fence), expected: 0n, lock }));
      expect(error).toMatchObject({ code: 'CHECKPOINT_CONFLICT', place: { sync } });
      expect(await own.checkpoints.load(sync, '0')).toMatchObject({ batchId: theirs.batchId });
    });

    it('holds 4 KB and not a byte more', async () => {
      const sync = unique('large');
      await using lock = await hold(own.locks, sync);
      const bare = JSON.stringify({ ...checkpoint(lock.fence, { cursor: '' }), epoch: '0', fence: String(lock.fence), seq: '1' }).length;
      const fits = checkpoint(lock.fence, { cursor: 'x'.repeat(4096 - bare) });
      const expected = await own.checkpoints.save(sync, '0', { checkpoint: fits, expected: 0n, lock });
      const large = checkpoint(lock.fence, { cursor: `ä${'x'.repeat(4095 - bare)}` });
      const error = await errorOf(own.checkpoints.save(sync, '0', { checkpoint: large, expected, lock }));
      expect(error.code).toBe('TOO_LARGE');
      expect(error.message).toContain(sync);
      expect(await own.checkpoints.load(sync, '0')).toMatchObject({ batchId: fits.batchId });
    });

    it('lists and resets the shards of one sync', async () => {
      const sync = unique('shards');
      const neighbour = `${sync}/0`;
      for (const shard of ['0', '1', 'eu/west']) await own.checkpoints.set(sync, shard, checkpoint(0n, { cursor: shard }));
      await own.checkpoints.set(neighbour, '0', checkpoint(0n));
      expect((await other.checkpoints.list(sync)).map(({ shard, checkpoint: { cursor } }) => [shard, cursor])).toEqual([
        ['0', '0'],
        ['1', '1'],
        ['eu/west', 'eu/west'],
      ]);
      expect(await own.checkpoints.reset(sync)).toBe(3);
      expect(await own.checkpoints.reset(sync)).toBe(0);
      expect(await other.checkpoints.list(neighbour)).toHaveLength(1);
    });

    it('names a checkpoint that another program wrote', async () => {
      const sync = unique('foreign');
      for (const value of ['', 'x', '{}', '{"epoch":0}', 'null']) {
        await store.txn({ compare: [], success: [{ op: 'put', key: keys.checkpoint(sync, '0'), value }] });
        expect(await errorOf(own.checkpoints.load(sync, '0'))).toMatchObject({ code: 'CURSOR_INVALID', message: expect.stringContaining(sync) });
      }
    });

    it('keeps the last report of each sync', async () => {
      const [a, b] = [unique('report-a'), unique('report-b')];
      expect(await own.runs.load(a)).toBeNull();
      await own.runs.save(a, report(a, 1));
      await own.runs.save(a, report(a, 2));
      await own.runs.save(b, report(b, 3));
      expect(await other.runs.load(a)).toMatchObject({ report: report(a, 2), at: expect.stringMatching(/^20.*Z$/) });
      const all = await other.runs.list();
      expect([all.get(a)?.report.read, all.get(b)?.report.read]).toEqual([2, 3]);
    });

    it('raises the epoch and never lowers it, whoever comes first', async () => {
      const begin = await own.epoch.get();
      const results = await Promise.all([
        own.epoch.raise(begin + 5n),
        other.epoch.raise(begin + 7n),
        own.epoch.raise(begin + 6n),
        other.epoch.raise(begin + 1n),
      ]);
      expect(await own.epoch.get()).toBe(begin + 7n);
      expect(results[1]).toBe(begin + 7n);
      expect(await own.epoch.raise(begin)).toBe(begin + 7n);
      store.after = losing((_method, txn) => writes(txn, keys.epoch));
      expect(await own.epoch.raise(begin + 8n)).toBe(begin + 8n);
      expect(await other.epoch.get()).toBe(begin + 8n);
    });

    it('keeps definitions, writes only what changed, and removes', async () => {
      const [shop, lake, orders] = [unique('shop'), unique('lake'), unique('orders/x')];
      const changes = [
        { kind: 'syncs', name: orders, text: '{"a":1}' },
        { kind: 'connections', name: shop, text: '{"url":"${env:SHOP}"}' },
        { kind: 'connections', name: lake, text: '{}' },
      ] as const;
      const mine = async (kind: 'connections' | 'syncs') => (await other.definitions.list(kind)).filter(({ name }) => [shop, lake, orders].includes(name));
      expect(await own.definitions.apply(changes)).toEqual({ written: 3, removed: 0 });
      expect(await mine('syncs')).toMatchObject([{ name: orders, text: '{"a":1}' }]);
      const before = await mine('connections');
      expect(new Set(before.map(({ name }) => name))).toEqual(new Set([shop, lake]));
      const changed = { kind: 'connections', name: lake, text: '{"b":2}' } as const;
      expect(await own.definitions.apply([...changes.slice(0, 2), changed])).toEqual({ written: 1, removed: 0 });
      const after = await mine('connections');
      expect(after.find(({ name }) => name === shop)?.revision).toBe(before.find(({ name }) => name === shop)?.revision);
      expect(after.find(({ name }) => name === lake)?.text).toBe('{"b":2}');
      expect(await own.definitions.apply(changes.map((change) => ({ ...change, text: null })))).toEqual({ written: 0, removed: 3 });
      expect([...(await mine('connections')), ...(await mine('syncs'))]).toEqual([]);
    });
  });
}

function report(sync: string, read: number): Report {
  const counts = { read, written: read, filtered: 0, deadLettered: 0, deleted: 0, batches: 1, bytes: 10, durationMs: 5 };
  return { sync, status: 'succeeded', reason: null, runId: 'r', ...counts, cursor: null, caughtUp: true, error: null };
}
