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

const { signal } = new AbortController();

async function pending() {
  const folder = await temporaryFolder();
  const coordination = await openCoordination({ path: join(folder.path, 'state.db') });
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
  return {
    coordination,
    sent,
    deps: { coordination, dispatcher, open: async () => opened },
    tick: { coordination, dispatcher, syncs: async () => [] },
    [Symbol.asyncDispose]: async () => {
      await coordination[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

it('a slot that finds its lock held is sent again by the next tick, and only until it is complete', async () => {
  await using world = await pending();
  const { coordination, deps, sent } = world;
  const held = await coordination.locks.acquire({ resource: 'orders', mode: 'exclusive', waitMs: 0, ttlSeconds: 30, runId: 'other' });
  if (!held.held) throw new Error('the lock is not free');
  const slot = Date.now() - 1_000;
  const { report } = await runJob({ sync: 'orders', slot }, { definition: definition(), deps }, { signal });
  expect(report).toMatchObject({ status: 'skipped', reason: expect.stringContaining('held by') });
  const tick = () => coordinate(world.tick, { signal });
  expect(await tick()).toMatchObject({ role: 'leader', sent: 1 });
  expect(sent).toEqual([{ sync: 'orders', slot }]);
  expect(await tick()).toMatchObject({ sent: 0 });
  await coordination.schedule.complete('orders', '0', { slot, lock: held.lock });
  await held.lock[Symbol.asyncDispose]();
  const late = await runJob({ sync: 'orders', slot }, { definition: definition(), deps }, { signal });
  expect(late.report).toMatchObject({ status: 'skipped', reason: expect.stringContaining('complete already') });
  expect(await tick()).toMatchObject({ sent: 0 });
});

it('a link of a chain that finds its lock held comes back as that link, not as the first, which has handed over', async () => {
  await using world = await pending();
  const { coordination, deps, sent } = world;
  const slot = Date.now() - 1_000;
  const job: Job = { sync: 'orders', slot, hop: 1, chain: String(slot), stalled: 1 };
  await coordination.continuations.save('orders', '0', { chain: String(slot), hop: 0 });
  const held = await coordination.locks.acquire({ resource: 'orders', mode: 'exclusive', waitMs: 0, ttlSeconds: 30, runId: 'other' });
  expect((await runJob(job, { definition: definition(), deps }, { signal })).report).toMatchObject({ status: 'skipped' });
  expect(await coordinate(world.tick, { signal })).toMatchObject({ sent: 1 });
  expect(sent).toEqual([job]);
  expect((await runJob(job, { definition: definition(), deps }, { signal })).report.reason).toContain('held by');
  if (held.held) await held.lock[Symbol.asyncDispose]();
});

it('of several requests of a sync the one of the newest slot is sent, whenever the others were put back', async () => {
  await using world = await pending();
  const everyMs = 60_000;
  const now = Date.now();
  const newer = Math.floor(now / everyMs) * everyMs;
  const syncs = async () => [definition({ schedule: { everyMs } })];
  await coordinate({ ...world.tick, syncs }, { signal, now: newer - everyMs });
  // After the newer slot has begun, and before a tick plans it
  await world.coordination.schedule.pend('orders', JSON.stringify({ sync: 'orders', slot: newer - everyMs }));
  expect(await coordinate({ ...world.tick, syncs }, { signal, now })).toMatchObject({ planned: 1, sent: 1, superseded: 1 });
  expect(world.sent.map(({ slot }) => slot)).toEqual([newer - everyMs, newer]);
});
