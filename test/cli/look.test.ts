/** Commands that only look: what they say, and that they write nothing. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { idra, jsonLines } from './idra.ts';
import { addOrders, connections, ordersSync, shop } from './shop.ts';

it('validate shows every fault with its place, reason and line', async () => {
  await using here = await shop(1);
  const wrong = ordersSync.replace('mode: timestamp', 'mode: timestmp').replace('connection: copy', 'connection: cpy');
  await here.define(`${connections}syncs:\n${wrong}`);
  const { code, stdout, stderr } = await idra(['validate'], { cwd: here.folder });
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/^syncs\.yaml:7:32 syncs\[0\]\.destination\.connection\n {2}.*copy.*\n {2}7 \| .*connection: cpy.*\n {37}\^/m);
  expect(stderr).toMatch(/^syncs\.yaml:8:11 syncs\[0\]\.mode\n {2}.*timestamp/m);
  expect(stderr).toMatch(/2 faults$/);
  const json = await idra(['validate', '--json'], { cwd: here.folder });
  expect(json.code).toBe(2);
  expect(jsonLines(json.stdout)).toMatchObject([
    {
      valid: false,
      faults: [
        { path: 'syncs[0].destination.connection', line: 7 },
        { path: 'syncs[0].mode', line: 8 },
      ],
    },
  ]);
  await here.define('connections: [');
  expect(await idra(['run'], { cwd: here.folder })).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('syncs.yaml:') });
});

it('validate says what is valid, and warns', async () => {
  await using here = await shop(0);
  await here.define(`connections:\n  db: { type: postgres, url: "postgres://u:hunter2hunter2@h/d" }\n`);
  const { code, stdout, stderr } = await idra(['validate'], { cwd: here.folder });
  expect(code).toBe(0);
  expect(stdout).toBe('✔ syncs.yaml is valid: 1 connection, 0 syncs');
  expect(stderr).toMatch(/connections\.db\.url[\s\S]*1 warning$/);
  expect(stdout + stderr).not.toContain('hunter2');
});

it('plan tells what a run would do and writes nothing, not even a state file', async () => {
  await using here = await shop(50);
  await here.define(`${connections}syncs:\n${ordersSync}    columns: { exclude: [note], rename: { total: sum } }\n`);
  const plan = await idra(['plan'], { cwd: here.folder });
  expect(plan).toMatchObject({ code: 0, stderr: '' });
  expect(plan.stdout).toMatch(/orders\n {2}reads +50 rows, from the beginning\n {2}writes +orders \(is created\)/);
  expect(plan.stdout).toMatch(/total +→ sum/);
  expect(plan.stdout).not.toMatch(/note/);
  expect(existsSync(join(here.folder, '.idra'))).toBe(false);
  expect(existsSync(here.copy) ? here.rows('SELECT name FROM sqlite_master', here.copy) : []).toEqual([]);
  await idra(['run'], { cwd: here.folder });
  here.exec(addOrders(51, 3));
  const [after] = jsonLines((await idra(['plan', '--json'], { cwd: here.folder })).stdout);
  expect(after).toMatchObject({ sync: 'orders', mode: 'timestamp', rows: 3, table: { create: false } });
});

it('plan fails where a run would', async () => {
  await using here = await shop(1);
  await here.define(`${connections}syncs:\n${ordersSync.replace('shop, table: orders', 'shop, table: gone')}`);
  const { code, stdout } = await idra(['plan', '--json'], { cwd: here.folder });
  expect(code).toBe(1);
  expect(jsonLines(stdout)).toMatchObject([{ sync: 'orders', error: { code: 'NOT_FOUND' } }]);
});

it('status shows last run, rows, lag, checkpoint and lock', async () => {
  await using here = await shop(50);
  const never = await idra(['status'], { cwd: here.folder });
  expect(never.stdout).toMatch(/○ orders {2}timestamp\n {4}last run {3}never\n {4}lag +50 rows behind/);
  expect(existsSync(join(here.folder, '.idra'))).toBe(false);
  await idra(['run'], { cwd: here.folder });
  here.exec(addOrders(51, 3));
  const { code, stdout } = await idra(['status'], { cwd: here.folder });
  expect(code).toBe(0);
  expect(stdout).toMatch(/✔ orders {2}timestamp\n {4}last run .*succeeded: 50 rows written of 50 read/);
  expect(stdout).toMatch(/lag +3 rows behind/);
  expect(stdout).toMatch(/checkpoint updated_at 2026-01-01 00:00:05\.000001, id 50; batch 1,/);
  expect(stdout).toMatch(/lock +free/);
  const [status] = jsonLines((await idra(['status', '--json'], { cwd: here.folder })).stdout);
  expect(status).toMatchObject({
    sync: 'orders',
    lag: { rows: 3 },
    lock: { holders: [], waiting: [] },
    lastRun: { report: { written: 50 } },
    checkpoint: { seq: '1' },
  });
});

it('check reaches every connection, and fails where one cannot be', async () => {
  await using here = await shop(1);
  // A file that is only written to may be missing, one that is read may not
  const { code: before, stdout: checked } = await idra(['check'], { cwd: here.folder });
  expect(checked).toMatch(/✔ shop {2}sqlite {2}SQLite \d[\s\S]*✔ copy[\s\S]*made by the first run/);
  expect(before).toBe(0);
  await here.define(`connections:\n  shop: { type: sqlite, path: shpo.db }\n  copy: { type: sqlite, path: copy.db }\nsyncs:\n${ordersSync}`);
  const typo = await idra(['check'], { cwd: here.folder });
  expect(typo).toMatchObject({ code: 1, stdout: expect.stringMatching(/✖ shop[\s\S]*NOT_FOUND[\s\S]*shpo\.db[\s\S]*✔ copy/) });
  await here.define(`connections:\n  shop: { type: sqlite, path: shop.db }\n  down: { type: postgres, url: "postgres://nobody@127.0.0.1:1/none" }\n`);
  const { code, stdout } = await idra(['check', '--json'], { cwd: here.folder });
  expect(code).toBe(1);
  expect(jsonLines(stdout)).toMatchObject([
    { connection: 'shop', status: 'ok', server: expect.stringContaining('SQLite'), guarantee: 'exactly-once effect' },
    { connection: 'down', status: 'failed', error: { code: 'CONNECTION_FAILED' } },
  ]);
});

it('what is long comes whole through a pipe, and no control character to a terminal', async () => {
  await using here = await shop(0);
  const syncs = Array.from({ length: 1500 }, (_, index) => `  - { name: "s${index}", source: { connection: none }, destination: { connection: none } }\n`);
  await here.define(`syncs:\n${syncs.join('')}  - "\u0007\u009b31m"\n`);
  const script = fileURLToPath(new URL('../../lib/cli/idra.js', import.meta.url));
  const { stdout } = await promisify(execFile)('sh', ['-c', '"$0" "$1" validate 2>&1 | cat', process.execPath, script], {
    cwd: here.folder,
    env: { ...process.env, NO_COLOR: '1' },
    maxBuffer: 16_777_216,
  });
  expect(stdout).toMatch(/\n3,0\d\d faults\n$/);
  expect(stdout.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
});

it('whose output nobody reads any more has not ended well', async () => {
  await using here = await shop(0);
  await here.define(`syncs:\n${Array.from({ length: 1500 }, (_, index) => `  - { name: "s${index}" }\n`).join('')}`);
  const script = fileURLToPath(new URL('../../lib/cli/idra.js', import.meta.url));
  const piped = '"$0" "$1" validate 2>&1 | head -c 1 > /dev/null; echo ${PIPESTATUS[0]}';
  const { stdout } = await promisify(execFile)('bash', ['-c', piped, process.execPath, script], { cwd: here.folder });
  expect(stdout.trim()).toBe('141');
});

it('discover lists tables, columns and keys, and suggests definitions that work', async () => {
  await using here = await shop(20);
  here.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, what TEXT); INSERT INTO events VALUES (1, NULL); CREATE TABLE loose (a TEXT)');
  const { stdout } = await idra(['discover', 'shop'], { cwd: here.folder });
  expect(stdout).toMatch(/orders.*\n {2}id +INTEGER +key/);
  expect(stdout).toContain('→ mode: timestamp, cursor: { column: updated_at, key: id }, write: upsert');
  expect(stdout).toContain('3 tables in shop');
  const found = jsonLines((await idra(['discover', 'shop', '--json'], { cwd: here.folder })).stdout);
  expect(found.map(({ name, suggestion }) => [name, (suggestion as { mode: string }).mode]).toSorted()).toEqual([
    ['events', 'id'],
    ['loose', 'full'],
    ['orders', 'timestamp'],
  ]);
  const syncs = found.map(({ name, suggestion }) => {
    const { because, ...fields } = suggestion as Record<string, unknown>;
    expect(because).toBeTypeOf('string');
    return { name, source: { connection: 'shop', table: name }, destination: { connection: 'copy', table: name }, ...fields };
  });
  await here.define(`${connections}syncs: ${JSON.stringify(syncs)}\n`);
  expect(await idra(['run'], { cwd: here.folder })).toMatchObject({ code: 0 });
});

it('schema prints what is published', async () => {
  const { code, stdout } = await idra(['schema']);
  expect(code).toBe(0);
  const published = await readFile(new URL('../../lib/config/syncs.schema.json', import.meta.url), 'utf8');
  expect(JSON.parse(stdout)).toEqual(JSON.parse(published));
});
