/** A position stands for the rows before it: where they are gone, a run that went on from it would leave a gap that nobody sees. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Destination, Source } from '../../lib/connectors/connector.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import { replayDeadLetters } from '../../lib/engine/dead-letters.ts';
import type { RunOptions } from '../../lib/engine/deps.ts';
import { planSync } from '../../lib/engine/plan-sync.ts';
import { destinationMaximum } from '../../lib/engine/position.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import { setPosition } from '../../lib/engine/set-position.ts';
import { SyncError, stackOf } from '../../lib/errors.ts';
import type { Schema } from '../../lib/values/types.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
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

it('refuses a table of another name that is there already: the rows before the position are not in it', async () => {
  await using world = await threeOrders();
  world.b.exec('CREATE TABLE orders2 (id INTEGER PRIMARY KEY, v TEXT)');
  world.a.exec("INSERT INTO orders VALUES (4, 'd')");
  for (const _ of [1, 2])
    expect(await world.run(elsewhere)).toMatchObject({ status: 'failed', error: { code: 'RESYNC_REQUIRED', message: expect.stringContaining('orders2') } });
  expect((await planSync(definition(elsewhere), world.deps, signal)).warnings).toEqual([expect.stringContaining('orders2')]);
  expect(await world.run()).toMatchObject({ status: 'succeeded', written: 1 });
  expect(copied(world, 'orders2')).toEqual([]);
  expect(await world.run(elsewhere, { existing: 'adopt' })).toMatchObject({ status: 'succeeded', written: 0 });
  world.a.exec("INSERT INTO orders VALUES (5, 'e')");
  expect(await world.run(elsewhere)).toMatchObject({ status: 'succeeded', written: 1 });
  expect(copied(world, 'orders2')).toEqual([5]);
});

it('refuses to go on from the position of another deployment with a sync of the same name', async () => {
  await using world = await threeOrders();
  await using folder = await temporaryFolder();
  await using coordination = await openCoordination({ path: join(folder.path, 'other.db') });
  // As far as the other in its revisions, or the fence alone would tell
  for (let n = 0; n < 20; n++) await coordination.schedule.pend('else', '{}');
  const other = { ...world.deps, coordination };
  expect(await runSync(definition(), other, { signal })).toMatchObject({ status: 'failed', error: { code: 'CHECKPOINT_MISSING' } });
  expect(await runSync(definition(), other, { signal, existing: 'adopt' })).toMatchObject({ status: 'succeeded' });
  for (let n = 0; n < 40; n++) await world.coordination.schedule.pend('else', '{}');
  for (const _ of [1, 2])
    expect(await world.run()).toMatchObject({
      status: 'failed',
      error: { code: 'CHECKPOINT_CONFLICT', message: expect.stringContaining('another deployment') },
    });
  expect(await world.run({}, { existing: 'adopt' })).toMatchObject({ status: 'succeeded' });
  expect(await world.run()).toMatchObject({ status: 'succeeded' });
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

it('does not begin from a largest text: the ends may order texts differently', async () => {
  await using world = await pair();
  world.a.exec("CREATE TABLE orders (id TEXT PRIMARY KEY COLLATE NOCASE); INSERT INTO orders VALUES ('a'), ('B')");
  const fromMaximum = { mode: 'lastDestinationId' } as const;
  expect(await world.run(fromMaximum)).toMatchObject({ status: 'failed', error: { code: 'UNSUPPORTED', message: expect.stringContaining('maximum of id') } });
  expect(await world.run()).toMatchObject({ status: 'succeeded', written: 2 });
  expect(await world.run()).toMatchObject({ status: 'succeeded', written: 0 });
});

it('does not begin from a largest number that the destination keeps as text', async () => {
  await using world = await pair();
  world.a.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY); INSERT INTO orders VALUES (9), (10), (11)');
  world.b.exec("CREATE TABLE orders (id TEXT PRIMARY KEY); INSERT INTO orders VALUES ('9')");
  const message = expect.stringMatching(/id, which is int64 in orders and string in orders/);
  expect(await world.run({ mode: 'lastDestinationId' })).toMatchObject({ status: 'failed', error: { code: 'UNSUPPORTED', message } });
  world.b.exec('DROP TABLE orders; CREATE TABLE orders (id NUMERIC PRIMARY KEY); INSERT INTO orders VALUES (9)');
  expect(await world.run({ mode: 'lastDestinationId' })).toMatchObject({ status: 'succeeded', written: 2 });
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

it('a replay makes no table: the one that is gone held the rows before the position', async () => {
  await using world = await pair();
  world.a.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, v INT); INSERT INTO orders VALUES (1, 1), (2, -2), (3, 3)');
  world.b.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, v INT CHECK (v > 0))');
  const aside = { onError: 'deadLetter' } as const;
  expect(await world.run(aside)).toMatchObject({ status: 'succeeded', written: 2, deadLettered: 1 });
  world.b.exec('DROP TABLE orders');
  expect(await replayDeadLetters(definition(aside), world.deps, { signal })).toMatchObject({ status: 'failed', error: { code: 'RESYNC_REQUIRED' } });
  expect(await world.run(aside)).toMatchObject({ status: 'failed', error: { code: 'RESYNC_REQUIRED' } });
  expect(tables(world)).toEqual([]);
});

it('an upsert goes by what the catalogue knows to be unique, and not by a tiebreak that repeats', async () => {
  await using world = await pair();
  world.a.exec("CREATE TABLE orders (id INT, d TEXT, v TEXT, PRIMARY KEY (id, d)); INSERT INTO orders VALUES (1, '1', 'a'), (1, '2', 'b'), (2, '2', 'c')");
  const sync = { mode: 'id', write: 'upsert', cursor: { column: 'd', key: ['id'], lookbackSeconds: 0, nulls: 'refuse' } } as const;
  expect(await world.run(sync)).toMatchObject({ status: 'succeeded', written: 3 });
  expect(world.b.prepare('SELECT v FROM orders ORDER BY v').pluck().all()).toEqual(['a', 'b', 'c']);
});

it.each([
  ['TEXT COLLATE NOCASE', "'a'", "'A'", "'b'"],
  ['TEXT COLLATE RTRIM', "'a'", "'a '", "'b'"],
  ['', '1', '1.0', '2'],
])('a position never stands between values that %s takes for equal', async (type, one, same, next) => {
  await using world = await pair();
  world.a.exec(`CREATE TABLE orders (n ${type}, v TEXT); INSERT INTO orders VALUES (${one}, 'a'), (${same}, 'b'), (${one}, 'c'), (${next}, 'd')`);
  const sync = {
    columns: { include: ['v'], rename: {} },
    cursor: { column: 'n', key: [], lookbackSeconds: 0, nulls: 'refuse' },
    batch: { rows: 1, bytes: 1_000 },
  } as const;
  world.b.exec("CREATE TABLE orders (v TEXT CHECK (v <> 'b'))");
  expect(await world.run(sync)).toMatchObject({ status: 'failed' });
  world.b.exec('ALTER TABLE orders RENAME TO old; CREATE TABLE orders (v TEXT); INSERT INTO orders SELECT * FROM old; DROP TABLE old');
  expect(await world.run(sync)).toMatchObject({ status: 'succeeded' });
  expect(world.b.prepare('SELECT v FROM orders ORDER BY v').pluck().all()).toEqual(['a', 'b', 'c', 'd']);
});

describe('a position that the source refuses', () => {
  /** The source has lost what follows any position. */
  const forgetful = (real: Source): Source => ({
    system: real.system,
    schema: real.schema,
    read: (request, abort) => {
      if (request.from === null) return real.read(request, abort);
      throw new SyncError('RESYNC_REQUIRED', 'the log was purged');
    },
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  });
  const rows = "CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c')";

  it.each(['insert', 'upsert'] as const)('is told, unless everything is to be copied anew with %s', async (write) => {
    await using world = await pair({ source: forgetful });
    world.a.exec(rows);
    expect(await world.run({ write })).toMatchObject({ status: 'succeeded', written: 3 });
    world.a.exec("DELETE FROM orders WHERE id = 1; INSERT INTO orders VALUES (4, 'd')");
    for (const existing of ['refuse', 'adopt'] as const)
      expect(await world.run({ write }, { existing })).toMatchObject({ status: 'failed', error: { code: 'RESYNC_REQUIRED' } });
    expect(copied(world)).toEqual([1, 2, 3]);
    expect(await world.run({ write }, { existing: 'replace' })).toMatchObject({ status: 'succeeded', written: 3 });
    expect(copied(world)).toEqual([2, 3, 4]);
  });

  it.each([
    ['replace', [1, 2, 3]],
    ['upsert', [1, 2, 3]],
  ] as const)('makes a full pass begin anew with %s', async (write, expected) => {
    await using world = await pair({ source: forgetful });
    world.a.exec(rows);
    const stop = new AbortController();
    const onProgress: RunOptions['onProgress'] = ({ phase }) => {
      if (phase === 'committing') stop.abort();
    };
    const pass = { ...full, write, batch: { rows: 2, bytes: 1_000_000 } };
    expect(await world.run(pass, { signal: stop.signal, onProgress })).toMatchObject({ caughtUp: false, cursor: expect.any(String) });
    expect(await world.run(pass)).toMatchObject({ status: 'succeeded', caughtUp: true, written: 3, retries: 1 });
    expect(copied(world)).toEqual(expected);
  });
});

