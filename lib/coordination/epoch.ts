import { SyncError } from '../errors.ts';
import { commit, get } from './calls.ts';
import { keys } from './keys.ts';
import type { KvStore } from './kv.ts';

/** Raised by hand after the store was wiped or restored: fences of a higher epoch outrank all of a lower one, whatever the revisions say. */
export interface Epoch {
  /** 0 where it was never raised. */
  get(): Promise<bigint>;
  /** Never lowers it: returns what now holds, `to` or the higher value that somebody else has set. */
  raise(to: bigint): Promise<bigint>;
}

export function epochStore(store: KvStore): Epoch {
  const read = async (): Promise<{ value: bigint; revision: bigint }> => {
    const found = await get(store, keys.epoch);
    if (found === null) return { value: 0n, revision: 0n };
    if (/^\d+$/.test(found.value)) return { value: BigInt(found.value), revision: found.modRevision };
    throw new SyncError('STORE_REWOUND', `${keys.epoch} in ${store.name} is no whole number: put a number there that is higher than any before.`);
  };
  return {
    get: async () => (await read()).value,
    async raise(to) {
      for (;;) {
        const { value, revision } = await read();
        if (value >= to) return value;
        await commit(store, { compare: [{ key: keys.epoch, target: 'mod', equals: revision }], success: [{ op: 'put', key: keys.epoch, value: String(to) }] });
      }
    },
  };
}
