/** One run of one sync: the protocol's steps 1 to 9, in order. See docs of the steps in reconcile.ts and transfer.ts. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SyncDefinition } from '../config/definition.ts';
import type { Cursor } from '../connectors/connector.ts';
import { SyncError, toSyncError } from '../errors.ts';
import { isAheadOfTime } from './clock-skew.ts';
import type { EngineDeps, Opened, Progress, RunOptions } from './deps.ts';
import { takeLocks } from './locks.ts';
import type { Start } from './reconcile.ts';
import type { Report } from './report.ts';
import { type AttemptEnd, runAttempt } from './run-attempt.ts';
import { Tally } from './tally.ts';

/** Attempts in a row that commit nothing, after which a passing fault counts as a lasting one. */
const maxFruitlessAttempts = 6;
const firstBackoffMs = 200;
const maxBackoffMs = 5_000;
/** After a request to stop, how long the next boundary may take. */
const defaultGraceMs = 15_000;
const progressEveryMs = 100;

/** What one run knows and has done, over all its attempts. */
export class Run {
  readonly id = randomUUID();
  readonly tally = new Tally();
  readonly startedAt = Date.now();
  readonly definition: SyncDefinition;
  readonly options: RunOptions;
  cursor: Cursor | null = null;
  totalRows: number | null = null;
  fence: bigint | null = null;
  lockWaitMs: number | null = null;
  retries = 0;
  /** What the user has chosen in place of a position, until it is stored. */
  unseeded: Extract<Start, { readonly kind: 'seed' }> | null = null;
  /** The open pass is to begin anew, whatever position it has come to. */
  anew = false;
  /** The source has refused the position, and the run has gone another way: once. */
  repositioned = false;
  #lastProgressAt = 0;

  constructor(definition: SyncDefinition, options: RunOptions) {
    this.definition = definition;
    this.options = options;
  }

