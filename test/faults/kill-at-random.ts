import { expect } from 'vitest';
import { between } from '../support/proxy/random.ts';
import { reportOf } from './runs.ts';
import type { StateRow, World } from './world.ts';

/** A run of 2,000 rows in small batches takes about as long, so that most kills come in time. */
const workMs = 600;
const none: StateRow = { epoch: 0n, fence: 0n, seq: 0n };

/** Kills `kills` runs of a growing source, each at a random moment after its claim. Position and fence never go back. Returns how many of the runs had committed something. */
export async function killAtRandom(world: World, { random, kills }: { random: () => number; kills: number }): Promise<number> {
  let killed = 0;
  let moved = 0;
  let last = none;
  for (let round = 0; killed < kills; round++) {
    if (round > kills * 3) throw new Error(`only ${killed} of ${round} processes could be killed in time`);
    world.grow(2_000);
    await using child = world.start();
    const isReading = child.line(/^reading/, 60_000).then(
      () => true,
      () => false,
    );
    // It lost its lock before it came that far: the next one has it
    if (!(await isReading)) {
      expect(reportOf(child).error).toMatchObject({ code: 'LOCK_LOST' });
      continue;
    }
    const exited = child.exited.then(() => true);
    const timer = new Promise<false>((done) => setTimeout(() => done(false), between(random, [0, workMs])));
    if (!(await Promise.race([exited, timer]))) {
      await child.kill();
      killed++;
    }
    // Nothing is there yet where the first run died before its claim
    const now = await world.state().catch(() => last);
    if (now.seq > last.seq) moved++;
    expect(now.seq).toBeGreaterThanOrEqual(last.seq);
    expect(now.fence).toBeGreaterThanOrEqual(last.fence);
    last = now;
  }
  return moved;
}
