/** A slot whose sync could not run because of somebody else's lock waits in the outbox, and the next tick sends it again. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { Dispatcher, Job } from '../../lib/dispatch/dispatcher.ts';
import { coordinate } from '../../lib/engine/coordinate.ts';
import type { Opened } from '../../lib/engine/deps.ts';
import { runJob } from '../../lib/engine/run-job.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { definition } from './samples.ts';

it('a slot that finds its lock held is sent again by the next tick, and only until it is complete', async () => {
  await using folder = await temporaryFolder();
  await using coordination = await openCoordination({ path: join(folder.path, 'state.db') });
  const sent: Job[] = [];
  const dispatcher: Dispatcher = {
    dispatch: async (jobs) => {
      sent.push(...jobs);
      return jobs.map((job) => ({ job, error: null }));
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  // Nothing is reached before the lock is had
  const opened = { system: 'none' } as unknown as Opened;
  const { signal } = new AbortController();
  const held = await coordination.locks.acquire({ resource: 'orders', mode: 'exclusive', waitMs: 0, ttlSeconds: 30, runId: 'other' });
  if (!held.held) throw new Error('the lock is not free');
  const slot = Date.now() - 1_000;
  const { report } = await runJob(
    { sync: 'orders', slot },
    { definition: definition(), deps: { coordination, dispatcher, open: async () => opened } },
    { signal },
  );
  expect(report).toMatchObject({ status: 'skipped', reason: expect.stringContaining('held by') });
  const tick = () => coordinate({ coordination, dispatcher, syncs: async () => [] }, { signal });
  expect(await tick()).toMatchObject({ role: 'leader', sent: 1 });
  expect(sent).toEqual([{ sync: 'orders', slot }]);
  expect(await tick()).toMatchObject({ sent: 0 });
  await coordination.schedule.complete('orders', '0', { slot, lock: held.lock });
  await held.lock[Symbol.asyncDispose]();
  const late = await runJob({ sync: 'orders', slot }, { definition: definition(), deps: { coordination, dispatcher, open: async () => opened } }, { signal });
  expect(late.report).toMatchObject({ status: 'skipped', reason: expect.stringContaining('complete already') });
  expect(await tick()).toMatchObject({ sent: 0 });
});
