/** What is set aside, and what becomes of it when it is written again. */
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { type Destination, Operation, type Source } from '../../lib/connectors/connector.ts';
import { listDeadLetters, replayDeadLetters } from '../../lib/engine/dead-letters.ts';
import { full, type Pair, pair } from './pair.ts';
import { definition } from './samples.ts';

const { signal } = new AbortController();
const lettersOf = ({ deps }: Pair) => listDeadLetters(definition(), deps, signal);

it('a deletion that is refused is never written again as a row with nothing but its key', async () => {
  const deleting: Source = {
    system: 'sqlite',
    schema: {
      name: 'orders',
      columns: [
        { name: 'id', type: { kind: 'int64' }, nullable: false },
        { name: 'v', type: { kind: 'string' }, nullable: true },
      ],
      key: ['id'],
    },
    async *read() {
      yield { kind: 'rows', rows: [['1', null]], operations: Uint8Array.of(Operation.delete), bytes: 1, boundary: 'first' };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using world = await pair({ source: deleting });
  world.b.exec(`CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO orders VALUES (1, 'kept');
    CREATE TABLE lines (o INTEGER REFERENCES orders (id)); INSERT INTO lines VALUES (1)`);
  const sync = { mode: 'stream', write: 'upsert', deletes: 'hard', onError: 'deadLetter' } as const;
  expect(await world.run(sync)).toMatchObject({ status: 'succeeded', deadLettered: 1 });
  expect(await lettersOf(world)).toMatchObject([{ kind: 'raw', place: 'id=1', reason: expect.stringContaining('Deleting the row') }]);
  expect(await replayDeadLetters(definition(sync), world.deps, { signal })).toMatchObject({ written: 0, reason: '1 dead letters are still refused' });
  expect(world.b.prepare('SELECT v FROM orders').pluck().all()).toEqual(['kept']);
});

it('the destination stays open until its letters are read', async () => {
  let isOpen = true;
  const destination = (real: Destination): Destination => ({
    ...real,
    deadLetters: async () => {
      await setImmediate();
      if (!isOpen) throw new Error('closed');
      return [];
    },
    [Symbol.asyncDispose]: async () => {
      isOpen = false;
      await real[Symbol.asyncDispose]();
    },
  });
  await using world = await pair({ destination });
  expect(await lettersOf(world)).toEqual([]);
  expect(isOpen).toBe(false);
});

it('of a thing that is no row no text is kept where columns are masked', async () => {
  await using world = await pair();
  world.a.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, email TEXT, n INTEGER); INSERT INTO orders VALUES (1, 'ann@example.com', 'many')");
  const sync = { mask: { email: 'sha256' }, onError: 'deadLetter' } as const;
  expect(await world.run(sync)).toMatchObject({ status: 'succeeded', deadLettered: 1 });
  const letters = await lettersOf(world);
  expect(letters).toMatchObject([{ code: 'ROW_MALFORMED', row: '', reason: expect.stringContaining('masks columns') }]);
  expect(JSON.stringify(letters)).not.toContain('ann@example.com');
});

it('a row of a column that has another name by now stays, and loses no value', async () => {
  await using world = await pair();
  world.a.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO orders VALUES (1, 'kept')");
  world.b.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY CHECK (id <> 1), note TEXT, remark TEXT)');
  expect(await world.run({ onError: 'deadLetter' })).toMatchObject({ status: 'succeeded', deadLettered: 1 });
  world.b.exec('DROP TABLE orders; CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, remark TEXT)');
  const renamed = definition({ onError: 'deadLetter', columns: { rename: { note: 'remark' } } });
  expect(await replayDeadLetters(renamed, world.deps, { signal })).toMatchObject({ written: 0, caughtUp: false });
  expect(await replayDeadLetters(definition({ onError: 'deadLetter' }), world.deps, { signal })).toMatchObject({ written: 1, caughtUp: true });
  expect(world.b.prepare('SELECT * FROM orders').raw().all()).toEqual([[1, 'kept', null]]);
});

it('of several versions of a row that were set aside in one batch the last is written last', async () => {
  const versions = 20;
  const changing: Source = {
    system: 'sqlite',
    schema: {
      name: 'orders',
      columns: [
        { name: 'id', type: { kind: 'int64' }, nullable: false },
        { name: 'v', type: { kind: 'int64' }, nullable: true },
      ],
      key: ['id'],
    },
    async *read() {
      yield { kind: 'rows', rows: Array.from({ length: versions }, (_, v) => ['1', String(v)]), bytes: 1, boundary: 'first' };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using world = await pair({ source: changing });
  world.b.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, v INTEGER CHECK (v < 0))');
  const sync = { mode: 'stream', write: 'upsert', onError: 'deadLetter' } as const;
  expect(await world.run(sync)).toMatchObject({ status: 'succeeded', deadLettered: versions });
  world.b.exec('DROP TABLE orders; CREATE TABLE orders (id INTEGER PRIMARY KEY, v INTEGER)');
  expect(await replayDeadLetters(definition(sync), world.deps, { signal })).toMatchObject({ written: versions, caughtUp: true });
  expect(world.b.prepare('SELECT v FROM orders').pluck().all()).toEqual([versions - 1]);
});

it('a row that only the table refuses is set aside as it is staged, and the others take the place of the old ones', async () => {
  await using world = await pair();
  world.a.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO orders VALUES (1, 'a'), (2, NULL), (3, 'c')");
  world.b.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT NOT NULL); INSERT INTO orders VALUES (9, 'old')");
  expect(await world.run({ ...full, write: 'replace', onError: 'deadLetter' })).toMatchObject({ status: 'succeeded', written: 2, deadLettered: 1 });
  expect(world.b.prepare('SELECT id FROM orders').pluck().all()).toEqual([1, 3]);
  expect(await lettersOf(world)).toMatchObject([{ place: 'id=2', code: 'ROW_REJECTED' }]);
});

it('a sync that replaces has nothing to replay into: the row would be gone with the stage', async () => {
  await using world = await pair();
  world.a.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, v DECIMAL TEXT(38,20)); INSERT INTO orders VALUES (1, '1'), (2, '0.12345678901234567891')");
  world.b.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, v NUMERIC)');
  const sync = { ...full, write: 'replace', onError: 'deadLetter' } as const;
  expect(await world.run(sync)).toMatchObject({ status: 'succeeded', written: 1, deadLettered: 1 });
  world.b.exec('DROP TABLE orders; CREATE TABLE orders (id INTEGER PRIMARY KEY, v DECIMAL TEXT(38,20))');
  expect(await replayDeadLetters(definition(sync), world.deps, { signal })).toMatchObject({ status: 'failed', error: { code: 'UNSUPPORTED' } });
  expect(await lettersOf(world)).toHaveLength(1);
  expect(await world.run(sync)).toMatchObject({ status: 'succeeded', written: 2, deadLettered: 0 });
});
