import type { Cursor } from '../connectors/connector.ts';

/** `exclusive`: alone. `shared`: beside other shared holders. `limited`: holders of at most `limit` places at once (maxConcurrent). */
export type LockMode = 'exclusive' | 'shared' | 'limited';

export interface LockRequest {
  readonly resource: string;
  readonly mode: LockMode;
  readonly limit?: number;
  /** How many of `limit` it takes, 1 where it is left out. Who wants more than there are takes all of them. */
  readonly places?: number;
  /** 0: fail fast. Waiters are served in the order they came. */
  readonly waitMs: number;
  readonly ttlSeconds: number;
  /** Fresh for each attempt; never the Lambda request id. */
  readonly runId: string;
}

/** A place at the head of the queue. Safety does not rest on it: the destination checks `fence`. */
export interface HeldLock extends AsyncDisposable {
  readonly resource: string;
  /** Create revision of the queue entry: later holders have higher ones. */
  readonly fence: bigint;
  /** Queue key, compared by `create` in every transaction that writes on behalf of the holder. */
  readonly key: string;
  /** Milliseconds since the epoch until which the lease is sure to live, seen from before the last renewal was sent. */
  readonly validUntil: number;
  /** Aborts with `LOCK_LOST` when the lease or the key is known to be gone. */
  readonly lost: AbortSignal;
  /** Renews at once; a timer does so by itself each TTL/4 until release. Throws `LOCK_LOST`. */
  renew(): Promise<void>;
}

export type LockOutcome =
  | { readonly held: true; readonly lock: HeldLock }
  /** Held by another: a success for the caller's caller, not an error. */
  | { readonly held: false; readonly holders: readonly string[]; readonly waitedMs: number };

export interface QueueEntry {
  readonly runId: string;
  readonly mode: LockMode;
  readonly fence: bigint;
  /** Of a limit; 1 but for limited entries. */
  readonly places: number;
  /** What the holder wrote about itself. */
  readonly value: string;
}

export interface LockManager {
  acquire(request: LockRequest, signal?: AbortSignal): Promise<LockOutcome>;
  /** Entries of the queue in order. */
  queue(resource: string): Promise<readonly QueueEntry[]>;
  /** All queues that are not empty, by their resource, for `idra status`. */
  queues(signal?: AbortSignal): Promise<ReadonlyMap<string, readonly QueueEntry[]>>;
}

export interface Checkpoint {
  readonly epoch: bigint;
  readonly fence: bigint;
  readonly seq: bigint;
  readonly batchId: string;
  readonly cursor: Cursor | null;
  /** ISO time, UTC. */
  readonly at: string;
}

export interface StoredCheckpoint extends Checkpoint {
  /** Compared by the next save; 0 for none. */
  readonly revision: bigint;
}

export interface CheckpointStore {
  load(sync: string, shard: string): Promise<StoredCheckpoint | null>;
  /**
   * One transaction: `if create(lock.key) == fence and mod(checkpoint) == expected`. On failure or a lost reply it reads back: the stored `batchId` being ours is success.
   * Returns the new revision. Throws `LOCK_LOST` where the queue entry is gone, `CHECKPOINT_CONFLICT` where another wrote.
   */
  save(
    sync: string,
    shard: string,
    write: { readonly checkpoint: Checkpoint; readonly expected: bigint; readonly lock: Pick<HeldLock, 'key' | 'fence'> },
  ): Promise<bigint>;
}
