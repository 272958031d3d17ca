import type { ErrorCode } from '../errors.ts';

/** What one run did: printed by `--json`, by the functions, and stored under `run/{sync}`. Field names are fixed by the interface. */
export interface Report {
  readonly sync: string;
  readonly status: 'succeeded' | 'failed' | 'skipped';
  /** Why it was skipped, or why a run that succeeded stopped before it was caught up. */
  readonly reason: string | null;
  readonly runId: string;
  /** Rows handed over by the source: read = written + deleted + filtered + deadLettered. */
  readonly read: number;
  readonly written: number;
  readonly filtered: number;
  readonly deadLettered: number;
  readonly deleted: number;
  readonly batches: number;
  readonly bytes: number;
  readonly durationMs: number;
  /** Of the lock that the run held, in decimal digits: what the destination compared. */
  readonly fence?: string;
  /** How long the run queued for its locks; absent where it never came to that. */
  readonly lockWaitMs?: number;
  /** Times that it was started anew after a passing fault. */
  readonly retries?: number;
  readonly cursor: string | null;
  /** False where the time ended first: a continuation goes on. */
  readonly caughtUp: boolean;
  readonly error: { readonly code: ErrorCode; readonly message: string } | null;
}
