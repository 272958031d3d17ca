/** `idra run --watch`: every sync by its own schedule until stopped. One sync never overlaps itself, and the failure of one stops no other. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Definitions, SyncDefinition } from '../../config/definition.ts';
import { loadDefinitions } from '../../config/load.ts';
import { createOpener } from '../../connectors/open.ts';
import type { Coordination } from '../../coordination/coordination.ts';
import { SyncError, toSyncError } from '../../errors.ts';
import { openDisplay } from '../display/display.ts';
import { FileWatch } from '../file-watch.ts';
import { duration } from '../format.ts';
import type { Output } from '../output.ts';
import { nextRunAt } from '../schedule.ts';
import { openStore, selectSyncs } from '../session.ts';
import { Slots } from '../slots.ts';
import { stopOnSignals } from '../stop.ts';
import { type RunFlags, type Runner, runOne } from './run.ts';

interface Selection {
  readonly file: string | undefined;
  readonly names: readonly string[] | undefined;
}

interface Watch {
  readonly runner: Runner;
  readonly slots: Slots;
  /** When each sync that waits is due, for the line at the bottom. */
  readonly due: Map<string, number>;
  /** Ends the waits, not the runs. */
  readonly replaced: AbortSignal;
}

const defaultParallel = 4;

export async function watch(selection: Selection, { flags, output }: { flags: RunFlags; output: Output }): Promise<number> {
  let definitions: Definitions = await loadDefinitions(selection.file);
  let syncs = scheduled(definitions, selection.names);
  await using coordination = await openStore(flags);
  using stop = stopOnSignals(() => output.error('Stopping after the open batches; once more ends at once.'));
  using display = await openDisplay(output, { names: syncs.map((sync) => sync.name), timed: true });
  using file = new FileWatch(definitions.origin);
  const slots = new Slots(flags.parallel ?? defaultParallel);
  while (!stop.signal.aborted) {
    const replaced = new AbortController();
    const due = new Map<string, number>();
    const runner: Runner = { output, display, deps: depsOf(definitions, coordination), existing: flags.existing, signal: stop.signal };
    const loops = syncs.map((definition) => loop(definition, { runner, slots, due, replaced: AbortSignal.any([replaced.signal, stop.signal]) }));
    const ticker = setInterval(() => display.idle(nextText(due)), 500);
    const next = await changed(file, { selection, output, signal: stop.signal });
    clearInterval(ticker);
    replaced.abort();
    await Promise.all(loops);
    if (next !== null) {
      [definitions, syncs] = next;
      display.note(`${definitions.origin} changed: going on with what it says now`);
    }
  }
  return 0;
}

function depsOf(definitions: Definitions, coordination: Coordination): Runner['deps'] {
  return { open: createOpener(definitions), coordination };
}

function scheduled(definitions: Definitions, names: readonly string[] | undefined): readonly SyncDefinition[] {
  const syncs = selectSyncs({ definitions, broken: new Map() }, names).filter((sync) => sync.enabled);
  const without = syncs.filter((sync) => sync.schedule === null).map((sync) => sync.name);
  if (syncs.length === 0) throw new SyncError('CONFIG_INVALID', `${definitions.origin} defines no enabled sync: there is nothing to watch.`);
  if (without.length > 0) {
    throw new SyncError(
      'CONFIG_INVALID',
      `--watch needs \`every\` or \`cron\` in each sync; without: ${without.join(', ')}. Add one, or name the others with --sync.`,
    );
  }
  return syncs;
}

/** The new definitions once the file has changed to something valid; null when it is time to stop. Faults are told, and what ran goes on. */
async function changed(
  file: FileWatch,
  { selection, output, signal }: { selection: Selection; output: Output; signal: AbortSignal },
): Promise<[Definitions, readonly SyncDefinition[]] | null> {
  while (await file.changed(signal)) {
    try {
      const definitions = await loadDefinitions(selection.file);
      return [definitions, scheduled(definitions, selection.names)];
    } catch (error) {
      const { code, message } = toSyncError(error);
      if (code === 'INTERNAL') throw error;
      output.error(`The definitions changed and have faults; going on as before.\n${message}`);
    }
  }
  return null;
}

async function loop(definition: SyncDefinition, watch: Watch): Promise<void> {
  const { runner, slots, due, replaced } = watch;
  let at = nextRunAt(definition.schedule, { now: Date.now(), isFirst: true });
  while (await waitUntil(at, { due, name: definition.name, signal: replaced })) {
    await slots.use(async () => {
      if (!replaced.aborted) await runOne(definition, runner);
    });
    at = nextRunAt(definition.schedule, { now: Date.now(), isFirst: false });
  }
}

/** False when it was told to stop first. Node's timers hold at most 24 days. */
async function waitUntil(at: number, { due, name, signal }: { due: Map<string, number>; name: string; signal: AbortSignal }): Promise<boolean> {
  due.set(name, at);
  try {
    for (let left = at - Date.now(); left > 0; left = at - Date.now()) await sleep(Math.min(left, 86_400_000), undefined, { signal });
    return !signal.aborted;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  } finally {
    due.delete(name);
  }
}

function nextText(due: ReadonlyMap<string, number>): string | null {
  const [first] = [...due].sort(([, a], [, b]) => a - b);
  return first === undefined ? null : `next: ${first[0]} in ${duration(Math.max(0, first[1] - Date.now()))}  (Ctrl-C stops)`;
}
