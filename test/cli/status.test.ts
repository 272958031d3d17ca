/** What `idra status` tells of a cluster, and that an etcd which is away is a failure of its own kind. */
import { expect, it } from 'vitest';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { idra, jsonLines } from './idra.ts';
import { shop } from './shop.ts';

await describeWith(['etcd'], 'idra status over etcd', () => {
  it('shows slot, report, checkpoint, lag, who holds and who waits, and who leads', async () => {
    await using here = await shop(40);
    await using etcd = await freshDatabase('etcd');
    await using coordination = await openCoordination({ etcd: { hosts: etcd.url.split(','), prefix: etcd.name } });
    const options = { cwd: here.folder, env: { IDRA_ETCD_PREFIX: etcd.name } };
    const flags = ['--etcd', etcd.url];
    expect(await idra(['run', ...flags], options)).toMatchObject({ code: 0 });
    here.exec("INSERT INTO orders VALUES (100, NULL, '1.00', '2030-01-01 00:00:00.000000'), (101, NULL, '1.00', '2030-01-01 00:00:00.000000')");

    const led = await coordination.leader.campaign({ runId: 'the-leader', ttlSeconds: 60 });
    if (!led.held) throw new Error('nobody else leads');
    await using leader = led.lock;
    const slot = Date.parse('2026-01-01T10:05:00Z');
    await coordination.schedule.plan(leader, [{ sync: 'orders', slot, body: '{}', expected: 0n }]);
    const request = { resource: 'orders', mode: 'exclusive', ttlSeconds: 60 } as const;
    const held = await coordination.locks.acquire({ ...request, runId: 'the-holder', waitMs: 0 });
    if (!held.held) throw new Error('the lock is free');
    const stop = new AbortController();
    const waiting = coordination.locks.acquire({ ...request, runId: 'the-waiter', waitMs: 60_000 }, stop.signal).catch(() => undefined);
    while ((await coordination.locks.queue('orders')).length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    try {
      const text = await idra(['status', ...flags], options);
      expect(text.code).toBe(0);
      const flat = text.stdout.replaceAll(/\s+/g, ' ');
      expect(flat).toMatch(/last run (just now|.* ago), succeeded: 40 rows written of 40 read/);
      expect(flat).toContain('last slot 2026-01-01T10:05:00.000Z');
      expect(flat).toMatch(/lag 2 rows behind/);
      expect(flat).toMatch(/checkpoint .*batch \d+/);
      expect(flat).toMatch(/lock held by run the-holder on .* \(process \d+\)/);
      expect(flat).toMatch(/waiting run the-waiter on/);
      expect(flat).toMatch(/leader: run the-leader on/);
      const [found] = jsonLines((await idra(['status', '--json', ...flags], options)).stdout);
      expect(found).toMatchObject({
        sync: 'orders',
        lastSlot: '2026-01-01T10:05:00.000Z',
        lastRun: { report: { status: 'succeeded', written: 40 } },
        checkpoint: { seq: expect.anything(), batchId: expect.stringMatching(/^[0-9a-f-]{36}@/) },
        lag: { rows: 2 },
        lock: { holders: [expect.stringContaining('the-holder')], waiting: [expect.stringContaining('the-waiter')] },
      });
    } finally {
      stop.abort();
      await waiting;
      await held.lock[Symbol.asyncDispose]();
    }
    // A connection with a limit, and a definition that is not sound
    const limited = { type: 'sqlite', path: here.copy, maxConcurrent: 2 };
    const text = JSON.stringify;
    const sync = { name: 'stored', source: { connection: 'copy', table: 'orders' }, destination: { connection: 'copy', table: 'orders2' }, mode: 'full' };
    await coordination.definitions.apply([
      { kind: 'connections', name: 'copy', text: text(limited) },
      { kind: 'syncs', name: 'stored', text: text(sync) },
      { kind: 'syncs', name: 'bad', text: text({ ...sync, name: 'bad', mode: 'sideways' }) },
    ]);
    await using elsewhere = await temporaryFolder();
    const place = { resource: 'connection.copy', mode: 'limited', limit: 2, ttlSeconds: 60 } as const;
    const other = await coordination.locks.acquire({ ...place, runId: 'other', waitMs: 0 });
    const own = await coordination.locks.acquire({ ...request, resource: 'stored', runId: 'own', waitMs: 0 });
    if (!other.held || !own.held) throw new Error('they are free');
    const turn = new AbortController();
    const queued = coordination.locks.acquire({ ...place, places: 2, runId: 'own', waitMs: 60_000 }, turn.signal).catch(() => undefined);
    while ((await coordination.locks.queue('connection.copy')).length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    try {
      const { stdout, code } = await idra(['status', ...flags], { ...options, cwd: elsewhere.path });
      expect(code).toBe(0);
      const flat = stdout.replaceAll(/\s+/g, ' ');
      expect(flat).toMatch(/● stored full .* lock held by run own .* connection copy: 1 of 2 taken, 1 run waiting; this sync waits/);
      expect(flat).toMatch(/✖ bad .*mode.* 2 syncs of etcd/);
    } finally {
      turn.abort();
      await queued;
      for (const { lock } of [other, own]) await lock[Symbol.asyncDispose]();
    }
    const away = await idra(['status', '--etcd', '127.0.0.1:1'], options);
    expect(away).toMatchObject({ code: 1, stdout: '' });
    expect(away.stderr).toMatch(/STORE_UNAVAILABLE[\s\S]*127\.0\.0\.1:1/);
  });
});
