import { hostname } from 'node:os';
import { expect, it } from 'vitest';
import { waitUntil } from '../support/wait-until.ts';
import { idra, jsonLines, start } from './idra.ts';
import { type Shop, shop, slowOrders } from './shop.ts';

const all = 'SELECT * FROM orders ORDER BY id';

function copied(here: Shop): number {
  return here.rows("SELECT name FROM sqlite_master WHERE name = 'orders'", here.copy).length === 0
    ? 0
    : Number(here.rows('SELECT count(*) FROM orders', here.copy)[0]?.[0]);
}

function underWay(here: Shop): Promise<unknown> {
  return waitUntil(() => copied(here) > 100, { timeoutMs: 30_000, what: 'the run is under way' });
}

it('of two processes on one state file one runs, and the other says who holds the lock', { timeout: 60_000 }, async () => {
  await using here = await shop(8000);
  await here.define(slowOrders());
  await using first = start(['run', '--json'], { cwd: here.folder });
  await underWay(here);
  const second = await idra(['run', '--json'], { cwd: here.folder });
  const status = await idra(['status'], { cwd: here.folder });
  const checkpoint = await idra(['checkpoint', 'reset', 'orders', '--yes'], { cwd: here.folder });
  expect(second.code).toBe(0);
  const holder = new RegExp(`held by run [0-9a-f-]+ on ${hostname()} \\(process ${first.pid}\\)`);
  expect(jsonLines(second.stdout)).toMatchObject([{ sync: 'orders', status: 'skipped', read: 0, reason: expect.stringMatching(holder) }]);
  expect(second.stderr).toMatch(/– orders {2}skipped: /);
  expect(status.stdout).toMatch(new RegExp(`lock +held by run .* \\(process ${first.pid}\\)`, 's'));
  expect(checkpoint).toMatchObject({ code: 1 });
  expect(checkpoint.stderr).toContain('LOCK_HELD');
  expect(await first.exited).toEqual({ code: 0, signal: null });
  expect(jsonLines(first.stdout.join('\n'))).toMatchObject([{ status: 'succeeded', written: 8000 }]);
  expect(here.rows(all, here.copy)).toEqual(here.rows(all));
});

it('SIGINT ends a run at a clean boundary with the lock released, and the next run completes the exact set', { timeout: 60_000 }, async () => {
  await using here = await shop(8000);
  await here.define(slowOrders());
  await using run = start(['run', '--json'], { cwd: here.folder });
  await underWay(here);
  expect(await run.stop('SIGINT')).toEqual({ code: 130, signal: null });
  expect(run.stderr.join('\n')).toContain('Stopping after the open batch');
  const [report] = jsonLines(run.stdout.join('\n'));
  expect(report).toMatchObject({ status: 'succeeded', caughtUp: false, written: copied(here) });
  expect(copied(here)).toBeLessThan(8000);
  const status = await idra(['status', '--json'], { cwd: here.folder });
  expect(jsonLines(status.stdout)).toMatchObject([{ lock: { holders: [] }, lag: { rows: 8000 - copied(here) } }]);
  await here.define(slowOrders(2000));
  expect(await idra(['run'], { cwd: here.folder })).toMatchObject({ code: 0 });
  expect(here.rows(all, here.copy)).toEqual(here.rows(all));
});

it('a second signal ends it at once, and once its lease is over the next run completes the exact set', { timeout: 60_000 }, async () => {
  await using here = await shop(8000);
  await here.define(slowOrders(8000));
  // A writer in the destination keeps the only batch from its commit.
  const { default: Sqlite } = await import('better-sqlite3');
  await idra(['run', '--sync', 'orders'], { cwd: here.folder });
  here.exec(`UPDATE orders SET note = 'changed', updated_at = '2030-01-01 00:00:00.000000'`);
  const blocker = new Sqlite(here.copy);
  blocker.exec('BEGIN IMMEDIATE');
  try {
    await using run = start(['run', '--json'], { cwd: here.folder });
    await waitUntil(async () => (await idra(['status', '--json'], { cwd: here.folder })).stdout.includes(`process ${run.pid}`), { timeoutMs: 30_000 });
    process.kill(run.pid, 'SIGTERM');
    await waitUntil(() => run.stderr.join('\n').includes('Stopping'), { timeoutMs: 10_000 });
    await new Promise((resolve) => setTimeout(resolve, 400));
    const asked = performance.now();
    expect(await run.stop('SIGTERM')).toEqual({ code: 143, signal: null });
    expect(performance.now() - asked).toBeLessThan(2000);
  } finally {
    blocker.close();
  }
  await waitUntil(async () => (await idra(['run', '--json'], { cwd: here.folder })).stdout.includes('succeeded'), { timeoutMs: 30_000 });
  expect(here.rows(all, here.copy)).toEqual(here.rows(all));
});
