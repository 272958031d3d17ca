/** The coordinator's part: leading, planning, the outbox, completed slots. */
import { randomUUID } from 'node:crypto';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { HeldLock } from '../../lib/coordination/contract.ts';
import { type Coordination, coordinationOver } from '../../lib/coordination/coordination.ts';
import { keys } from '../../lib/coordination/keys.ts';
import type { DueSlot } from '../../lib/coordination/schedule.ts';
import { codeOf, hold, losing, release, type StoreUnderTest, unique, WatchedStore, writes } from './coordination-support.ts';

export function scheduleSuite(make: () => StoreUnderTest): void {
  describe('leader, schedule and outbox', () => {
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
    beforeEach(() => {
      store.before = store.after = () => undefined;
    });

    const lead = async (as: Coordination): Promise<HeldLock> => {
      const outcome = await as.leader.campaign({ runId: randomUUID(), ttlSeconds: 20 });
      if (!outcome.held) expect.fail(`${outcome.holders.join(', ')} leads`);
      return outcome.lock;
    };
    const due = (name: string, count: number, slot = 60_000): DueSlot[] =>
      Array.from({ length: count }, (_, n) => ({ sync: `${name}/${n}`, slot, body: `{"sync":"${name}/${n}","slot":${slot}}`, expected: 0n }));
    const outboxOf = async (as: Coordination, name: string) => (await as.schedule.outbox()).filter(({ sync }) => sync.startsWith(`${name}/`));

    it('has one leader at a time, and names it to the other', async () => {
      const leader = await lead(own);
      const refused = await other.leader.campaign({ runId: 'b', ttlSeconds: 20 });
      expect(refused.held).toBe(false);
      if (!refused.held) expect(refused.holders).toHaveLength(1);
      expect(await other.leader.current()).toMatchObject({ fence: leader.fence, key: leader.key });
      await release(leader);
      expect(await other.leader.current()).toBeNull();
      const next = await lead(other);
      expect(next.fence).toBeGreaterThan(leader.fence);
      await release(next);
    });

    it('plans each slot once, into the outbox', async () => {
      const name = unique('plan');
      await using leader = await lead(own);
      const slots = due(name, 130);
      expect(await own.schedule.plan(leader, slots)).toEqual(slots.map(({ sync }) => sync));
      const planned = await other.schedule.planned();
      expect(slots.every(({ sync, slot }) => planned.get(sync)?.slot === slot)).toBe(true);
      const entries = await outboxOf(other, name);
      expect(entries).toHaveLength(130);
      expect(entries.find(({ sync }) => sync === `${name}/7`)).toMatchObject({ slot: 60_000, body: slots[7]?.body });
      // From the same look at the schedule nothing can be planned a second time.
      expect(await own.schedule.plan(leader, due(name, 130, 120_000))).toEqual([]);
      const next = due(name, 130, 120_000).map((slot) => ({ ...slot, expected: planned.get(slot.sync)?.revision ?? 0n }));
      expect(await own.schedule.plan(leader, next)).toHaveLength(130);
      await own.schedule.sent(await outboxOf(own, name));
      expect(await outboxOf(own, name)).toEqual([]);
    });

    it('leaves out what moved meanwhile and plans the rest', async () => {
      const name = unique('moved');
      await using leader = await lead(own);
      await own.schedule.plan(leader, due(name, 3));
      const planned = await own.schedule.plan(leader, due(name, 70, 120_000));
      expect(planned).toEqual(due(name, 70).flatMap(({ sync }, n) => (n < 3 ? [] : [sync])));
      await own.schedule.sent(await outboxOf(own, name));
    });

    it('takes a plan whose reply was lost for what it is: done', async () => {
      const name = unique('lost-plan');
      await using leader = await lead(own);
      store.after = losing((_method, txn) => writes(txn, keys.outboxes));
      expect((await own.schedule.plan(leader, due(name, 5))).sort()).toEqual(due(name, 5).map(({ sync }) => sync));
      expect(await outboxOf(own, name)).toHaveLength(5);
      await own.schedule.sent(await outboxOf(own, name));
    });

    it('plans nothing for one who leads no more', async () => {
      const name = unique('deposed');
      const leader = await lead(own);
      await store.revoke(store.granted.at(-1) ?? '');
      expect(await codeOf(own.schedule.plan(leader, due(name, 2)))).toBe('LOCK_LOST');
      const next = await lead(other);
      expect(await codeOf(own.schedule.plan(leader, due(name, 2)))).toBe('LOCK_LOST');
      expect(await outboxOf(other, name)).toEqual([]);
      await release(leader);
      await release(next);
    });

    it('leaves the outbox of a leader that died after planning to the next one', async () => {
      const name = unique('killed');
      const leader = await lead(own);
      await own.schedule.plan(leader, due(name, 4));
      await store.revoke(store.granted.at(-1) ?? '');
      await using next = await lead(other);
      expect(next.fence).toBeGreaterThan(leader.fence);
      expect((await outboxOf(other, name)).map(({ sync }) => sync)).toEqual(due(name, 4).map(({ sync }) => sync));
      await other.schedule.sent(await outboxOf(other, name));
      await release(leader);
    });

    it('keeps what the bus refused, and only that', async () => {
      const name = unique('refused');
      await using leader = await lead(own);
      await own.schedule.plan(leader, due(name, 6));
      const entries = await outboxOf(own, name);
      const accepted = entries.filter((_, n) => n % 3 !== 0);
      store.after = losing((_method, txn) => writes(txn, keys.outboxes));
      await own.schedule.sent(accepted);
      expect(await outboxOf(own, name)).toEqual(entries.filter((_, n) => n % 3 === 0));
      await own.schedule.sent(await outboxOf(own, name));
    });

    it('remembers the newest completed slot of each sync and shard, in whatever order they end', async () => {
      const sync = unique('completed');
      await using lock = await hold(own.locks, sync);
      expect(await own.schedule.completed(sync, '0')).toBeNull();
      await own.schedule.complete(sync, '0', { slot: 120_000, lock });
      await own.schedule.complete(sync, '0', { slot: 60_000, lock });
      await own.schedule.complete(sync, '1', { slot: 60_000, lock });
      store.after = losing((_method, txn) => writes(txn, 'completed/'));
      await own.schedule.complete(sync, '1', { slot: 180_000, lock });
      expect([await other.schedule.completed(sync, '0'), await other.schedule.completed(sync, '1')]).toEqual([120_000, 180_000]);
    });

    it('lets no run without its lock complete a slot', async () => {
      const sync = unique('zombie-slot');
      const zombie = await hold(own.locks, sync);
      await store.revoke(store.granted.at(-1) ?? '');
      expect(await codeOf(own.schedule.complete(sync, '0', { slot: 60_000, lock: zombie }))).toBe('LOCK_LOST');
      expect(await other.schedule.completed(sync, '0')).toBeNull();
      await release(zombie);
    });

    it('plans and takes out 5,000 slots well within an invocation', { timeout: 60_000 }, async () => {
      const name = unique('many');
      await using leader = await lead(own);
      const begin = performance.now();
      expect(await own.schedule.plan(leader, due(name, 5_000))).toHaveLength(5_000);
      const entries = await outboxOf(own, name);
      expect(entries).toHaveLength(5_000);
      await own.schedule.sent(entries);
      expect(await outboxOf(own, name)).toEqual([]);
      expect(performance.now() - begin).toBeLessThan(20_000);
    });
  });
}