describe('a pass that replaces', () => {
  /** Six rows, of which the first two are committed. */
  async function halfWay(write: 'replace' | 'upsert'): Promise<Pair> {
    const world = await threeOrders();
    world.a.exec("INSERT INTO orders VALUES (4, 'd'), (5, 'e'), (6, 'f'); ALTER TABLE orders RENAME TO source");
    const stop = new AbortController();
    const onProgress: RunOptions['onProgress'] = ({ phase }) => {
      if (phase === 'committing') stop.abort();
    };
    const report = await world.run({ ...pass, write, batch: { rows: 2, bytes: 1_000_000 } }, { signal: stop.signal, onProgress });
    expect(report).toMatchObject({ status: 'succeeded', caughtUp: false, cursor: expect.any(String) });
    return world;
  }
  const pass = {
    ...full,
    name: 'all',
    source: { connection: 'a', options: { table: 'source' } },
    destination: { connection: 'b', options: { table: 'copy' } },
  };
  const all = [1, 2, 3, 4, 5, 6];

  it.each(['replace', 'upsert'] as const)('begun with %s and ended with the other leaves no row out', async (write) => {
    await using world = await halfWay(write);
    expect(await world.run({ ...pass, write: write === 'replace' ? 'upsert' : 'replace' })).toMatchObject({ status: 'succeeded', caughtUp: true });
    expect(copied(world, 'copy')).toEqual(all);
  });

  it.each(['replace', 'upsert'] as const)(
    'that was begun under another definition begins anew with %s: no row stays as it was asked for before',
    async (write) => {
      await using world = await halfWay(write);
      const masked = { ...pass, write, mask: { v: 'redact' }, where: 'id <> 1' } as const;
      expect(await world.run(masked)).toMatchObject({ status: 'succeeded', caughtUp: true, written: 5 });
      const left = world.b.prepare("SELECT id FROM copy WHERE v IN ('a', 'b', 'c', 'd', 'e', 'f')").pluck().all();
      expect(left).toEqual(write === 'upsert' ? [1] : []);
      if (write === 'replace') expect(copied(world, 'copy')).toEqual([2, 3, 4, 5, 6]);
    },
  );

  it('goes on from what it has staged', async () => {
    await using world = await halfWay('replace');
    const report = await world.run({ ...pass, write: 'replace' });
    expect(report).toMatchObject({ status: 'succeeded', caughtUp: true });
    expect(report.read).toBeLessThan(all.length);
    expect(copied(world, 'copy')).toEqual(all);
  });

  it('begins at the beginning although a maximum was asked for', async () => {
    await using world = await halfWay('replace');
    expect(await world.run({ ...pass, write: 'replace' })).toMatchObject({ status: 'succeeded' });
    world.b.exec('UPDATE _idra_state SET fence = fence + 1000000000000');
    expect(await world.run({ ...pass, write: 'replace' })).toMatchObject({ status: 'failed', error: { code: 'STORE_REWOUND' } });
    expect(await world.run({ ...pass, write: 'replace' }, { existing: 'max' })).toMatchObject({ status: 'succeeded', written: 6 });
    expect(copied(world, 'copy')).toEqual(all);
  });
});

