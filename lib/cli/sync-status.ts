/** What is known of one sync, from the store and from its source. */
import type { SyncDefinition } from '../config/definition.ts';
import type { StoredCheckpoint } from '../coordination/contract.ts';
import type { Coordination } from '../coordination/coordination.ts';
import { describeEntry } from '../coordination/queue.ts';
import type { StoredRun } from '../coordination/runs.ts';
import type { EngineDeps } from '../engine/deps.ts';
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
  /** What the source has beyond the checkpoint; null where the mode keeps no position or the source cannot tell. */
  readonly lag:
    | { readonly rows: number | null; readonly exact: boolean; readonly seconds: number | null }
    | { readonly error: { readonly code: ErrorCode; readonly message: string } }
    | null;
  readonly lock: { readonly holders: readonly string[]; readonly waiting: readonly string[] };
}

export async function syncStatus(definition: SyncDefinition, deps: EngineDeps, signal: AbortSignal): Promise<SyncStatus> {
  const { name, enabled, mode } = definition;
  const { coordination } = deps;
  const [lastRun, checkpoint, lock, planned] = await Promise.all([
    coordination.runs.load(name),
    coordination.checkpoints.load(name, '0'),
    lockOf(definition, coordination),
    coordination.schedule.planned(signal),
  ]);
  const slot = planned.get(name)?.slot;
  return {
    sync: name,
    enabled,
    mode,
    lastRun,
    lastSlot: slot === undefined ? null : new Date(slot).toISOString(),
    checkpoint,
    lag: await lagOf(definition, deps, { checkpoint, signal }),
    lock,
  };
}

/** The first of a queue holds it; under a shared or a limited lock others may as well, which their place alone does not tell. */
async function lockOf({ name, lock }: SyncDefinition, { locks }: Coordination): Promise<SyncStatus['lock']> {
  const resources = lock.resource === name ? [name, `${name}#0`] : [name, lock.resource];
  const holders: string[] = [];
  const waiting: string[] = [];
  for (const resource of resources) {
    const queue = await locks.queue(resource);
    for (const [index, entry] of queue.entries()) {
      const isHolder = index === 0 || (entry.mode === 'shared' && queue.slice(0, index).every(({ mode }) => mode === 'shared'));
      (isHolder ? holders : waiting).push(describeEntry(entry));
    }
  }
  return { holders: [...new Set(holders)], waiting: [...new Set(waiting)] };
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
