/** `idra status`: where every sync stands. */
import { describeEntry } from '../../coordination/queue.ts';
import { shortCursorText } from '../cursor-text.ts';
import { exitCodes } from '../exit-codes.ts';
import { type CommonFlags, fileAndNames } from '../flags.ts';
import { ago, count, counted, duration, wrap } from '../format.ts';
import type { Output } from '../output.ts';
import { openOutput, openSession, openStoreToRead, selectSyncs } from '../session.ts';
import { Slots } from '../slots.ts';
import { stopOnSignals } from '../stop.ts';
import { type ConnectionUse, type SyncStatus, survey, syncStatus } from '../sync-status.ts';

/** Sources that are asked at the same time. */
const parallel = 4;

export async function status(file: string | undefined, flags: CommonFlags): Promise<number> {
  const output = openOutput(flags);
  const selection = fileAndNames(file, flags.sync);
  await using session = await openSession(selection.file, flags, openStoreToRead);
  using stop = stopOnSignals(() => undefined);
  const slots = new Slots(parallel);
  const syncs = selectSyncs(session, selection.names);
  const { coordination, definitions } = session;
  const common = { survey: await survey(coordination, definitions.connections, stop.signal), signal: stop.signal };
  const statuses = syncs.map((definition) => slots.use(() => syncStatus(definition, session.deps, common)));
  // The first failure ends the command; the others would be told a second time
  for (const pending of statuses) pending.catch(() => undefined);
  for (const pending of statuses) {
    const found = await pending;
    if (output.json) output.data(forProgram(found));
    else output.line(text(found, output));
  }
  const broken = [...session.broken].filter(([name]) => selection.names === undefined || selection.names.includes(name));
  for (const [sync, { code, message }] of broken) {
    if (output.json) output.data({ sync, error: { code, message } });
    else output.line(`${output.colors.red('✖')} ${output.colors.bold(sync)}  ${message}`);
  }
  const leader = await coordination.leader.current();
  if (leader !== null) output.line(`leader: ${describeEntry(leader)}`);
  output.line(output.colors.dim(`${counted(syncs.length + broken.length, 'sync')} of ${session.definitions.origin}, by ${coordination.name}`));
  return stop.exitCode ?? exitCodes.succeeded;
}

function forProgram({ checkpoint, lastRun, ...rest }: SyncStatus): unknown {
  if (checkpoint === null) return { ...rest, lastRun, checkpoint };
  const { epoch, fence, seq, batchId, cursor, at } = checkpoint;
  return { ...rest, lastRun, checkpoint: { epoch, fence, seq, batchId, cursor, at } };
}

function text(found: SyncStatus, { colors, width }: Output): string {
  const now = Date.now();
  const facts: [string, string][] = [['last run', lastRunText(found, now)]];
  if (found.lastSlot !== null) facts.push(['last slot', found.lastSlot]);
  if (found.lag !== null) facts.push(['lag', lagText(found.lag)]);
  if (found.checkpoint !== null)
    facts.push(['checkpoint', `${shortCursorText(found.checkpoint.cursor)}; batch ${found.checkpoint.seq}, ${ago(found.checkpoint.at, now)}`]);
  const { holders, waiting } = found.lock;
  facts.push(['lock', holders.length === 0 ? 'free' : `held by ${holders.join('; ')}`]);
  if (waiting.length > 0) facts.push(['waiting', waiting.join('; ')]);
  for (const use of found.connections) facts.push(['connection', useText(use)]);
  const mark = found.lastRun?.report.status === 'failed' ? colors.red('✖') : holders.length > 0 ? colors.cyan('●') : colors.green('✔');
  return [
    `${found.lastRun === null && holders.length === 0 ? colors.dim('○') : mark} ${colors.bold(found.sync)}  ${colors.dim(found.enabled ? found.mode : `${found.mode}, disabled`)}`,
    ...facts.map(([name, fact]) => wrap(`    ${name.padEnd(11)}${fact}`, width, ' '.repeat(15))),
  ].join('\n');
}

function useText({ connection, limit, taken, waiting, here }: ConnectionUse): string {
  const others = waiting === 0 ? '' : `, ${counted(waiting, 'run')} waiting`;
  const own = here === null ? '' : here === 'holds' ? '; this sync is in' : '; this sync waits';
  return `${connection}: ${count(taken)} of ${count(limit)} taken${others}${own}`;
}

function lastRunText({ lastRun }: SyncStatus, now: number): string {
  if (lastRun === null) return 'never';
  const { report, at } = lastRun;
  const when = `${ago(at, now)}, ${report.status}`;
  if (report.error !== null) return `${when}: ${report.error.code} ${report.error.message}`;
  return `${when}: ${counted(report.written, 'row')} written of ${count(report.read)} read in ${duration(report.durationMs)}${report.reason === null ? '' : `; ${report.reason}`}`;
}

function lagText(lag: NonNullable<SyncStatus['lag']>): string {
  if ('error' in lag) return `unknown: ${lag.error.code} ${lag.error.message}`;
  const { rows, exact, seconds } = lag;
  if (rows === 0) return 'none: caught up';
  const parts = [rows === null ? 'rows unknown' : `${exact ? '' : 'about '}${counted(rows, 'row')} behind`];
  if (seconds !== null) parts.push(`the oldest is ${duration(seconds * 1000)} old`);
  return parts.join(', ');
}