it('a plan tells of rows that would be added once more', async () => {
  await using world = await pair();
  world.a.exec("CREATE TABLE orders (id INTEGER, v TEXT); INSERT INTO orders VALUES (1, 'a')");
  const sync = { ...full, write: 'insert', key: [] } as const;
  const warnings = async (write: 'insert' | 'replace') => (await planSync(definition({ ...sync, write }), world.deps, signal)).warnings;
  expect(await warnings('insert')).toEqual([]);
  expect(await world.run(sync)).toMatchObject({ status: 'succeeded', written: 1 });
  expect(await warnings('insert')).toEqual([expect.stringContaining('once more')]);
  expect(await warnings('replace')).toEqual([]);
});

it('a largest UUID is a place to begin from where both ends are of one system that orders them in one way, and nowhere else', async () => {
  const schema: Schema = { name: 'ids', columns: [{ name: 'id', type: { kind: 'uuid' }, nullable: false }], key: ['id'] };
  const asked = definition({ mode: 'lastDestinationId', cursor: { key: ['id'], lookbackSeconds: 0, nulls: 'refuse' } });
  const largest = '123e4567-e89b-12d3-a456-426614174000';
  const begins = (from: object, to: object): Promise<unknown> => {
    const source = { schema, cursorAfter: ([value]: readonly unknown[]) => `after ${String(value)}`, ...from } as unknown as Source;
    const destination = { max: async () => [largest], ...to } as unknown as Destination;
    return destinationMaximum({ definition: asked, source, destination, schema, target: schema });
  };
  const ordered = { system: 'one', ordersUuids: true };
  await expect(begins(ordered, ordered)).resolves.toBe(`after ${largest}`);
  for (const [from, to] of [
    [ordered, { system: 'other', ordersUuids: true }],
    [{ system: 'one' }, { system: 'one' }],
    [ordered, { system: 'one' }],
  ] as const)
    await expect(begins(from, to)).rejects.toMatchObject({ code: 'UNSUPPORTED', place: { column: 'id' } });
});

