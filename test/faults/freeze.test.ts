/**
 * I2 and I3: a process frozen past its lease, another one finishes, the first is thawed. Its write must be refused by the fence. The same with fencing switched off must do harm:
 * that is the proof that these tests bite.
 */
import { expect, it } from 'vitest';
import { describeWith } from '../support/servers.ts';
import type { Point } from './orders.ts';
import { reportOf } from './runs.ts';
import { type DestinationKind, World } from './world.ts';

const kinds: readonly DestinationKind[] = ['postgres', 'mysql', 'sqlserver'];
const frozenAt: readonly Point[] = ['claim:before', 'write:after', 'commit:before', 'checkpoint:before'];

async function frozenAndOvertaken(world: World, point: Point, fencing: boolean): Promise<{ status: string; code: string | undefined }> {
  world.grow(1_700);
  const nth = point === 'claim:before' ? 1 : 2;
  await using frozen = world.start({ point, nth, action: 'SIGSTOP', fencing });
  await frozen.line(/^at /);
  const second = await world.run({ fencing });
  expect(second).toMatchObject({ status: 'succeeded', caughtUp: true });
  const fence = (await world.state()).fence;
  frozen.resume();
  await frozen.exited;
  if (fencing) expect((await world.state()).fence).toBe(fence);
  const { status, error } = reportOf(frozen);
  return { status, code: error?.code };
}

for (const kind of kinds) {
  await describeWith([kind], `SIGSTOP past the lease, destination ${kind}`, () => {
    it.each(frozenAt)('at %s: the thawed process writes nothing more', { timeout: 60_000 }, async (point) => {
      await using world = await World.make(kind, {});
      const thawed = await frozenAndOvertaken(world, point, true);
      expect(thawed.status).toBe('failed');
      expect(['FENCED', 'LOCK_LOST']).toContain(thawed.code);
      expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
    });

    it('bites: with fencing switched off the thawed process doubles rows', { timeout: 60_000 }, async () => {
      await using world = await World.make(kind, {});
      await frozenAndOvertaken(world, 'commit:before', false);
      const { doubledOrForeign } = await world.difference();
      expect(doubledOrForeign.length).toBeGreaterThan(0);
    });

    it('does not keep the next run waiting, though its open transaction holds the same keys', { timeout: 60_000 }, async () => {
      await using world = await World.make(kind, {}, { key: true });
      const thawed = await frozenAndOvertaken(world, 'commit:before', true);
      expect(thawed.status).toBe('failed');
      expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
    });
  });
}

/** SQLite has one write lock for the whole file: whoever is frozen inside a batch holds it, so nobody can overtake, and there is nothing to bite. */
await describeWith(['sqlite'], 'SIGSTOP past the lease, destination sqlite', () => {
  it.each(['claim:before', 'checkpoint:before'] as const)('at %s: the thawed process writes nothing more', { timeout: 60_000 }, async (point) => {
    await using world = await World.make('sqlite', {});
    const thawed = await frozenAndOvertaken(world, point, true);
    expect(thawed.status).toBe('failed');
    expect(['FENCED', 'LOCK_LOST']).toContain(thawed.code);
    expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
  });

  it.each(['write:after', 'commit:before'] as const)(
    'at %s: the other run waits or says why it cannot go on, and after the thaw the set is exact',
    { timeout: 90_000 },
    async (point) => {
      await using world = await World.make('sqlite', {});
      world.grow(1_700);
      await using frozen = world.start({ point, nth: 2, action: 'SIGSTOP' });
      await frozen.line(/^at /);
      await using second = world.start();
      await Promise.race([second.exited, new Promise((done) => setTimeout(done, 4_000))]);
      frozen.resume();
      await frozen.exited;
      await second.exited;
      const { status, error } = reportOf(second);
      if (status === 'failed') expect(error?.code).toBe('CONFLICT');
      expect(await world.run()).toMatchObject({ status: 'succeeded', caughtUp: true });
      expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
    },
  );
});
