import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { SyncDefinition } from '../../lib/config/definition.ts';
import type { Destination, Source } from '../../lib/connectors/connector.ts';
import { createOpener } from '../../lib/connectors/open.ts';
import { type Coordination, openCoordination } from '../../lib/coordination/coordination.ts';
import type { EngineDeps, RunOptions } from '../../lib/engine/deps.ts';
import type { Report } from '../../lib/engine/report.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { definition } from './samples.ts';

/** What takes the place of the SQLite ends, or is put around them. */
export interface PairOptions {
  readonly source?: Source | ((real: Source) => Source);
  readonly destination?: (real: Destination) => Destination;
}

/** Two SQLite files, `a` to read and `b` to write, and a state file: the smallest real world of the engine. */
export interface Pair extends AsyncDisposable {
  readonly a: Database.Database;
  readonly b: Database.Database;
  readonly coordination: Coordination;
  readonly deps: EngineDeps;
  run(changes?: Partial<SyncDefinition>, options?: Partial<RunOptions>): Promise<Report>;
}

export async function pair({ source, destination }: PairOptions = {}): Promise<Pair> {
  const folder = await temporaryFolder();
  const path = (name: string): string => join(folder.path, `${name}.db`);
  const [a, b] = [new Database(path('a')), new Database(path('b'))];
  const coordination = await openCoordination({ path: path('state') });
  const connection = (name: string) => ({ name, type: 'sqlite', fields: { type: 'sqlite', path: path(name) } });
  const open = createOpener({ origin: 'this test', connections: { a: connection('a'), b: connection('b') } });
  const deps: EngineDeps = {
    coordination,
    open: async (name) => {
      const opened = await open(name);
      const { connector } = opened;
      return {
        ...opened,
        connector: {
          ...connector,
          openSource: async (...about) =>
            typeof source === 'function' ? source(await connector.openSource(...about)) : (source ?? connector.openSource(...about)),
          openDestination: async (...about) => {
            const real = await connector.openDestination(...about);
            return destination === undefined ? real : destination(real);
          },
        },
      };
    },
  };
  return {
    a,
    b,
    coordination,
    deps,
    run: (changes = {}, options = {}) => runSync(definition(changes), deps, { signal: new AbortController().signal, ...options }),
    [Symbol.asyncDispose]: async () => {
      a.close();
      b.close();
      await coordination[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export const full = { mode: 'full', cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' } } as const;
