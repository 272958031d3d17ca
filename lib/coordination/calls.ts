/** Calls on the store that are repeated where it gave no answer, because it does no harm. */
import type { KeyValue, KvStore, Txn, TxnResult } from './kv.ts';
import { type RetryOptions, whenAnswered } from './retry.ts';

/** What a repetition finds in the `failure` branch has to tell whether the first attempt was stored. */
export function commit(store: KvStore, txn: Txn, options: RetryOptions = {}): Promise<TxnResult> {
  return whenAnswered(() => store.txn(txn, options.signal), options);
}

export async function get(store: KvStore, key: string, options: RetryOptions = {}): Promise<KeyValue | null> {
  const { results } = await commit(store, { compare: [], success: [{ op: 'get', key }] }, options);
  return results[0]?.[0] ?? null;
}

export async function getAll(store: KvStore, prefix: string, options: RetryOptions = {}): Promise<readonly KeyValue[]> {
  const { results } = await commit(store, { compare: [], success: [{ op: 'get', key: prefix, prefix: true }] }, options);
  return results[0] ?? [];
}

/** The last writer wins: for values that only inform. */
export async function put(store: KvStore, key: string, value: string): Promise<void> {
  await commit(store, { compare: [], success: [{ op: 'put', key, value }] });
}

/** Deletes keys, few enough at a time for one transaction of etcd (128 operations unless the server says otherwise). */
export async function removeAll(store: KvStore, keys: readonly string[], options: RetryOptions = {}): Promise<void> {
  for (let first = 0; first < keys.length; first += 100) {
    await commit(store, { compare: [], success: keys.slice(first, first + 100).map((key) => ({ op: 'delete', key })) }, options);
  }
}
