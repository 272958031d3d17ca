/** A position stands for the rows before it: where they are gone, a run that went on from it would leave a gap that nobody sees. */
import { expect, it } from 'vitest';
import type { Destination } from '../../lib/connectors/connector.ts';
import { setPosition } from '../../lib/engine/set-position.ts';
import { SyncError } from '../../lib/errors.ts';
import { full, type Pair, pair } from './pair.ts';
import { definition } from './samples.ts';

const { signal } = new AbortController();
const copied = ({ b }: Pair, table = 'orders'): unknown[] => b.prepare(`SELECT id FROM ${table} ORDER BY id`).pluck().all();
const tables = ({ b }: Pair): unknown[] => b.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '_idra_*'").pluck().all();
const elsewhere = { destination: { connection: 'b', options: { table: 'orders2' } } };

async function threeOrders(wrap?: (real: Destination) => Destination): Promise<Pair> {
  const world = await pair(wrap === undefined ? {} : { destination: wrap });
  world.a.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c')");
  expect(await world.run()).toMatchObject({ status: 'succeeded', written: 3 });
  return world;
}

it('refuses a table that was dropped or renamed, as often as it is asked, and makes none', async () => {
  await using world = await threeOrders();
  for (const _ of [1, 2]) expect(await world.run(elsewhere)).toMatchObject({ status: 'failed', error: { code: 'RESYNC_REQUIRED' } });
  world.b.exec('DROP TABLE orders');
  for (const _ of [1, 2]) expect(await world.run()).toMatchObject({ status: 'failed', error: { code: 'RESYNC_REQUIRED' } });
  expect(tables(world)).toEqual([]);
  expect(await world.run({}, { existing: 'replace' })).toMatchObject({ status: 'succeeded', written: 3 });
  expect(copied(world)).toEqual([1, 2, 3]);
});

it('a table that lost its rows alone is no reason: whoever takes them out as a queue may do so', async () => {
  await using world = await threeOrders();
  world.b.exec('DELETE FROM orders');
  expect(await world.run()).toMatchObject({ status: 'succeeded', read: 0 });
});

it('holds on to the choice through a passing fault, although the table is there by then', async () => {
  let faults = 0;
  await using world = await threeOrders((real) => ({
    system: real.system,
    state: () => real.state(),
    prepare: (...about) => real.prepare(...about),
    max: (columns) => real.max?.(columns) ?? Promise.resolve(null),
    open: async (...about) => {
      if (faults-- > 0) throw new SyncError('CONNECTION_FAILED', 'gone for a moment', { retry: 'now' });
      return real.open(...about);
    },
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  }));
  world.b.exec('DROP TABLE orders');
  faults = 1;
  expect(await world.run({}, { existing: 'max' })).toMatchObject({ status: 'succeeded', written: 3, retries: 1 });
  expect(copied(world)).toEqual([1, 2, 3]);
});

it('no position is set for a sync that replaces: what stands before it would be gone', async () => {
  await using world = await threeOrders();
  const sync = definition({ ...full, name: 'all', write: 'replace' });
  await expect(setPosition(sync, world.deps, { cursor: 'any', signal })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  expect(await setPosition(sync, world.deps, { cursor: null, signal })).toMatchObject({ set: true });
});

it('a reset makes the next run begin at the beginning, also where the table is gone', async () => {
  await using world = await threeOrders();
  world.b.exec('DROP TABLE orders');
  expect(await setPosition(definition(), world.deps, { cursor: null, signal })).toMatchObject({ set: true, seq: 2n });
  expect(await world.run()).toMatchObject({ status: 'succeeded', written: 3 });
  expect(copied(world)).toEqual([1, 2, 3]);
});
