import type { Capabilities, Connector } from '../connectors/connector.ts';
import type { Coordination } from '../coordination/coordination.ts';
import type { SyncError } from '../errors.ts';

/** A connection with its references resolved and its connector loaded; nothing has been reached yet. */
export interface Opened {
  readonly connector: Connector;
  /** The connection's `type`; what the connector's sources and destinations call their `system`. */
  readonly system: string;
  /** Resolved, parsed, secrets included: for the connector alone. */
  readonly connection: unknown;
  readonly capabilities: Capabilities;
  /** At most this many invocations use the connection at once, over all syncs. */
  readonly maxConcurrent?: number;
}

export interface EngineDeps {
  /** With `fresh` the secrets are read again: they may have been rotated since they were cached. */
  open(connectionName: string, options?: { readonly fresh?: boolean }): Promise<Opened>;
  readonly coordination: Coordination;
}

export interface Progress {
  readonly sync: string;
  readonly phase: 'connecting' | 'waiting' | 'reading' | 'committing' | 'done';
  /** Rows handed over by the source so far, those of the open batch included. */
  readonly read: number;
  /** Rows committed. */
  readonly written: number;
  readonly bytes: number;
  readonly totalRows: number | null;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** What to do where the destination holds rows and no checkpoint fits: keep them and go on, start after their maximum, or begin anew without them. */
export const existingChoices = ['refuse', 'adopt', 'max', 'replace'] as const;
export type Existing = (typeof existingChoices)[number];

export interface RunOptions {
  /** Asks for an early stop at a clean boundary: what is committed stays, and the next run goes on from there. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch at which the run must have ended by itself. */
  readonly deadline?: number;
  readonly existing?: Existing;
  /** False shows that the fault bench bites: the destination then checks no fence. Reachable from code alone. */
  readonly fencing?: boolean;
  onProgress?(progress: Progress): void;
  /** What a failed run's report has code and message of. */
  onFailure?(error: SyncError): void;
  /** Part of a sync that runs on its own; `0` where a sync is not divided. */
  readonly shard?: string;
  /** Planned time, in milliseconds since the epoch: a run whose slot is not newer than the last completed one is skipped, and a run that catches up completes it. */
  readonly slot?: number;
  /** How long after `signal` the next boundary may take before the read is broken off, in milliseconds; 15,000 where it is left out. */
  readonly graceMs?: number;
}
