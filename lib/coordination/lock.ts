import { hostname } from 'node:os';
import { SyncError } from '../errors.ts';
import { commit, getAll } from './calls.ts';
import type { HeldLock, LockManager, LockMode, LockOutcome, LockRequest } from './contract.ts';
import { keys, queueOf } from './keys.ts';
import type { KvStore } from './kv.ts';
import { Lease } from './lease.ts';
import { blockers, describeEntry, type Entry, type Holder, holders, parseQueue } from './queue.ts';
import { isUnanswered } from './retry.ts';
import { pause } from './wait.ts';

/** A place in some queue; what locks and leadership have in common. */
export interface QueueRequest {
  /** For messages. */
  readonly resource: string;
  /** All entries of the queue begin with it. */
  readonly prefix: string;
  readonly key: string;
  readonly mode: LockMode;
  readonly limit: number;
  readonly places: number;
  readonly waitMs: number;
  readonly ttlSeconds: number;
}

/** The queue of protocol steps 1 to 3 and 9: lease, enqueue, decide, release. */
export function lockManager(store: KvStore): LockManager {
  return {
    async acquire(request, signal) {
      const { resource, mode, runId } = request;
      const place = { prefix: keys.queue(resource), key: keys.queueEntry(resource, mode, runId) };
      return enter(store, { ...request, ...place, limit: limitOf(request), places: request.places ?? 1 }, signal);
    },
    queue: async (resource) => readQueue(store, keys.queue(resource)),
    queues: (signal) => readQueues(store, signal),
  };
}

function limitOf({ mode, limit, resource }: LockRequest): number {
  if (mode !== 'limited') return 1;
  if (limit === undefined || !Number.isInteger(limit) || limit < 1) {
    throw new SyncError('CONFIG_INVALID', `The limit of holders of ${resource} must be a whole number from 1 on, not ${limit}.`);
  }
  return limit;
}

export async function readQueue(store: KvStore, prefix: string, signal?: AbortSignal): Promise<Entry[]> {
  return parseQueue(prefix, await getAll(store, prefix, signal && { signal }));
}

async function readQueues(store: KvStore, signal?: AbortSignal): Promise<Map<string, Entry[]>> {
  const found = Map.groupBy(await getAll(store, keys.queues, signal && { signal }), ({ key }) => queueOf(key));
  return new Map([...found].map(([resource, entries]) => [resource, parseQueue(keys.queue(resource), entries)]));
}

/** On any error on the way the lease is revoked, and with it the entry. */
export async function enter(store: KvStore, request: QueueRequest, signal?: AbortSignal): Promise<LockOutcome> {
  const begun = performance.now();
  const waited = (): number => Math.round(performance.now() - begun);
  const refused = (entries: readonly Entry[], ahead: readonly Entry[]): LockOutcome => ({
    held: false,
    holders: holders(entries, ahead, request.limit).map(describeEntry),
    waitedMs: waited(),
  });
  if (request.waitMs <= 0) {
    // Who will not wait does not get into the way of others either.
    const entries = await readQueue(store, request.prefix, signal);
    const ahead = blockers(entries, { ...request, fence: null });
    if (ahead.length > 0) return refused(entries, ahead);
  }
  const lease = await Lease.grant(store, request.ttlSeconds, signal);
  try {
    const stop = signal === undefined ? lease.lost : AbortSignal.any([signal, lease.lost]);
    let entries = await enqueue(store, request, { lease, signal: stop });
    const fence = ownEntry(entries, request)?.fence;
    for (;;) {
      if (fence === undefined || ownEntry(entries, request)?.fence !== fence) throw gone(request);
      const ahead = blockers(entries, { ...request, fence });
      if (ahead.length === 0) return { held: true, lock: new QueueLock(store, lease, { ...request, fence }) };
      const leftMs = request.waitMs - waited();
      if (leftMs <= 0) {
        await lease.end();
        return refused(entries, ahead);
      }
      await pause(Math.min(leftMs, pollMs(request, ahead)), stop);
      entries = await readQueue(store, request.prefix, stop);
    }
  } catch (error) {
    await abandon(lease);
    throw error;
  }
}

/** The next in line looks often, those far back seldom; with jitter, so that they do not all look at once. */
function pollMs({ mode, limit, places }: QueueRequest, ahead: readonly Entry[]): number {
  const toLeave = mode === 'limited' ? Math.max(1, ahead.length - limit + places) : ahead.length;
  return Math.min(1_000, 50 * toLeave) * (0.5 + Math.random());
}

function ownEntry(entries: readonly Entry[], { key }: QueueRequest): Entry | undefined {
  return entries.find((entry) => entry.key === key);
}

function gone({ resource }: Pick<QueueRequest, 'resource'>): SyncError {
  return new SyncError('LOCK_LOST', `The place in the queue for ${resource} is gone: its lease has ended, or somebody removed it.`, { retry: 'now' });
}

/** Finds itself in either branch, so that a repetition after a lost reply does no harm. */
async function enqueue(store: KvStore, { key, prefix, places }: QueueRequest, { lease, signal }: { lease: Lease; signal: AbortSignal }): Promise<Entry[]> {
  const holder: Holder = { host: hostname(), pid: process.pid, since: new Date().toISOString(), ...(places > 1 ? { places } : {}) };
  const range = { op: 'get', key: prefix, prefix: true } as const;
  const put = { op: 'put', key, value: JSON.stringify(holder), lease: lease.id } as const;
  const { results } = await commit(store, { compare: [{ key, target: 'create', equals: 0n }], success: [put, range], failure: [range] }, { signal });
  return parseQueue(prefix, results.at(-1) ?? []);
}

/** The error that led here is the one to tell; a lease that cannot be revoked is no longer renewed, and ends by itself. */
async function abandon(lease: Lease): Promise<void> {
  await lease.end().catch(() => undefined);
}

class QueueLock implements HeldLock {
  readonly resource: string;
  readonly key: string;
  readonly fence: bigint;
  readonly lost: AbortSignal;
  readonly #store: KvStore;
  readonly #lease: Lease;
  #released: Promise<void> | null = null;

  constructor(store: KvStore, lease: Lease, { resource, key, fence }: { resource: string; key: string; fence: bigint }) {
    this.#store = store;
    this.#lease = lease;
    this.resource = resource;
    this.key = key;
    this.fence = fence;
    this.lost = lease.lost;
  }

  get validUntil(): number {
    return this.#lease.validUntil;
  }

  renew(): Promise<void> {
    return this.#lease.renew();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    await this.#lease.stop();
    const { key, fence } = this;
    try {
      await commit(this.#store, { compare: [{ key, target: 'create', equals: fence }], success: [{ op: 'delete', key }] }, { retries: 1 });
    } catch (error) {
      // Nobody renews the lease any more: the entry goes with it within the TTL.
      if (!isUnanswered(error)) throw error;
    } finally {
      await this.#lease.end();
    }
  }
}