  progress(phase: Progress['phase'], read = this.tally.read, bytes = this.tally.bytes): void {
    const now = Date.now();
    if (this.options.onProgress === undefined || (phase === 'reading' && now - this.#lastProgressAt < progressEveryMs)) return;
    this.#lastProgressAt = now;
    this.options.onProgress({
      sync: this.definition.name,
      phase,
      read,
      written: this.tally.written,
      bytes,
      totalRows: this.totalRows,
      startedAt: this.startedAt,
    });
  }

  report(end: Pick<Report, 'status' | 'reason' | 'caughtUp' | 'error'>): Report {
    const { read, written, filtered, deadLettered, deleted, batches, bytes } = this.tally;
    const durationMs = Date.now() - this.startedAt;
    const { status, reason, caughtUp, error } = end;
    return {
      sync: this.definition.name,
      status,
      reason,
      runId: this.id,
      read,
      written,
      filtered,
      deadLettered,
      deleted,
      batches,
      bytes,
      durationMs,
      ...(this.fence === null ? {} : { fence: String(this.fence) }),
      ...(this.lockWaitMs === null ? {} : { lockWaitMs: this.lockWaitMs }),
      retries: this.retries,
      cursor: this.cursor,
      caughtUp,
      error,
    };
  }
}

/** Opens both connections; nothing is reached yet. */
async function openEnds(definition: SyncDefinition, deps: EngineDeps, fresh: boolean): Promise<readonly [Opened, Opened]> {
  const { source, destination } = definition;
  const from = await deps.open(source.connection, { fresh });
  return [from, source.connection === destination.connection ? from : await deps.open(destination.connection, { fresh })];
}

/**
 * Whether a run whose position the source refuses may go on without it. A full pass that replaces or upserts loses nothing and doubles nothing by beginning anew. What the user has chosen for a position
 * that is gone (`existing`) counts here as it does in reconcile.ts; a position of something else (CURSOR_INVALID) speaks of a mistake in the definition, for which nothing is emptied.
 */
function goesAnotherWay(run: Run, { code }: SyncError): boolean {
  const { existing = 'refuse' } = run.options;
  const { mode, write } = run.definition;
  if (run.repositioned || (code !== 'RESYNC_REQUIRED' && code !== 'CURSOR_INVALID')) return false;
  if (code === 'RESYNC_REQUIRED' && write !== 'replace' && (existing === 'replace' || existing === 'max'))
    run.unseeded = { kind: 'seed', choice: existing, raiseEpoch: false };
  else if (mode === 'full' && write !== 'insert') run.anew = true;
  else return false;
  run.repositioned = true;
  return true;
}

/**
 * Attempts until the source is caught up, the run is asked to stop, or it fails for good. After a passing fault (`retry` is not `never`) everything is opened anew, claimed again with the same fence
 * and read from the destination's own position: that is the answer to every ambiguous outcome. Fruitless attempts are bounded.
 */
async function attempts(
  run: Run,
  deps: EngineDeps,
  context: { ends: readonly [Opened, Opened]; lock: Parameters<typeof runAttempt>[2]['lock']; abort: AbortSignal },
): Promise<AttemptEnd> {
  const { options, definition } = run;
  let ends = context.ends;
  let fruitless = 0;
  let refreshed = false;
  for (;;) {
    const batches = run.tally.batches;
    try {
      return await runAttempt(run, deps, { ...context, ends });
    } catch (thrown) {
      if (context.abort.aborted) throw context.abort.reason instanceof SyncError ? context.abort.reason : thrown;
      const error = toSyncError(thrown);
      fruitless = run.tally.batches > batches ? 1 : fruitless + 1;
      if (error.code === 'AUTHENTICATION_FAILED' && !refreshed) {
        refreshed = true;
        run.retries += 1;
        ends = await openEnds(definition, deps, true);
        continue;
      }
      if (goesAnotherWay(run, error)) {
        run.retries += 1;
        continue;
      }
      // Without the lock there is nothing to try again: whoever holds it now goes on.
      if (error.retry === 'never' || error.code === 'LOCK_LOST' || fruitless >= maxFruitlessAttempts || options.signal.aborted) throw error;
      const pauseMs = error.retry === 'now' && fruitless === 1 ? 0 : Math.min(maxBackoffMs, firstBackoffMs * 2 ** fruitless) * (0.5 + Math.random() / 2);
      if (options.deadline !== undefined && Date.now() + pauseMs > options.deadline) throw error;
      run.retries += 1;
      await sleep(pauseMs, undefined, { signal: AbortSignal.any([context.abort, options.signal]) }).catch(() => undefined);
    }
  }
}

async function runLocked(run: Run, deps: EngineDeps): Promise<Report> {
  const { definition, options } = run;
  const ends = await openEnds(definition, deps, false);
  run.progress('waiting');
  const outcome = await takeLocks(deps.coordination.locks, definition, {
    runId: run.id,
    ends: [
      [definition.source.connection, ends[0]],
      [definition.destination.connection, ends[1]],
    ],
    options,
  });
  if (!outcome.held) return run.report({ status: 'skipped', reason: outcome.reason, caughtUp: false, error: null });
  await using locks = outcome.locks;
  run.fence = locks.primary.fence;
  run.lockWaitMs = locks.waitedMs;
  const shard = options.shard ?? '0';
  const { schedule } = deps.coordination;
  // Asked under the lock: the same event may have come twice at once.
  const completed = options.slot === undefined ? null : await schedule.completed(definition.name, shard);
  if (options.slot !== undefined && completed !== null && completed >= options.slot && !isAheadOfTime(completed, Date.now())) {
    return run.report({ status: 'skipped', reason: 'this slot or a later one is complete already', caughtUp: true, error: null });
  }
  // A stop on request lets the open batch end; only after the grace, or when a lock is lost, is the read broken off.
  const grace = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const onStop = (): void => {
    timer = setTimeout(
      () => grace.abort(new SyncError('CANCELLED', `Sync ${definition.name} was stopped before a boundary came; the next run starts from the last commit.`)),
      options.graceMs ?? defaultGraceMs,
    );
    timer.unref();
  };
  if (options.signal.aborted) onStop();
  else options.signal.addEventListener('abort', onStop, { once: true });
  let end: AttemptEnd;
  try {
    end = await attempts(run, deps, { ends, lock: locks.primary, abort: AbortSignal.any([locks.lost, grace.signal]) });
  } finally {
    options.signal.removeEventListener('abort', onStop);
    clearTimeout(timer);
  }
  if (options.slot !== undefined && end.kind === 'caughtUp') await schedule.complete(definition.name, shard, { slot: options.slot, lock: locks.primary });
  const report = run.report({ status: 'succeeded', reason: end.kind === 'stopped' ? end.reason : null, caughtUp: end.kind === 'caughtUp', error: null });
  await deps.coordination.runs.save(definition.name, report);
  run.progress('done');
  return report;
}

/**
 * Runs a sync until it is caught up with what the source held when it began, the deadline nears or the signal aborts. A failure of the sync is a report, never a rejection;
 * the report tells what was committed before it.
 */
export async function runSync(definition: SyncDefinition, deps: EngineDeps, options: RunOptions): Promise<Report> {
  const run = new Run(definition, options);
  try {
    return await runLocked(run, deps);
  } catch (thrown) {
    const error = toSyncError(thrown);
    options.onFailure?.(error);
    const report = run.report({ status: 'failed', reason: null, caughtUp: false, error: { code: error.code, message: error.message } });
    // The report of a failed run is kept where the store still answers; where it does not, that failure is the one reported already or adds nothing to it.
    await deps.coordination.runs.save(definition.name, report).catch(() => undefined);
    return report;
  }
}
