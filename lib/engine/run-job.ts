/** One request to run a sync: run it, and hand over to a continuation where the time ended first. */
import type { SyncDefinition } from '../config/definition.ts';
import type { Dispatcher, Job } from '../dispatch/dispatcher.ts';
import type { ErrorCode } from '../errors.ts';
import type { EngineDeps, RunOptions } from './deps.ts';
import type { Report } from './report.ts';
import { runSync } from './run-sync.ts';

export interface JobDeps extends EngineDeps {
  readonly dispatcher: Dispatcher;
}

export interface JobEnd {
  readonly report: Report;
  /** The request that goes on from here; null where none is needed or none may follow. */
  readonly continuation: Job | null;
  /** Age of what may not have been read yet, in seconds: since this run began where it caught up, else since the last slot that was completed; null where there is none. */
  readonly lagSeconds: number | null;
  /** Rows not read yet: 0 for a run that caught up; for a continuation that did not, what the source counted or estimated as it began, less what it read; null where nobody knows. */
  readonly lagRows: number | null;
}

const nothingKnown = { continuation: null, lagSeconds: null, lagRows: null };

/** Continuations in a row that move nothing before the chain stops. */
export const maxStalledHops = 3;

/** Never rejects for the sync's own failure: that is the report. Rejects where the store fails. */
export async function runJob(job: Job, { definition, deps }: { definition: SyncDefinition; deps: JobDeps }, options: RunOptions): Promise<JobEnd> {
  const { name } = definition;
  const duplicate = { report: skipped(name, 'the same request came before, and its continuation goes on'), ...nothingKnown };
  if (!definition.enabled) return { report: skipped(name, 'its definition says enabled: false'), ...nothingKnown };
  const shard = job.shard ?? '0';
  const before = await deps.coordination.checkpoints.load(name, shard);
  if (await isHandedOver(job, deps)) return duplicate;
  let total: number | null = null;
  const onProgress: RunOptions['onProgress'] = (progress) => {
    total = progress.totalRows;
    options.onProgress?.(progress);
  };
  const slot = job.slot === undefined ? {} : { slot: job.slot };
  // Counting takes the source's time: it is asked for only where there is a backlog for certain
  const run = await runSync(definition, deps, { ...options, shard, ...slot, ...(job.hop ? { onProgress } : {}) });
  const lag = async (report: Report) => ({ lagSeconds: await lagSeconds(job, report, deps), lagRows: lagRows(report, total) });
  // Somebody else holds a lock that it needs: the slot is not lost, the next tick asks again (protocol, step 3), for this link of its chain: an earlier one would be taken for a duplicate
  if (run.status === 'skipped' && !run.caughtUp && job.slot !== undefined) await deps.coordination.schedule.pend(name, JSON.stringify(job));
  if (!isUnfinished(run)) return { report: run, continuation: null, ...(await lag(run)) };
  const moved = run.batches > 0 && run.cursor !== (before?.cursor ?? null);
  const { stalled = 0, ...rest } = job;
  // The lock was never taken: somebody else, with the same event, may have gone further.
  if (run.fence === undefined && (await isHandedOver(job, deps))) return duplicate;
  const chain = chainOf(job) ?? run.runId;
  const next: Job = { ...rest, hop: (job.hop ?? 0) + 1, chain, ...(moved ? {} : { stalled: stalled + 1 }) };
  const report = await handOver(next, run, deps);
  // Afterwards: whoever dies in between leaves a request that is made twice, not one that is never made.
  if (report.status !== 'failed') await deps.coordination.continuations.save(name, shard, { chain, hop: job.hop ?? 0 });
  return { report, continuation: report.status === 'failed' ? null : next, ...(await lag(report)) };
}

function chainOf({ chain, slot }: Job): string | null {
  return chain ?? (slot === undefined ? null : String(slot));
}

/** The same request came before, and another one follows it already: run again, each duplicate would start a chain of its own beside the first. */
async function isHandedOver(job: Job, { coordination }: JobDeps): Promise<boolean> {
  const chain = chainOf(job);
  if (chain === null) return false;
  const last = await coordination.continuations.last(job.sync, job.shard ?? '0');
  return last !== null && last.chain === chain && last.hop >= (job.hop ?? 0);
}

/** The time ended first: at a boundary, or before one came. */
function isUnfinished({ status, caughtUp, error }: Report): boolean {
  return (status === 'succeeded' && !caughtUp) || error?.code === 'DEADLINE';
}

async function handOver(next: Job, run: Report, deps: JobDeps): Promise<Report> {
  const failed = (code: ErrorCode, message: string): Report => ({ ...run, status: 'failed', reason: null, error: { code, message } });
  if ((next.stalled ?? 0) > maxStalledHops) {
    const why = run.error === null ? '' : ` The last one: ${run.error.message}`;
    const message = `Sync ${run.sync} did not move in ${next.stalled} invocations in a row: raise the time limit, or make its batches smaller.${why}`;
    return failed('NO_PROGRESS', message);
  }
  // Without the run's signal: it is the time that ended, and this is what the rest of it is kept for.
  const [result] = await deps.dispatcher.dispatch([next]);
  const error = result?.error;
  if (error) return failed(error.code, `Sync ${run.sync} is not caught up, and its continuation could not be sent: ${error.message}`);
  return { ...run, status: 'succeeded', reason: run.reason ?? run.error?.message ?? null, error: null };
}

function isCaughtUp({ status, caughtUp }: Report): boolean {
  return status === 'succeeded' && caughtUp;
}

function lagRows(report: Report, total: number | null): number | null {
  if (isCaughtUp(report)) return 0;
  return total === null ? null : Math.max(0, total - report.read);
}

async function lagSeconds({ shard = '0' }: Job, report: Report, { coordination }: JobDeps): Promise<number | null> {
  if (isCaughtUp(report)) return report.durationMs / 1000;
  const completed = await coordination.schedule.completed(report.sync, shard);
  return completed === null ? null : Math.max(0, (Date.now() - completed) / 1000);
}

function skipped(sync: string, reason: string): Report {
  const nothing = { read: 0, written: 0, filtered: 0, deadLettered: 0, deleted: 0, batches: 0, bytes: 0, durationMs: 0 };
  return { sync, status: 'skipped', reason, runId: '', ...nothing, cursor: null, caughtUp: false, error: null };
}
