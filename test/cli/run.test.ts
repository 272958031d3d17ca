import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { idra, jsonLines } from './idra.ts';
import { addOrders, connections, ordersSync, shop } from './shop.ts';

const all = 'SELECT * FROM orders ORDER BY id';

it('copies everything, then only what is new, and says so on one line', async () => {
  await using here = await shop(1000);
  const first = await idra(['run'], { cwd: here.folder });
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toMatch(/^✔ orders {2}1,000 rows {2}\(/);
  expect(here.rows(all, here.copy)).toEqual(here.rows(all));
  expect(existsSync(join(here.folder, '.idra', 'state.db'))).toBe(true);
  here.exec(addOrders(1001, 7));
  expect((await idra(['run'], { cwd: here.folder })).stdout).toMatch(/^✔ orders {2}7 rows {2}\(/);
  expect((await idra(['run'], { cwd: here.folder })).stdout).toMatch(/^✔ orders {2}nothing new {2}\(/);
  expect(here.rows(all, here.copy)).toEqual(here.rows(all));
});

it('--json puts one object per sync on stdout with the fields of the interface, and nothing else', async () => {
  await using here = await shop(20);
  const missing = ordersSync.replace('name: orders', 'name: gone').replace('table: orders', 'table: gone');
  const disabled = `${ordersSync.replace('name: orders', 'name: off').replace('copy, table: orders', 'copy, table: off')}    enabled: false\n`;
  await here.define(`${connections}syncs:\n${missing}${ordersSync}${disabled}`);
  const { code, stdout, stderr } = await idra(['run', '--json', '--state', 'elsewhere.db'], { cwd: here.folder });
  expect(code).toBe(1);
  expect(existsSync(join(here.folder, 'elsewhere.db'))).toBe(true);
  const reports = jsonLines(stdout);
  expect(reports.map(({ sync, status }) => [sync, status])).toEqual([
    ['gone', 'failed'],
    ['orders', 'succeeded'],
    ['off', 'skipped'],
  ]);
  const fields = ['read', 'written', 'filtered', 'deadLettered', 'deleted', 'batches', 'bytes', 'durationMs', 'cursor', 'error', 'reason'];
  for (const report of reports) for (const field of fields) expect(report, `${report.sync} ${field}`).toHaveProperty(field);
  expect(reports[0]).toMatchObject({ error: { code: 'NOT_FOUND' }, written: 0 });
  expect(reports[1]).toMatchObject({ error: null, read: 20, written: 20, batches: 1 });
  expect(stderr).toContain('gone');
  expect(stderr).toContain('3 syncs: 1 succeeded, 1 skipped, 1 failed');
});

it('a failed sync does not keep the others from running, and its message names what is missing', async () => {
  await using here = await shop(5);
  await here.define(`${connections}syncs:\n${ordersSync.replace('name: orders', 'name: typo').replace('table: orders', 'table: ordesr')}${ordersSync}`);
  const { code, stdout } = await idra(['run'], { cwd: here.folder });
  expect(code).toBe(1);
  expect(stdout).toMatch(/✖ typo +NOT_FOUND\n.*ordesr.*orders/s);
  expect(stdout).toContain('docs/errors.md#not_found');
  expect(stdout).toMatch(/✔ orders +5 rows/);
});

it('--sync takes names with the file after them, and runs a disabled sync that it names', async () => {
  await using here = await shop(5);
  const second = ordersSync.replace('name: orders', 'name: again').replace('copy, table: orders', 'copy, table: again');
  await writeFile(join(here.folder, 'other.yml'), `${connections}syncs:\n${ordersSync}    enabled: false\n${second}`);
  const { code, stdout } = await idra(['run', '--json', '--sync', 'orders', 'other.yml'], { cwd: here.folder });
  expect(code).toBe(0);
  expect(jsonLines(stdout)).toMatchObject([{ sync: 'orders', status: 'succeeded', written: 5 }]);
  const both = await idra(['run', 'other.yml', '--json', '--sync', 'again', '--sync', 'orders'], { cwd: here.folder });
  expect(jsonLines(both.stdout).map(({ sync }) => sync)).toEqual(['orders', 'again']);
});

it('--parallel runs syncs side by side', async () => {
  await using here = await shop(200);
  const names = ['a', 'b', 'c'];
  const syncs = names.map((name) => ordersSync.replace('name: orders', `name: ${name}`).replace('copy, table: orders', `copy, table: ${name}`));
  await here.define(`${connections}syncs:\n${syncs.join('')}`);
  const { code, stdout } = await idra(['run', '--json', '--parallel', '3'], { cwd: here.folder });
  expect(code).toBe(0);
  expect(
    jsonLines(stdout)
      .map(({ sync, written }) => `${sync} ${written}`)
      .toSorted(),
  ).toEqual(['a 200', 'b 200', 'c 200']);
  for (const name of names) expect(here.rows(`SELECT * FROM ${name} ORDER BY id`, here.copy)).toEqual(here.rows(all));
});

it('wrong arguments and definitions end with status 2 and a hint', async () => {
  await using here = await shop(1);
  const cases: [string[], RegExp][] = [
    [['run', '--sync', 'ordrs'], /no sync "ordrs".*orders/],
    [['run', '--existing', 'perhaps'], /perhaps.*adopt/],
    [['run', '--parallel', '0'], /1 to 64/],
    [['run', '--nope'], /--nope/],
    [['runn'], /Did you mean run/],
    [['run', 'a.yaml', 'b.yaml'], /too many arguments/],
    [['run', '--state', 's.db', '--etcd', '127.0.0.1:1'], /exclude each other/],
    [['run', 'missing.yaml'], /missing\.yaml.*\n.*not there/],
    [['checkpoint', 'reset', 'orders'], /--yes/],
    [['discover', 'shpo'], /no connection "shpo".*shop/],
    [['syncs', 'list'], /etcd/],
    [['demo', '--to', 'oracle://x/y'], /oracle/],
  ];
  const results = await Promise.all(cases.map(([args]) => idra(args, { cwd: here.folder })));
  for (const [index, [args, expected]] of cases.entries()) {
    expect(results[index]?.stderr, args.join(' ')).toMatch(expected);
    expect(results[index], args.join(' ')).toMatchObject({ code: 2, stdout: '' });
  }
});

it('a table that is replaced by an empty one is news, unlike a run that found nothing', async () => {
  await using here = await shop(3);
  await here.define(
    `${connections}syncs:\n  - { name: all, source: { connection: shop, table: orders }, destination: { connection: copy, table: orders }, write: replace }\n`,
  );
  expect((await idra(['run'], { cwd: here.folder })).stdout).toMatch(/all +3 rows/);
  here.exec('DELETE FROM orders');
  expect((await idra(['run'], { cwd: here.folder })).stdout).toMatch(/all +0 rows/);
  expect(here.rows(all, here.copy)).toEqual([]);
});

it('without a file it says which names it looked for', async () => {
  await using here = await shop(0);
  const { code, stderr } = await idra(['run'], { cwd: join(here.folder, '..') });
  expect(code).toBe(2);
  expect(stderr).toMatch(/syncs\.yaml, syncs\.yml, syncs\.json/);
});

it('the choices for a destination with rows of unknown origin are named, and work', async () => {
  await using here = await shop(10);
  const insert = ordersSync.replace('write: upsert', 'write: insert');
  await here.define(`${connections}syncs:\n${insert}`);
  here.exec(
    `CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, total DECIMAL TEXT(12,2) NOT NULL, updated_at TIMESTAMP TEXT(6) NOT NULL);
    INSERT INTO orders VALUES (1, 'old', '1.00', '2020-01-01 00:00:00.000000')`,
    here.copy,
  );
  const refused = await idra(['run'], { cwd: here.folder });
  expect(refused.code).toBe(1);
  expect(refused.stdout).toContain('CHECKPOINT_MISSING');
  for (const choice of ['adopt', 'max', 'replace']) expect(refused.stdout).toContain(`--existing ${choice}`);
  expect(here.rows('SELECT note FROM orders', here.copy)).toEqual([['old']]);
  expect(await idra(['run', '--existing', 'replace'], { cwd: here.folder })).toMatchObject({ code: 0 });
  expect(here.rows(all, here.copy)).toEqual(here.rows(all));
});
