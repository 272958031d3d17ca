/** Commands that move a position, raise the epoch or write set-aside rows again. */
import { expect, it } from 'vitest';
import { idra, jsonLines } from './idra.ts';
import { addOrders, connections, ordersSync, shop } from './shop.ts';

const all = 'SELECT * FROM orders ORDER BY id';

it('checkpoint show, set and reset move what the next run reads', async () => {
  await using here = await shop(30);
  await idra(['run'], { cwd: here.folder });
  const [checkpoint] = jsonLines((await idra(['checkpoint', 'show', 'orders', '--json'], { cwd: here.folder })).stdout);
  expect(checkpoint).toMatchObject({ sync: 'orders', shard: '0', seq: '1', cursor: expect.any(String) });
  here.exec(addOrders(31, 5));
  await idra(['run'], { cwd: here.folder });

  expect(await idra(['checkpoint', 'set', 'orders', String(checkpoint?.cursor)], { cwd: here.folder })).toMatchObject({ code: 0 });
  const again = await idra(['run', '--json'], { cwd: here.folder });
  expect(jsonLines(again.stdout)).toMatchObject([{ read: 5, status: 'succeeded' }]);

  expect(await idra(['checkpoint', 'reset', 'orders'], { cwd: here.folder })).toMatchObject({ code: 2 });
  expect(await idra(['checkpoint', 'reset', 'orders', '--yes'], { cwd: here.folder })).toMatchObject({ code: 0 });
  const whole = await idra(['run', '--json'], { cwd: here.folder });
  expect(jsonLines(whole.stdout)).toMatchObject([{ read: 35, status: 'succeeded' }]);
  expect(here.rows(all, here.copy)).toEqual(here.rows(all));
  const missing = await idra(['checkpoint', 'show', 'nobody', '--json'], { cwd: here.folder });
  expect(missing.code).toBe(1);
  expect(missing.stderr).toMatch(/NOT_FOUND.*no checkpoint of nobody/);
});

it('a cursor of something else is refused, and so is a beginning that would insert rows twice', async () => {
  await using here = await shop(10);
  await here.define(`${connections}syncs:\n${ordersSync.replace('write: upsert', 'write: insert')}`);
  await idra(['run'], { cwd: here.folder });
  const foreign = await idra(['checkpoint', 'set', 'orders', 'not a cursor'], { cwd: here.folder });
  expect(foreign.code).toBe(1);
  expect(foreign.stderr).toContain('CURSOR_INVALID');
  const twice = await idra(['checkpoint', 'reset', 'orders', '--yes'], { cwd: here.folder });
  expect(twice.code).toBe(1);
  expect(twice.stderr).toMatch(/UNSUPPORTED.*insert them a second time/);
  expect(jsonLines((await idra(['run', '--json'], { cwd: here.folder })).stdout)).toMatchObject([{ read: 0, status: 'succeeded' }]);
});

it('a state file that was lost stops the run, and epoch raise with a choice gets it going', async () => {
  await using here = await shop(10);
  await idra(['run', '--state', 'one.db'], { cwd: here.folder });
  expect((await idra(['epoch', 'show', '--state', 'two.db'], { cwd: here.folder })).stdout).toBe('epoch 0 in two.db (not there yet)');
  expect((await idra(['epoch', 'raise', '--state', 'two.db'], { cwd: here.folder })).stdout).toMatch(/epoch 1 in two\.db/);
  const lost = await idra(['run', '--state', 'two.db'], { cwd: here.folder });
  expect(lost.code).toBe(1);
  expect(lost.stdout).toMatch(/CHECKPOINT_MISSING/);
  expect(await idra(['run', '--state', 'two.db', '--existing', 'adopt'], { cwd: here.folder })).toMatchObject({ code: 0 });
  expect((await idra(['epoch', 'raise', '7', '--state', 'two.db', '--json'], { cwd: here.folder })).stdout).toMatch(/"epoch":"7"/);
  expect((await idra(['epoch', 'raise', '3', '--state', 'two.db'], { cwd: here.folder })).stdout).toContain('stays');
});

it('rows that were set aside are listed with their reason, and replayed once the cause is gone', async () => {
  await using here = await shop(0);
  here.exec(
    `INSERT INTO orders VALUES (1, 'fine', '1.00', '2026-01-01 00:00:00'), (2, 'bad', '2.00', '2026-01-01 00:00:00'), (3, 'fine', '3.00', '2026-01-01 00:00:00')`,
  );
  here.exec(
    `CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, total DECIMAL TEXT(12,2) NOT NULL, updated_at TIMESTAMP TEXT(6) NOT NULL);
    CREATE TRIGGER no_bad BEFORE INSERT ON orders WHEN new.note = 'bad' BEGIN SELECT raise(ABORT, 'no bad rows'); END`,
    here.copy,
  );
  await here.define(`${connections}syncs:\n${ordersSync}    onError: deadLetter\n`);
  expect(jsonLines((await idra(['run', '--json'], { cwd: here.folder })).stdout)).toMatchObject([
    { read: 3, written: 2, deadLettered: 1, status: 'succeeded' },
  ]);
  const list = await idra(['dead-letters', 'list', 'orders'], { cwd: here.folder });
  expect(list.stdout).toMatch(/2.*ROW_REJECTED/);
  expect(list.stdout).toContain('idra dead-letters replay orders');
  const still = await idra(['dead-letters', 'replay', 'orders'], { cwd: here.folder });
  expect(still.stdout).toContain('1 dead letters are still refused');
  here.exec('DROP TRIGGER no_bad', here.copy);
  expect(jsonLines((await idra(['dead-letters', 'replay', 'orders', '--json'], { cwd: here.folder })).stdout)).toMatchObject([
    { written: 1, status: 'succeeded' },
  ]);
  expect(here.rows(all, here.copy)).toEqual(here.rows(all));
  expect((await idra(['dead-letters', 'list', 'orders', '--json'], { cwd: here.folder })).stdout).toBe('');
});
