/** How far behind a run is that its time limit ended: in rows where that was counted, and never a guess. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { parseDefinitions } from '../../lib/config/load.ts';
import { createOpener } from '../../lib/connectors/open.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { Dispatcher, Job } from '../../lib/dispatch/dispatcher.ts';
import { type JobEnd, runJob } from '../../lib/engine/run-job.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

it('tells the rows that are left after a continuation, none where it caught up, and nothing where nobody counted', async () => {
  await using folder = await temporaryFolder();
  const path = (name: string): string => join(folder.path, name);
  const source = new Sqlite(path('source.db'));
  source.exec(
    'create table orders (id integer primary key); insert into orders with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000) select i from n',
  );
  source.close();
  const definitions = parseDefinitions(
    JSON.stringify({
      connections: { from: { type: 'sqlite', path: path('source.db') }, to: { type: 'sqlite', path: path('copy.db') } },
      syncs: [
        {
          name: 'orders',
          source: { connection: 'from', table: 'orders' },
          destination: { connection: 'to', table: 'orders' },
          mode: 'id',
          cursor: { column: 'id' },
          batch: { rows: 100 },
        },
      ],
    }),
    'test.yaml',
  );
  const [definition] = definitions.syncs;
  if (definition === undefined) throw new Error('there is a sync');
  await using coordination = await openCoordination({ path: path('state.db') });
  const dispatcher: Dispatcher = {
    dispatch: async (jobs) => jobs.map((job) => ({ job, error: null })),
    [Symbol.asyncDispose]: async () => undefined,
  };
  const deps = { coordination, dispatcher, open: createOpener(definitions) };
  /** Its time ends with the first commit. */
  const cutShort = (job: Job): Promise<JobEnd> => {
    const time = new AbortController();
    const onProgress = ({ phase }: { readonly phase: string }): void => {
      if (phase === 'committing') time.abort(new Error('the time is over'));
    };
    return runJob(job, { definition, deps }, { signal: time.signal, onProgress });
  };
  const first = await cutShort({ sync: 'orders', hop: 1, chain: 'c' });
  expect(first).toMatchObject({ report: { status: 'succeeded', caughtUp: false }, continuation: { hop: 2 } });
  expect(first.report.read).toBeGreaterThan(0);
  expect(first.lagRows).toBe(1000 - first.report.read);

  const second = await cutShort({ sync: 'orders', hop: 2, chain: 'c' });
  expect(second.lagRows).toBe(1000 - first.report.read - second.report.read);

  const uncounted = await runJob({ sync: 'orders' }, { definition, deps }, { signal: AbortSignal.abort(new Error('no time at all')) });
  expect(uncounted).toMatchObject({ report: { caughtUp: false }, lagRows: null });
  const last = await runJob({ sync: 'orders', hop: 3, chain: 'c' }, { definition, deps }, { signal: new AbortController().signal });
  expect(last).toMatchObject({ report: { status: 'succeeded', caughtUp: true }, continuation: null, lagRows: 0 });
});
