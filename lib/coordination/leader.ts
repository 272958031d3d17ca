import type { LockOutcome } from './contract.ts';
import { keys } from './keys.ts';
import type { KvStore } from './kv.ts';
import { enter, readQueue } from './lock.ts';
import type { Entry } from './queue.ts';

export interface Leadership {
  /** Tries once, without waiting. Not leader: `held` is false, and `holders` says who is. `runId` is fresh for each attempt. */
  campaign(request: { readonly runId: string; readonly ttlSeconds: number }, signal?: AbortSignal): Promise<LockOutcome>;
  /** The leader's entry, for `idra status`; null where nobody leads. */
  current(): Promise<Entry | null>;
}

export function leadership(store: KvStore): Leadership {
  return {
    campaign: async ({ runId, ttlSeconds }, signal) =>
      enter(
        store,
        { resource: 'the leadership', prefix: keys.leaders, key: keys.leader(runId), mode: 'exclusive', limit: 1, places: 1, waitMs: 0, ttlSeconds },
        signal,
      ),
    current: async () => (await readQueue(store, keys.leaders))[0] ?? null,
  };
}
