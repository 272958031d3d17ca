import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { waitUntil } from '../support/wait-until.ts';
import { idra, jsonLines, start } from './idra.ts';
import { addOrders, connections, ordersSync, shop } from './shop.ts';

const scheduled = `${ordersSync}    every: 1s\n`;

it('goes on by the schedule, survives failures, reads a changed file and keeps the old one where the new has faults', { timeout: 90_000 }, async () => {
  await using here = await shop(10);
  const failing = scheduled
    .replace('name: orders', 'name: later')
    .replace('shop, table: orders', 'shop, table: later')
    .replace('copy, table: orders', 'copy, table: later');
  await here.define(`${connections}syncs:\n${scheduled}${failing}`);
  await using watch = start(['run', '--watch', '--json'], { cwd: here.folder });
  const reports = () => jsonLines(watch.stdout.join('\n'));
  const seen = (what: string, test: (report: Record<string, unknown>) => boolean) => waitUntil(() => reports().some(test), { timeoutMs: 20_000, what });
  await seen('the first run', ({ sync, written }) => sync === 'orders' && written === 10);
  await seen('the failure', ({ sync, status }) => sync === 'later' && status === 'failed');
  here.exec(addOrders(11, 7));
  await seen('the added rows', ({ sync, written }) => sync === 'orders' && written === 7);
  here.exec("CREATE TABLE later (id INTEGER PRIMARY KEY, updated_at TIMESTAMP TEXT(6) NOT NULL); INSERT INTO later VALUES (1, '2026-01-01 00:00:00.000000')");
  await seen('the sync that failed before', ({ sync, written }) => sync === 'later' && written === 1);

  await appendFile(join(here.folder, 'syncs.yaml'), '    nonsense: 1\n');
  await waitUntil(() => /going on as before.*nonsense/s.test(watch.stderr.join('\n')), { timeoutMs: 20_000 });
  here.exec(addOrders(18, 3));
  await seen('rows under the old definitions', ({ sync, written }) => sync === 'orders' && written === 3);
  await here.define(`${connections}syncs:\n${scheduled.replace('name: orders', 'name: renamed').replace('copy, table: orders', 'copy, table: renamed')}`);
  await seen('the new sync', ({ sync, written }) => sync === 'renamed' && written === 20);
  expect(watch.stderr.join('\n')).toContain('syncs.yaml changed: going on with what it says now');

  expect(await watch.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});

it('refuses a sync without a schedule, by name', async () => {
  await using here = await shop(1);
  const { code, stderr } = await idra(['run', '--watch'], { cwd: here.folder });
  expect(code).toBe(2);
  expect(stderr).toMatch(/`every` or `cron`.*orders/);
});
