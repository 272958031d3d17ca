import { loadDefinitions } from '../../lib/config/load.ts';
import { createOpener } from '../../lib/connectors/open.ts';
import { type Coordination, openCoordination } from '../../lib/coordination/coordination.ts';
import type { Opened, Progress } from '../../lib/engine/deps.ts';
import type { Report } from '../../lib/engine/report.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import type { Orders } from './orders.ts';

/** Stands between the engine and what it works with. */
export interface Interposed {
  opened(opened: Opened): Opened;
  coordination(coordination: Coordination): Coordination;
  phase(phase: Progress['phase']): void;
}

/** One run of the sync of the orders, in this process. Where they say to die or freeze is for `between` to heed. */
export async function runOrders(
  { definitions: file, sync, store, fencing, existing }: Omit<Orders, 'point' | 'nth' | 'action'>,
  between?: Interposed,
): Promise<Report> {
  const definitions = await loadDefinitions(file);
  const definition = definitions.syncs.find(({ name }) => name === sync);
  if (definition === undefined) throw new Error(`no sync ${sync}`);
  await using coordination = await openCoordination('path' in store ? { path: store.path } : { etcd: { hosts: store.hosts.split(','), prefix: store.prefix } });
  const open = createOpener(definitions);
  const deps =
    between === undefined
      ? { open, coordination }
      : { open: async (...asked: Parameters<typeof open>) => between.opened(await open(...asked)), coordination: between.coordination(coordination) };
  return await runSync(definition, deps, {
    signal: new AbortController().signal,
    onProgress: ({ phase }) => between?.phase(phase),
    ...(fencing === undefined ? {} : { fencing }),
    ...(existing === undefined ? {} : { existing }),
  });
}
