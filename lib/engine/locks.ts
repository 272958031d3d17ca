import type { SyncDefinition } from '../config/definition.ts';
import type { HeldLock, LockManager, LockRequest } from '../coordination/contract.ts';
import type { Opened, RunOptions } from './deps.ts';

/** How long a run queues for its turn on a connection with `maxConcurrent` when no deadline bounds it. */
const connectionWaitMs = 15 * 60_000;

export interface SyncLocks extends AsyncDisposable {
  /** Alone for the sync and shard; its fence is what the destination checks. */
  readonly primary: HeldLock;
  /** Aborts when any of the locks is lost. */
  readonly lost: AbortSignal;
  readonly waitedMs: number;
}

export type SyncLocksOutcome = { readonly held: true; readonly locks: SyncLocks } | { readonly held: false; readonly reason: string };

/** The resource that bounds the use of a connection with `maxConcurrent`. */
export function connectionLock(connection: string): string {
  return `connection.${connection}`;
}

/**
 * What a run has to hold, in the order of acquisition. A fence is per sync and shard, so that one lock is always exclusive and the sync's own; a shared or foreign resource comes beside it.
 * Connections come last and in the order of their names, so that two runs never wait for each other in a circle.
 */
function requests(
  definition: SyncDefinition,
  shard: string,
  context: { runId: string; ends: readonly (readonly [string, Opened])[]; deadline: number | undefined },
): LockRequest[] {
  const { name, lock } = definition;
  const { runId, ends, deadline } = context;
  const base = { runId, ttlSeconds: lock.ttlSeconds };
  const own: LockRequest = { ...base, resource: shard === '0' ? name : `${name}#${shard}`, mode: 'exclusive', waitMs: lock.waitMs };
  const isOwn = lock.mode === 'exclusive' && lock.resource === own.resource;
  // A shared lock on the sync's own name would wait for the exclusive one that this very run holds.
  const first: LockRequest = isOwn || lock.resource !== name ? own : { ...own, resource: `${name}#${shard}` };
  const list: LockRequest[] = [first];
  if (!isOwn) list.push({ ...base, resource: lock.resource, mode: lock.mode, waitMs: lock.waitMs });
  const waitMs = deadline === undefined ? connectionWaitMs : Math.max(0, (deadline - Date.now()) / 2);
  const limited = Map.groupBy(ends, ([connection]) => connection);
  for (const connection of [...limited.keys()].sort()) {
    const uses = limited.get(connection) ?? [];
    const limit = uses[0]?.[1].maxConcurrent;
    // A source and a destination on one server are two sessions of it.
    if (limit !== undefined) list.push({ ...base, resource: connectionLock(connection), mode: 'limited', limit, places: uses.length, waitMs });
  }
  return list;
}

/** In reverse, each in any case: one that cannot be given back keeps no other. */
async function releaseAll(held: readonly HeldLock[]): Promise<void> {
  await using stack = new AsyncDisposableStack();
  for (const lock of held) stack.use(lock);
}

/** Takes every lock that the run needs, or none. Throws what the store throws; `held: false` says that somebody else is at work. */
export async function takeLocks(
  locks: LockManager,
  definition: SyncDefinition,
  context: { runId: string; ends: readonly (readonly [string, Opened])[]; options: RunOptions },
): Promise<SyncLocksOutcome> {
  const { options, runId, ends } = context;
  const held: HeldLock[] = [];
  const startedAt = Date.now();
  try {
    for (const request of requests(definition, options.shard ?? '0', { runId, ends, deadline: options.deadline })) {
      const outcome = await locks.acquire(request, options.signal);
      if (!outcome.held) {
        await releaseAll(held);
        const waited = request.waitMs > 0 ? ` after waiting ${(outcome.waitedMs / 1000).toFixed(1)} s` : '';
        return { held: false, reason: `${request.resource} is held by ${outcome.holders.join(', ') || 'another run'}${waited}` };
      }
      held.push(outcome.lock);
    }
  } catch (error) {
    await releaseAll(held);
    throw error;
  }
  const [primary] = held;
  if (primary === undefined) throw new Error('no lock was asked for');
  return {
    held: true,
    locks: {
      primary,
      lost: AbortSignal.any(held.map((lock) => lock.lost)),
      waitedMs: Date.now() - startedAt,
      [Symbol.asyncDispose]: () => releaseAll(held),
    },
  };
}
