/** The one place that knows how keys are spelled. All stand under the store's prefix. */
import { SyncError } from '../errors.ts';
import type { LockMode } from './contract.ts';

const modeLetters = { exclusive: 'w', shared: 'r', limited: 'l' } as const satisfies Record<LockMode, string>;

/** A name as one part of a key: a slash in it (`connection/shop`) must not look like the end of the part. */
function part(name: string, what: string): string {
  if (name === '' || !name.isWellFormed())
    throw new SyncError('CONFIG_INVALID', `The ${what} ${JSON.stringify(name)} cannot be used as a key: it is empty or no valid text.`);
  return encodeURIComponent(name);
}

export const keys = {
  epoch: 'meta/epoch',
  /** Made with the first run, never changed. */
  identity: 'meta/identity',
  definitions: (kind: string): string => `${kind}/`,
  definition: (kind: string, name: string): string => `${kind}/${part(name, 'name')}`,
  leaders: 'leader/',
  leader: (runId: string): string => `leader/${part(runId, 'run id')}`,
  queues: 'lock/',
  queue: (resource: string): string => `lock/${part(resource, 'resource')}/`,
  queueEntry: (resource: string, mode: LockMode, runId: string): string => `${keys.queue(resource)}${modeLetters[mode]}/${part(runId, 'run id')}`,
  checkpoints: (sync: string): string => `checkpoint/${part(sync, 'sync')}/`,
  checkpoint: (sync: string, shard: string): string => `${keys.checkpoints(sync)}${part(shard, 'shard')}`,
  schedules: 'schedule/',
  schedule: (sync: string): string => `schedule/${part(sync, 'sync')}`,
  /** The last slot that a run has completed; older and equal ones are dropped. */
  completed: (sync: string, shard: string): string => `completed/${part(sync, 'sync')}/${part(shard, 'shard')}`,
  /** The last link of a chain of continuations that has handed over. */
  continuation: (sync: string, shard: string): string => `continuation/${part(sync, 'sync')}/${part(shard, 'shard')}`,
  outboxes: 'outbox/',
  /** Padded, so that a sync's slots stand in their order. */
  outbox: (sync: string, slot: number): string => `outbox/${part(sync, 'sync')}/${String(slot).padStart(15, '0')}`,
  runs: 'run/',
  run: (sync: string): string => `run/${part(sync, 'sync')}`,
};

/** The resource whose queue the key is an entry of. */
export function queueOf(key: string): string {
  return decodeURIComponent(key.split('/')[1] ?? '');
}

/** Mode and run id of a queue entry, from what follows the queue's prefix. Leaders' entries have no mode: they exclude each other. */
export function parseEntry(key: string, prefix: string): { readonly mode: LockMode; readonly runId: string } | null {
  const parts = key.slice(prefix.length).split('/');
  const runId = parts.pop();
  if (runId === undefined || parts.length > 1) return null;
  const mode = parts.length === 0 ? 'exclusive' : modeOf(parts[0]);
  return mode === null ? null : { mode, runId: decodeURIComponent(runId) };
}

function modeOf(letter: string | undefined): LockMode | null {
  for (const mode of ['exclusive', 'shared', 'limited'] as const) if (modeLetters[mode] === letter) return mode;
  return null;
}

/** The name that the last part of a key stands for. */
export function lastName(key: string): string {
  return decodeURIComponent(key.slice(key.lastIndexOf('/') + 1));
}
