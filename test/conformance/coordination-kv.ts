/** The store's own semantics, which are etcd's: revisions, compares, ranges, leases. */
import { beforeAll, describe, expect, it } from 'vitest';
import type { KeyValue, KvStore, Op, TxnResult } from '../../lib/coordination/kv.ts';
import { waitUntil } from '../support/wait-until.ts';
import { codeOf, type StoreUnderTest, unique } from './coordination-support.ts';

export function kvSuite(make: () => StoreUnderTest): void {
  describe('key-value store', () => {
    let store: KvStore;
    let other: KvStore;
    beforeAll(async () => {
      [store, other] = await Promise.all([make().open(), make().open()]);
      return async () => {
        await store[Symbol.asyncDispose]();
        await other[Symbol.asyncDispose]();
      };
    });
    const run = (...ops: Op[]): Promise<TxnResult> => store.txn({ compare: [], success: ops });
    const read = async (key: string, from = store): Promise<KeyValue | undefined> =>
      (await from.txn({ compare: [], success: [{ op: 'get', key }] })).results[0]?.[0];

    it('counts a revision for each transaction that writes, and none for one that reads', async () => {
      // Other test files write to the same server: in a moment when none does, each step counts what it should
      const quietly = async (): Promise<readonly bigint[]> => {
        const key = unique('revision');
        const before = (await run({ op: 'get', key })).revision;
        const steps = [
          await run({ op: 'put', key, value: '1' }, { op: 'put', key: `${key}/2`, value: '2' }),
          await run({ op: 'get', key }),
          await run({ op: 'delete', key: `${key}/none` }),
          await run({ op: 'delete', key }),
        ];
        return steps.map(({ revision }) => revision - before);
      };
      await expect.poll(quietly, { timeout: 10_000, interval: 20 }).toEqual([1n, 1n, 1n, 2n]);
    });

    it('keeps the create revision over changes, and gives a new one after a deletion', async () => {
      const key = unique('create');
      const first = (await run({ op: 'put', key, value: 'a' })).revision;
      const second = (await run({ op: 'put', key, value: 'b' })).revision;
      expect(await read(key, other)).toEqual({ key, value: 'b', createRevision: first, modRevision: second, lease: '0' });
      await run({ op: 'delete', key });
      expect(await read(key)).toBeUndefined();
      const third = (await run({ op: 'put', key, value: 'c' })).revision;
      expect(await read(key)).toMatchObject({ createRevision: third, modRevision: third });
    });

    it('compares create and mod revisions, an absent key as 0, and runs the branch that follows', async () => {
      const key = unique('compare');
      const compare = (target: 'create' | 'mod', equals: bigint): Promise<TxnResult> =>
        store.txn({ compare: [{ key, target, equals }], success: [{ op: 'put', key, value: 'then' }], failure: [{ op: 'get', key }] });
      expect((await compare('create', 1n)).succeeded).toBe(false);
      const created = await compare('create', 0n);
      expect(created).toMatchObject({ succeeded: true, results: [[]] });
      const refused = await compare('create', 0n);
      expect(refused.succeeded).toBe(false);
      expect(refused.results[0]?.[0]).toMatchObject({ key, createRevision: created.revision });
      const changed = await compare('mod', created.revision);
      expect(changed.succeeded).toBe(true);
      expect((await compare('mod', created.revision)).succeeded).toBe(false);
      expect((await compare('create', created.revision)).succeeded).toBe(true);
    });

    it('runs the first branch only if every compare holds', async () => {
      const [a, b] = [unique('all-a'), unique('all-b')];
      await run({ op: 'put', key: a, value: '1' });
      const compares = [a, b].map((key) => ({ key, target: 'create', equals: 0n }) as const);
      expect(await store.txn({ compare: compares, success: [{ op: 'put', key: b, value: '1' }] })).toMatchObject({ succeeded: false, results: [] });
      expect(await read(b)).toBeUndefined();
    });

    it('shows the writes of a transaction to its later reads', async () => {
      const key = unique('within');
      const { results, revision } = await run({ op: 'put', key, value: 'new' }, { op: 'get', key });
      expect(results).toEqual([[], [{ key, value: 'new', createRevision: revision, modRevision: revision, lease: '0' }]]);
    });

    it('gives a range by prefix in the order of bytes, and no more than the limit', async () => {
      const prefix = `${unique('range')}/`;
      const names = ['a', 'a/b', 'a0', 'b', 'ä', 'z', '😀', '\u{ffff}'];
      for (const name of names) await run({ op: 'put', key: prefix + name, value: name });
      await run({ op: 'put', key: prefix.slice(0, -1), value: 'before' }, { op: 'put', key: `${prefix.slice(0, -1)}0`, value: 'after' });
      const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const all = (await run({ op: 'get', key: prefix, prefix: true })).results[0];
      expect(all?.map(({ key }) => key)).toEqual(sorted.map((name) => prefix + name));
      const two = (await run({ op: 'get', key: prefix, prefix: true, limit: 2 })).results[0];
      expect(two?.map(({ value }) => value)).toEqual(sorted.slice(0, 2));
      const deeper = (await run({ op: 'get', key: `${prefix}a`, prefix: true })).results[0];
      expect(deeper?.map(({ value }) => value)).toEqual(['a', 'a/b', 'a0']);
    });

    it('keeps values as they are', async () => {
      const key = unique('value');
      for (const value of ['', ' ', 'ä😀\n\0\u{1}', '{"n":9007199254740993}', 'x'.repeat(100_000)]) {
        await run({ op: 'put', key, value });
        expect((await read(key, other))?.value).toBe(value);
      }
    });

    it('refuses a transaction that writes a key twice', async () => {
      const key = unique('twice');
      expect(await codeOf(run({ op: 'put', key, value: '1' }, { op: 'put', key, value: '2' }))).toBe('INTERNAL');
      expect(await read(key)).toBeUndefined();
    });

    it('deletes the keys of a lease that is revoked, and no others', async () => {
      const prefix = `${unique('revoke')}/`;
      const lease = await store.grant(20);
      await run({ op: 'put', key: `${prefix}leased`, value: '1', lease }, { op: 'put', key: `${prefix}free`, value: '1' });
      expect((await read(`${prefix}leased`, other))?.lease).toBe(lease);
      await other.revoke(lease);
      expect(await read(`${prefix}leased`)).toBeUndefined();
      expect(await read(`${prefix}free`)).toBeDefined();
      await expect(store.revoke(lease)).resolves.toBeUndefined();
      expect(await store.keepAlive(lease)).toBe(0);
    });

    it('lets a lease end that nobody renews, and not before its time', { timeout: 15_000 }, async () => {
      const key = unique('expiry');
      const lease = await store.grant(2);
      await run({ op: 'put', key, value: '1', lease });
      const begin = performance.now();
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      expect(await store.keepAlive(lease)).toBe(2);
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      expect(await read(key, other)).toBeDefined();
      await waitUntil(async () => (await read(key, other)) === undefined, { timeoutMs: 6_000 });
      expect(performance.now() - begin).toBeGreaterThan(3_000);
      expect(await store.keepAlive(lease)).toBe(0);
    });

    it('refuses to hang a key on a lease that has ended', async () => {
      const key = unique('no-lease');
      const lease = await store.grant(20);
      await store.revoke(lease);
      expect(await codeOf(run({ op: 'put', key, value: '1', lease }))).toBe('LOCK_LOST');
      expect(await read(key)).toBeUndefined();
    });

    it('keeps a key whose lease was taken off by a later put', async () => {
      const key = unique('unleased');
      const lease = await store.grant(20);
      await run({ op: 'put', key, value: '1', lease });
      await run({ op: 'put', key, value: '2' });
      await store.revoke(lease);
      expect((await read(key))?.value).toBe('2');
    });

    it('lets one of many win who compare the same revision', async () => {
      const key = unique('race');
      const attempt = (from: KvStore, value: string): Promise<TxnResult> =>
        from.txn({ compare: [{ key, target: 'create', equals: 0n }], success: [{ op: 'put', key, value }] });
      const results = await Promise.all(Array.from({ length: 20 }, (_, n) => attempt(n % 2 === 0 ? store : other, String(n))));
      const won = results.flatMap(({ succeeded }, n) => (succeeded ? [String(n)] : []));
      expect(won).toEqual([(await read(key))?.value]);
    });

    it('does nothing for a call that is cancelled already', async () => {
      const key = unique('cancelled');
      const txn = store.txn({ compare: [], success: [{ op: 'put', key, value: '1' }] }, AbortSignal.abort());
      expect(await codeOf(txn)).toBe('CANCELLED');
      expect(await codeOf(store.grant(20, AbortSignal.abort()))).toBe('CANCELLED');
      expect(await read(key)).toBeUndefined();
    });
  });
}
