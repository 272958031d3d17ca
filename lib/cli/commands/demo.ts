/** `idra demo`: the main job on real data, from a sample to a comparison of both sides, in a few seconds. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Database } from 'better-sqlite3';
import type { Report } from '../../engine/report.ts';
import { fingerprint, type Side, tables } from '../demo/compare.ts';
import { demoDefinitions } from '../demo/definitions.ts';
import { nextSteps } from '../demo/next-steps.ts';
import { changeSample, changes, customers, fillSample, itemsPerOrder, orders } from '../demo/sample.ts';
import { type Target, targetOf } from '../demo/target.ts';
import { exitCodes } from '../exit-codes.ts';
import { count, table } from '../format.ts';
import type { Output } from '../output.ts';
import { openOutput, openSession, type Session } from '../session.ts';
import { type Stop, stopOnSignals } from '../stop.ts';
import { runAll } from './run.ts';

export interface DemoFlags {
  readonly to?: string;
  readonly dir: string;
}

interface Files {
  readonly folder: string;
  readonly source: string;
  readonly definitions: string;
  readonly state: string;
}

interface Demo {
  readonly files: Files;
  readonly target: Target;
  readonly session: Session;
  readonly output: Output;
  readonly stop: Stop;
}

export async function demo(flags: DemoFlags): Promise<number> {
  const output = openOutput({});
  using stop = stopOnSignals(() => output.error('Stopping after the open batch; once more ends at once.'));
  const folder = path.resolve(flags.dir);
  const files: Files = { folder, source: path.join(folder, 'shop.db'), definitions: path.join(folder, 'syncs.yaml'), state: path.join(folder, 'state.db') };
  const target = targetOf(flags.to, folder);
  await clear(files, target);
  const { default: Sqlite } = await import('better-sqlite3');
  using closing = closeAtEnd(new Sqlite(files.source));
  const { database } = closing;
  heading(output, 1, `A shop in ${path.relative('', files.source)}`);
  fillSample(database);
  output.line(`   ${count(customers)} customers, ${count(orders)} orders, ${count(orders * itemsPerOrder)} order items; ids past 2^53,`);
  output.line('   38-digit decimals, microseconds, bytes, emoji, NULL beside empty text.');
  await writeFile(files.definitions, demoDefinitions(files.source, target));

  heading(output, 2, `First run, into ${target.title}`);
  await using session = await openSession(files.definitions, { state: files.state });
  const running: Demo = { files, target, session, output, stop };
  // A database of the user's own may hold the tables of an earlier demo, and the store of that one is gone.
  if (!(await runs(running, 'replace'))) return stop.exitCode ?? exitCodes.failed;

  heading(output, 3, 'Meanwhile, in the shop');
  changeSample(database);
  const { customersAdded, customersChanged, ordersAdded, ordersChanged } = changes;
  output.line(`   ${ordersAdded} orders arrive at the very microsecond where the first run ended,`);
  output.line(`   with ${ordersAdded * itemsPerOrder} items; ${ordersChanged} old orders and ${customersChanged} customers change; ${customersAdded} are new.`);

  heading(output, 4, 'Second run: only what is new');
  if (!(await runs(running, 'refuse'))) return stop.exitCode ?? exitCodes.failed;

  heading(output, 5, 'Both sides compared, every value as exact text');
  const isSame = await compare(running);
  if (!isSame) return exitCodes.failed;
  output.line('');
  for (const line of nextSteps({ definitions: files.definitions, state: files.state, target })) output.line(line);
  return exitCodes.succeeded;
}

/** What an earlier demo has left; nothing else in the folder is touched. */
async function clear({ folder, source, definitions, state }: Files, target: Target): Promise<void> {
  await mkdir(folder, { recursive: true });
  const databases = [source, state, ...(target.type === 'sqlite' && target.tablePrefix === '' ? [path.join(folder, 'copy.db')] : [])];
  for (const file of [definitions, ...databases.flatMap((database) => [database, `${database}-wal`, `${database}-shm`])]) await rm(file, { force: true });
}

function closeAtEnd(database: Database): Disposable & { readonly database: Database } {
  return { database, [Symbol.dispose]: () => database.close() };
}

function heading(output: Output, step: number, text: string): void {
  output.line(`${step === 1 ? '' : '\n'}${output.colors.cyan(String(step))}  ${output.colors.bold(text)}`);
}

async function runs({ session, output, stop }: Demo, existing: 'replace' | 'refuse'): Promise<boolean> {
  const reports: Report[] = await runAll(session.definitions.syncs, { output, deps: session.deps, existing, signal: stop.signal, parallel: 1 });
  return reports.length === session.definitions.syncs.length && reports.every((report) => report.status === 'succeeded' && report.caughtUp);
}

async function compare({ target, session, output }: Demo): Promise<boolean> {
  const { colors } = output;
  const from: Side = { connection: 'shop', type: 'sqlite', tablePrefix: '' };
  const to: Side = { connection: 'copy', type: target.type, tablePrefix: target.tablePrefix };
  let isSame = true;
  const rows: string[][] = [['', 'rows', 'checksum', 'rows there', 'checksum there', '']];
  for (const name of Object.keys(tables)) {
    const [here, there] = await Promise.all([fingerprint(name, from, session.deps), fingerprint(name, to, session.deps)]);
    const fits = here.rows === there.rows && here.checksum === there.checksum;
    isSame &&= fits;
    rows.push([
      name,
      count(here.rows),
      here.checksum.slice(0, 12),
      count(there.rows),
      there.checksum.slice(0, 12),
      fits ? colors.green('same') : colors.red('DIFFERENT'),
    ]);
  }
  for (const [index, line] of table(rows, [1, 3]).entries()) output.line(`   ${index === 0 ? colors.dim(line) : line}`);
  output.line(
    isSame
      ? `${colors.green('✔')}  No row lost, none doubled, no value changed.`
      : `${colors.red('✖')}  The two sides differ: this is a bug in Idra. Please report it with these lines.`,
  );
  return isSame;
}