it('a plan tells of a clock in whose ticks a row can change twice', async () => {
  // For a peer of its own kind a column of SQLite is what is stored, which says nothing of a clock
  const declared = (real: Source): Source => ({
    system: real.system,
    schema: { ...real.schema, columns: real.schema.columns.map((column) => (column.name === 'day' ? { ...column, type: { kind: 'date' } } : column)) },
    read: (request, abort) => real.read(request, abort),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  });
  await using world = await pair({ source: declared });
  world.a.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, day DATE, v TEXT); INSERT INTO orders VALUES (1, '2026-01-01', 'a')");
  const cursor = { column: 'day', key: ['id'], lookbackSeconds: 0, nulls: 'refuse' } as const;
  const warnings = async (lookbackSeconds: number) =>
    (await planSync(definition({ mode: 'timestamp', write: 'upsert', cursor: { ...cursor, lookbackSeconds } }), world.deps, signal)).warnings;
  expect(await warnings(0)).toEqual([expect.stringContaining('day counts days')]);
  expect(await warnings(86_401)).toEqual([]);
});

it('a bug is told with the place where it happened', async () => {
  const broken = (real: Source): Source => ({
    system: real.system,
    schema: real.schema,
    read: () => {
      throw new TypeError('no such thing');
    },
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  });
  await using world = await pair({ source: broken });
  world.a.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY)');
  const stacks: string[] = [];
  expect(await world.run({}, { onFailure: (error) => stacks.push(stackOf(error)) })).toMatchObject({ status: 'failed', error: { code: 'INTERNAL' } });
  expect(stacks).toEqual([expect.stringMatching(/TypeError: no such thing\n.*positions\.test\.ts/)]);
});
