/** `idra run`: each sync once, in the order of the file, or by its schedule until stopped. */
import type { SyncDefinition } from '../../config/definition.ts';
import type { EngineDeps, Existing } from '../../engine/deps.ts';
import type { Report } from '../../engine/report.ts';
import { runSync } from '../../engine/run-sync.ts';
import { type SyncError, stackOf } from '../../errors.ts';
import { type Display, openDisplay } from '../display/display.ts';
import { reportText } from '../display/lines.ts';
import { exitCodes } from '../exit-codes.ts';
import { type CommonFlags, fileAndNames } from '../flags.ts';
import { counted, duration } from '../format.ts';
import type { Output } from '../output.ts';
import { openOutput, openSession, selectSyncs } from '../session.ts';
import { type Stop, stopOnSignals } from '../stop.ts';

export interface RunFlags extends CommonFlags {
  readonly watch?: boolean;
  readonly parallel?: number;
  readonly existing: Existing;
}

/** What running one sync needs, whoever decides when. */
export interface Runner {
  readonly output: Output;
  readonly display: Display;
  readonly deps: EngineDeps;
  readonly existing: Existing;
  readonly signal: AbortSignal;
}

export async function runOne(definition: SyncDefinition, runner: Runner): Promise<Report> {
  const { output, display, deps, existing, signal } = runner;
  const onFailure = (error: SyncError): void => {
    if (error.code === 'INTERNAL') output.error(output.errorColors.dim(stackOf(error)));
  };
  const report = definition.enabled
    ? await runSync(definition, deps, { signal, existing, onProgress: (progress) => display.progress(progress), onFailure })
    : disabledReport(definition.name);
  display.done(report);
  if (output.json) output.data(report);
  return report;
}

export interface RunAll extends Omit<Runner, 'display'> {
  /** Syncs at the same time. */
  readonly parallel: number;
}

/** Every sync once, in their order; one report for each that was started before the signal came. */
export async function runAll(syncs: readonly SyncDefinition[], { parallel, ...options }: RunAll): Promise<Report[]> {
  const { output, signal } = options;
  using display = await openDisplay(output, { names: syncs.map((sync) => sync.name), timed: false });
  const runner: Runner = { ...options, display };
  const reports: Report[] = [];
  const waiting = syncs.values();
  const worker = async () => {
    for (const definition of waiting) {
      if (signal.aborted) break;
      reports.push(await runOne(definition, runner));
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return reports;
}

export async function run(file: string | undefined, flags: RunFlags): Promise<number> {
  const selection = fileAndNames(file, flags.sync);
  const output = openOutput(flags);
  if (flags.watch) return (await import('./watch.ts')).watch(selection, { flags, output });
  await using session = await openSession(selection.file, flags);
  const { definitions, deps } = session;
  const syncs = selectSyncs(session, selection.names).map((sync) => (selection.names === undefined ? sync : { ...sync, enabled: true }));
  using stop = stopOnSignals(() => output.error('Stopping after the open batch; once more ends at once.'));
  const startedAt = Date.now();
  const reports = await runAll(syncs, { output, deps, existing: flags.existing, signal: stop.signal, parallel: flags.parallel ?? 1 });
  const left = syncs.length - reports.length;
  for (const [name, error] of session.broken) {
    if (selection.names !== undefined && !selection.names.includes(name)) continue;
    const report: Report = { ...emptyReport(name), status: 'failed', error: { code: error.code, message: error.message } };
    reports.push(report);
    if (output.json) output.data(report);
    output.line(reportText(report, { nameWidth: name.length, output }));
  }
  if (reports.length === 0 && left === 0) output.line(`${definitions.origin} defines no syncs.`);
  if (reports.length + left > 1) output.line(summary(reports, { output, durationMs: Date.now() - startedAt, left }));
  return exitCodeOf(reports, { stop, left });
}

function exitCodeOf(reports: readonly Report[], { stop, left }: { stop: Stop; left: number }): number {
  if (reports.some((report) => report.status === 'failed' && report.error?.code !== 'CANCELLED')) return exitCodes.failed;
  const isUnfinished = left > 0 || reports.some((report) => report.status !== 'skipped' && !report.caughtUp);
  return stop.exitCode !== null && isUnfinished ? stop.exitCode : exitCodes.succeeded;
}

function summary(reports: readonly Report[], { output, durationMs, left }: { output: Output; durationMs: number; left: number }): string {
  const parts = (['succeeded', 'skipped', 'failed'] as const).flatMap((status) => {
    const number = reports.filter((report) => report.status === status).length;
    return number === 0 ? [] : [`${number} ${status}`];
  });
  if (left > 0) parts.push(`${left} not started`);
  const rows = reports.reduce((sum, report) => sum + report.written, 0);
  return output.colors.dim(`${counted(reports.length + left, 'sync')}: ${parts.join(', ')}; ${counted(rows, 'row')} in ${duration(durationMs)}`);
}

function disabledReport(sync: string): Report {
  return { ...emptyReport(sync), status: 'skipped', reason: 'its definition says enabled: false; --sync runs it all the same', error: null };
}

/** Of a sync that was never started. */
function emptyReport(sync: string): Omit<Report, 'status' | 'error'> {
  const nothing = { read: 0, written: 0, filtered: 0, deadLettered: 0, deleted: 0, batches: 0, bytes: 0, durationMs: 0 };
  return { sync, reason: null, runId: '', ...nothing, cursor: null, caughtUp: false };
}
