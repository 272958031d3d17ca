/**
 * I1, I2, I3, I4 and I6: killed at every step of the protocol and at random, over the embedded store. Not one row lost, not one doubled. A file for each destination runs it, so that they wait for leases side by side.
 */
import { expect, it } from 'vitest';
import { seeded } from '../support/proxy/random.ts';
import { describeWith } from '../support/servers.ts';
import { killAtRandom } from './kill-at-random.ts';
import { points } from './orders.ts';
import { type DestinationKind, type StateRow, World } from './world.ts';

const none: StateRow = { epoch: 0n, fence: 0n, seq: 0n };
/** Over three destinations more than a hundred. */
const randomKills = 34;

export function killSuite(kind: DestinationKind): Promise<void> {
  return describeWith([kind], `kill -9, destination ${kind}`, () => {
    it.each(points)('at %s: the next run completes the exact set', { timeout: 60_000 }, async (point) => {
      await using world = await World.make(kind, {});
      world.grow(1_700);
      await using child = world.start({ point, nth: point.startsWith('claim') || point.startsWith('release') ? 1 : 2 });
      expect((await child.exited).signal).toBe('SIGKILL');
      expect(child.stdout).toContain(`at ${point}`);
      // Nothing is there yet where the first run died before its claim
      const before = await world.state().catch(() => none);
      const report = await world.run();
      expect(report).toMatchObject({ status: 'succeeded', error: null, caughtUp: true });
      expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
      const after = await world.state();
      expect(after.fence).toBeGreaterThan(before.fence);
      expect(after.seq).toBe(before.seq + BigInt(report.batches));
    });

    it(`at ${randomKills} random moments while the source grows`, { timeout: 240_000 }, async () => {
      // Side by side: while the lease of a killed run ends, the other world goes on
      const moved = await Promise.all(
        [20_261_122, 20_261_123].map(async (seed) => {
          await using world = await World.make(kind, { batch: { rows: 50, bytes: '1MB' } });
          const movedHere = await killAtRandom(world, { random: seeded(seed), kills: randomKills / 2 });
          expect(await world.run()).toMatchObject({ status: 'succeeded', caughtUp: true });
          expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
          return movedHere;
        }),
      );
      // The kills fell into the work, not only before it
      expect(moved.reduce((sum, count) => sum + count)).toBeGreaterThan(5);
    });

    it('10,000 rows with one timestamp in batches of 1,000, killed after each batch', { timeout: 120_000 }, async () => {
      await using world = await World.make(kind, { mode: 'timestamp', cursor: { column: 'at', key: 'id' }, batch: { rows: 1_000, bytes: '1MB' } });
      world.grow(10_000, () => '2026-01-01 00:00:00.000001');
      for (let batch = 0; batch < 9; batch++) {
        await using child = world.start({ point: batch % 2 === 0 ? 'commit:after' : 'checkpoint:after', nth: 1 });
        await child.exited;
        expect(child.stdout.join()).toContain('at c');
      }
      expect(await world.run()).toMatchObject({ status: 'succeeded', caughtUp: true });
      expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
    });
  });
}
