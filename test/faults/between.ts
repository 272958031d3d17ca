/** Runs of one sync in this process, between two ends of the connectors' harnesses, over a state file of its own. */
import { join } from 'node:path';
import type { SyncDefinition } from '../../lib/config/definition.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { EngineDeps, RunOptions } from '../../lib/engine/deps.ts';
import type { Report } from '../../lib/engine/report.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import type { Harness } from '../conformance/harness.ts';
import { definition } from '../engine/samples.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

export interface Between extends AsyncDisposable {
  run(options?: Partial<RunOptions>): Promise<Report>;
}

export async function between(
  ends: { readonly source: Harness; readonly destination: Harness },
  ask: { readonly from: string; readonly to: string; readonly more?: Partial<SyncDefinition> },
): Promise<Between> {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const coordination = stack.use(await openCoordination({ path: join(folder.path, 'state.db') }));
  const deps: EngineDeps = {
    coordination,
    open: async (name) => {
      const end = ends[name as keyof typeof ends];
      return { connector: end.connector, system: end.system, connection: end.connection, capabilities: end.config.capabilities };
    },
  };
  const sync = definition({
    source: { connection: 'source', options: ends.source.source(ask.from) as Record<string, unknown> },
    destination: { connection: 'destination', options: ends.destination.destination(ask.to) as Record<string, unknown> },
    ...ask.more,
  });
  return {
    run: (options = {}) => runSync(sync, deps, { signal: new AbortController().signal, ...options }),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
