/** The embedded store and etcd, given the same random transactions, answer the same. */
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { EmbeddedStore } from '../../lib/coordination/embedded/store.ts';
import { EtcdStore } from '../../lib/coordination/etcd/store.ts';
import type { Compare, KvStore, Op } from '../../lib/coordination/kv.ts';
import { unique } from '../conformance/coordination-support.ts';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const key = fc.constantFrom('a', 'a/', 'a/b', 'a0', 'ä', 'b', '\u{ffff}', '😀');
const value = fc.string({ unit: 'grapheme', maxLength: 6 });

type Lease = number | null;
type RandomOp =
  | { readonly op: 'put'; readonly key: string; readonly value: string; readonly lease: Lease }
  | { readonly op: 'delete'; readonly key: string }
  | { readonly op: 'get'; readonly key: string; readonly prefix: boolean; readonly limit: number };

const op: fc.Arbitrary<RandomOp> = fc.oneof(
  fc.record({ op: fc.constant('put' as const), key, value, lease: fc.option(fc.nat(1)) }),
  fc.record({ op: fc.constant('delete' as const), key }),
  fc.record({ op: fc.constant('get' as const), key, prefix: fc.boolean(), limit: fc.nat(3) }),
);
const ops = fc.uniqueArray(op, { maxLength: 5, selector: (each) => (each.op === 'get' ? {} : each.key) });
/** `now`: the revision that the key has; the others never or nearly never hold. */
const compare = fc.record({ key, target: fc.constantFrom('create' as const, 'mod' as const), equals: fc.constantFrom('now', 'zero', 'next') });
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('txn' as const), compare: fc.array(compare, { maxLength: 3 }), success: ops, failure: ops }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('revoke' as const), lease: fc.nat(1) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Runs the steps under a prefix of their own; revisions are told by their order, for each store counts its own. */
async function run(store: KvStore, steps: readonly Step[]): Promise<unknown[]> {
  const prefix = `${unique('run')}/`;
  const leases = [await store.grant(60), await store.grant(60)];
  const seen = new Set<bigint>();
  const told: unknown[] = [];
  const leaseNumber = (lease: string): number => leases.indexOf(lease);
  const toOp = (each: RandomOp): Op => {
    const named = { ...each, key: prefix + each.key };
    if (named.op !== 'put') return named;
    const { lease, ...put } = named;
    return lease === null ? put : { ...put, lease: leases[lease] ?? '0' };
  };
  const current = async (of: string, target: Compare['target']): Promise<bigint> => {
    const found = (await store.txn({ compare: [], success: [{ op: 'get', key: prefix + of }] })).results[0]?.[0];
    return found === undefined ? 0n : target === 'create' ? found.createRevision : found.modRevision;
  };
  for (const each of steps) {
    if (each.do === 'revoke') {
      await store.revoke(leases[each.lease] ?? '');
      leases[each.lease] = await store.grant(60);
      continue;
    }
    const compares: Compare[] = [];
    for (const { key: of, target, equals } of each.compare) {
      const now = await current(of, target);
      compares.push({ key: prefix + of, target, equals: equals === 'now' ? now : equals === 'zero' ? 0n : now + 1n });
    }
    const { succeeded, results } = await store.txn({ compare: compares, success: each.success.map(toOp), failure: each.failure.map(toOp) });
    for (const kv of results.flat()) seen.add(kv.createRevision).add(kv.modRevision);
    told.push({ succeeded, results: results.map((found) => found.map((kv) => ({ ...kv, key: kv.key.slice(prefix.length), lease: leaseNumber(kv.lease) }))) });
  }
  for (const lease of leases) await store.revoke(lease);
  const order = [...seen].sort((a, b) => (a < b ? -1 : 1));
  return JSON.parse(JSON.stringify(told, (_name, it: unknown) => (typeof it === 'bigint' ? order.indexOf(it) : it))) as unknown[];
}

await describeWith(['etcd'], 'embedded store and etcd', () => {
  let embedded: KvStore;
  let etcd: KvStore;
  beforeAll(async () => {
    const folder = await temporaryFolder();
    const fresh = await freshDatabase('etcd');
    embedded = await EmbeddedStore.open(join(folder.path, 'state.db'));
    etcd = await EtcdStore.open({ hosts: fresh.url.split(','), prefix: fresh.name });
    return async () => {
      for (const each of [embedded, etcd, fresh, folder]) await each[Symbol.asyncDispose]();
    };
  });

  it('answer the same', { timeout: 120_000 }, async () => {
    const property = fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      expect(await run(embedded, steps)).toEqual(await run(etcd, steps));
    });
    await fc.assert(property, { numRuns: 60, endOnFailure: true });
  });
});
