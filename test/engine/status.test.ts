/** What `idra status` says of a sync whose position is in doubt. */
import { expect, it } from 'vitest';
import { survey, syncStatus } from '../../lib/cli/sync-status.ts';
import { setPosition } from '../../lib/engine/set-position.ts';
import { type Pair, pair } from './pair.ts';
import { definition } from './samples.ts';

const { signal } = new AbortController();

async function lagOf({ deps, coordination }: Pair): Promise<unknown> {
  return (await syncStatus(definition(), deps, { survey: await survey(coordination, {}, signal), signal })).lag;
}

it('is not called caught up beside a run that could not go on from its checkpoint, until the position is set', async () => {
  await using world = await pair();
  world.a.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO orders VALUES (1, 'a')");
  expect(await world.run()).toMatchObject({ status: 'succeeded' });
  expect(await lagOf(world)).toMatchObject({ rows: 0 });
  world.b.exec('ALTER TABLE orders RENAME TO elsewhere');
  expect(await world.run()).toMatchObject({ status: 'failed', error: { code: 'RESYNC_REQUIRED' } });
  expect(await lagOf(world)).toEqual({ error: { code: 'RESYNC_REQUIRED', message: 'the last run could not go on from the checkpoint' } });
  await setPosition(definition(), world.deps, { cursor: null, signal });
  expect(await lagOf(world)).toMatchObject({ rows: 1 });
});
