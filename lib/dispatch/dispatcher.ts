import type { SyncError } from '../errors.ts';

/** The event's source and detail-type, by which the bus finds the sync function. */
export const eventSource = 'idra';
export const eventType = 'Sync Requested';

/** A request to run a sync: the detail of the event. */
export interface Job {
  readonly sync: string;
  /** Part of a sync that runs on its own; absent where a sync is not divided. */
  readonly shard?: string;
  /** Planned time, in milliseconds since the epoch; a slot that is not newer than the last completed one has no effect. Absent: run whatever was completed. */
  readonly slot?: number;
  /** The coordinator's run that planned it, by its id: what its log and the run's own have in common. */
  readonly tick?: string;
  /** Continuations before this one; absent for the first run of a slot. */
  readonly hop?: number;
  /** The chain that a continuation belongs to; absent: the slot's, or a new one. */
  readonly chain?: string;
  /** Continuations in a row that moved nothing. */
  readonly stalled?: number;
}

export interface DispatchResult {
  readonly job: Job;
  /** Why it was not sent; null where it was. A job that is reported as not sent may have arrived all the same, when the reply was lost. */
  readonly error: SyncError | null;
}

/** Hands requests over to whoever runs them. Delivery is at least once: whoever runs them must stand a job that comes twice. */
export interface Dispatcher extends AsyncDisposable {
  /** A result for each job, in their order. Rejects only when `signal` aborts; what cannot be sent is a result. */
  dispatch(jobs: readonly Job[], signal?: AbortSignal): Promise<readonly DispatchResult[]>;
}
