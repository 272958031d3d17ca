import { randomUUID } from 'node:crypto';
import { commit, get } from './calls.ts';
import { keys } from './keys.ts';
import type { KvStore } from './kv.ts';

/** Tells this store from every other one, for as long as it is not wiped. */
export interface Identity {
  /** Null where it has none yet. */
  peek(): Promise<string | null>;
  /** Gives it one where it has none. */
  get(): Promise<string>;
}

export function identityStore(store: KvStore): Identity {
  const peek = async (): Promise<string | null> => (await get(store, keys.identity))?.value ?? null;
  return {
    peek,
    async get() {
      const known = await peek();
      if (known !== null) return known;
      const own = randomUUID();
      const key = keys.identity;
      const { results } = await commit(store, {
        compare: [{ key, target: 'create', equals: 0n }],
        success: [
          { op: 'put', key, value: own },
          { op: 'get', key },
        ],
        failure: [{ op: 'get', key }],
      });
      return results.at(-1)?.[0]?.value ?? own;
    },
  };
}
