/** A queue of entries in the order of their create revisions: who stands before whom, and who has to wait for it. */
import type { LockMode, QueueEntry } from './contract.ts';
import { parseEntry } from './keys.ts';
import type { KeyValue } from './kv.ts';

export interface Entry extends QueueEntry {
  readonly key: string;
}

/** Keys of another shape are none of the queue's. */
export function parseQueue(prefix: string, found: readonly KeyValue[]): Entry[] {
  return found
    .flatMap(({ key, value, createRevision }) => {
      const parsed = parseEntry(key, prefix);
      return parsed === null ? [] : [{ key, value, fence: createRevision, places: parseHolder(value)?.places ?? 1, ...parsed }];
    })
    .sort((a, b) => (a.fence < b.fence ? -1 : 1));
}

export interface Contender {
  readonly mode: LockMode;
  readonly limit: number;
  readonly places: number;
  /** Create revision of its entry; null before it has one: it would come last. */
  readonly fence: bigint | null;
}

/**
 * The entries that have to go before the contender may hold the lock, in order; empty: it holds. Exclusive is blocked by every earlier entry; shared by earlier exclusive ones; limited by
 * those, and by earlier limited ones as soon as they leave it fewer of the `limit` places than it wants. Those that wait count as well: who wants many places is not passed for ever.
 */
export function blockers<Queued extends QueueEntry>(entries: readonly Queued[], { mode, limit, places, fence }: Contender): Queued[] {
  const earlier = entries.filter((entry) => fence === null || entry.fence < fence);
  if (mode === 'exclusive') return earlier;
  const exclusive = earlier.filter((entry) => entry.mode === 'exclusive');
  if (mode === 'shared') return exclusive;
  const limited = earlier.filter((entry) => entry.mode === 'limited');
  const taken = limited.reduce((sum, entry) => sum + Math.min(limit, entry.places), 0);
  return taken + Math.min(limit, places) <= limit ? exclusive : [...exclusive, ...limited].sort((a, b) => (a.fence < b.fence ? -1 : 1));
}

/** Whether an entry of the queue holds the lock, as seen under this limit. */
export function holds(entries: readonly QueueEntry[], { mode, places, fence }: QueueEntry, limit: number): boolean {
  return blockers(entries, { mode, limit, places, fence }).length === 0;
}

/** Of the entries ahead, those that hold the lock now; where none of them does, all: then somebody in front of them is about to leave. */
export function holders(entries: readonly Entry[], ahead: readonly Entry[], limit: number): readonly Entry[] {
  const holding = ahead.filter((entry) => holds(entries, entry, limit));
  return holding.length > 0 ? holding : ahead;
}

/** Who stands behind an entry, for messages and `idra status`. No secrets: anybody who may read the store sees it. */
export interface Holder {
  readonly host: string;
  readonly pid: number;
  /** ISO time, UTC. */
  readonly since: string;
  readonly places?: number;
}

/** `run 4f… on worker-3 (process 812) since 2026-01-01T10:00:00Z`; what cannot be read is left out. */
export function describeEntry({ runId, value }: Pick<QueueEntry, 'runId' | 'value'>): string {
  const holder = parseHolder(value);
  return holder === null ? `run ${runId}` : `run ${runId} on ${holder.host} (process ${holder.pid}) since ${holder.since}`;
}

function parseHolder(value: string): Holder | null {
  try {
    const { host, pid, since, places } = JSON.parse(value) as Record<string, unknown>;
    if (typeof host !== 'string' || typeof pid !== 'number' || typeof since !== 'string') return null;
    return { host, pid, since, ...(typeof places === 'number' && places > 1 ? { places } : {}) };
  } catch {
    // An entry that another program wrote still counts as a place in the queue.
    return null;
  }
}
