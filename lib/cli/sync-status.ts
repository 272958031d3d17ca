/** What is known of one sync, from the store and from its source. */
import type { Definitions, SyncDefinition } from '../config/definition.ts';
import type { QueueEntry, StoredCheckpoint } from '../coordination/contract.ts';
import type { Coordination } from '../coordination/coordination.ts';
import { describeEntry, holds } from '../coordination/queue.ts';
import type { StoredRun } from '../coordination/runs.ts';
import type { PlannedSlot } from '../coordination/schedule.ts';
import type { EngineDeps } from '../engine/deps.ts';
import { connectionLock } from '../engine/locks.ts';
import { sourceRequest } from '../engine/open-ends.ts';
import { type ErrorCode, toSyncError } from '../errors.ts';
import { withTimeout } from './with-timeout.ts';

export interface SyncStatus {
  readonly sync: string;
  readonly enabled: boolean;
  readonly mode: string;
  readonly lastRun: StoredRun | null;
  /** Last planned slot, ISO time; null outside a cluster. */
  readonly lastSlot: string | null;
  readonly checkpoint: StoredCheckpoint | null;
  /** What the source has beyond the checkpoint; an error where the last run could not go on from it; null where the mode keeps no position or the source cannot tell. */
  readonly lag:
    | { readonly rows: number | null; readonly exact: boolean; readonly seconds: number | null }
    | { readonly error: { readonly code: ErrorCode; readonly message: string } }
    | null;
  readonly lock: { readonly holders: readonly string[]; readonly waiting: readonly string[] };
  /** Those of its connections that have a limit. */
  readonly connections: readonly ConnectionUse[];
}

/** How far a connection with `maxConcurrent` is taken, by the runs of all syncs. */
export interface ConnectionUse {
  readonly connection: string;
  readonly limit: number;
  readonly taken: number;
  /** Runs that wait for their turn. */
  readonly waiting: number;
  /** What this sync's own run does there; null where it has none, or is not that far. */
  readonly here: 'holds' | 'waits' | null;
}

/** What is read once for all syncs, however many there are. */
export interface Survey {
  readonly planned: ReadonlyMap<string, PlannedSlot>;
  readonly queues: ReadonlyMap<string, readonly QueueEntry[]>;
  readonly connections: Definitions['connections'];
}

export async function survey({ schedule, locks }: Coordination, connections: Definitions['connections'], signal: AbortSignal): Promise<Survey> {
  const [planned, queues] = await Promise.all([schedule.planned(signal), locks.queues(signal)]);
  return { planned, queues, connections };
}

export async function syncStatus(
  definition: SyncDefinition,
  deps: EngineDeps,
  { survey, signal }: { readonly survey: Survey; readonly signal: AbortSignal },
): Promise<SyncStatus> {
  const { name, enabled, mode } = definition;
  const { coordination } = deps;
  const [lastRun, checkpoint] = await Promise.all([coordination.runs.load(name), coordination.checkpoints.load(name, '0')]);
  const slot = survey.planned.get(name)?.slot;
  return {
    sync: name,
    enabled,
    mode,
    lastRun,
    lastSlot: slot === undefined ? null : new Date(slot).toISOString(),
    checkpoint,
    lag: brokenOff(lastRun, checkpoint) ?? (await lagOf(definition, deps, { checkpoint, signal })),
    lock: lockOf(definition, survey),
    connections: connectionsOf(definition, survey),
  };
}

function ownQueues({ name }: SyncDefinition, { queues }: Survey): QueueEntry[] {
  return [name, `${name}#0`].flatMap((resource) => queues.get(resource) ?? []);
}

function lockOf(definition: SyncDefinition, { queues }: Survey): SyncStatus['lock'] {
  const { name, lock } = definition;
  const resources = lock.resource === name ? [name, `${name}#0`] : [name, lock.resource];
  const holders = new Set<string>();
  const waiting = new Set<string>();
  for (const queue of resources.flatMap((resource) => [queues.get(resource) ?? []])) {
    for (const entry of queue) (holds(queue, entry, 1) ? holders : waiting).add(describeEntry(entry));
  }
  return { holders: [...holders], waiting: [...waiting] };
}

function connectionsOf(definition: SyncDefinition, survey: Survey): ConnectionUse[] {
  const { source, destination } = definition;
  const own = new Set(ownQueues(definition, survey).map(({ runId }) => runId));
  return [...new Set([source.connection, destination.connection])].flatMap((connection) => {
    const limit = survey.connections[connection]?.maxConcurrent;
    if (limit === undefined) return [];
    const queue = survey.queues.get(connectionLock(connection)) ?? [];
    const holding = queue.filter((entry) => holds(queue, entry, limit));
    const entry = queue.find(({ runId }) => own.has(runId));
    const taken = holding.reduce((sum, { places }) => sum + Math.min(limit, places), 0);
    return [
      { connection, limit, taken, waiting: queue.length - holding.length, here: entry === undefined ? null : holding.includes(entry) ? 'holds' : 'waits' },
    ];
  });
}

/** The position itself is in doubt: nothing beyond it says nothing of what is before it. */
const doubtful: ReadonlySet<ErrorCode> = new Set(['RESYNC_REQUIRED', 'CHECKPOINT_MISSING', 'CHECKPOINT_CONFLICT', 'STORE_REWOUND', 'CURSOR_INVALID']);

/** A checkpoint that was set since is not the one that the run failed with. */
function brokenOff(lastRun: StoredRun | null, checkpoint: StoredCheckpoint | null): SyncStatus['lag'] {
  const error = lastRun?.report.error ?? null;
  if (lastRun === null || error === null || !doubtful.has(error.code) || (checkpoint !== null && checkpoint.at > lastRun.at)) return null;
  return { error: { code: error.code, message: 'the last run could not go on from the checkpoint' } };
}

async function lagOf(
  definition: SyncDefinition,
  deps: EngineDeps,
  { checkpoint, signal }: { checkpoint: StoredCheckpoint | null; signal: AbortSignal },
): Promise<SyncStatus['lag']> {
  if (!definition.enabled || definition.mode === 'full' || definition.mode.startsWith('lastDestination')) return null;
  try {
    return await withTimeout({ signal, what: `The source of ${definition.name}`, timeoutMs: 15_000 }, async (within) => {
      const from = await deps.open(definition.source.connection);
      const to = await deps.open(definition.destination.connection);
      await using source = await from.connector.openSource(from.connection, sourceRequest(definition, to.system), within);
      const remaining = await source.remaining?.(checkpoint?.cursor ?? null);
      if (remaining === undefined) return null;
      return { rows: remaining.rows ?? null, exact: remaining.exact ?? false, seconds: remaining.lagSeconds ?? null };
    });
  } catch (error) {
    const { code, message } = toSyncError(error);
    return { error: { code, message } };
  }
}
