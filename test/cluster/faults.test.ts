/** Over a real etcd: frozen at each step, the store wiped. The same children as in test/faults; only the store is another. Random kills: test/functions/kill.test.ts. */
import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Orders } from '../faults/orders.ts';
import { reportOf } from '../faults/runs.ts';
import { World } from '../faults/world.ts';
import { startEtcd } from '../support/servers/etcd.ts';
import { describeWith } from '../support/servers.ts';

/** Long enough for whoever is not frozen to renew it on a busy machine. */
const lease = { lock: { ttl: '3s', wait: '30s' } };

await describeWith(['postgres', 'etcd'], 'syncs over etcd', () => {
  let server: Awaited<ReturnType<typeof startEtcd>>;
  let client: Etcd3;
  let count = 0;
  beforeAll(async () => {
    server = await startEtcd();
    client = new Etcd3({ hosts: `http://${server.url}` });
  });
  afterAll(async () => {
    client.close();
    await server[Symbol.asyncDispose]();
  });
  const store = (): Orders['store'] => ({ hosts: server.url, prefix: `world${++count}/` });

  it.each(['claim:before', 'write:after', 'commit:before', 'checkpoint:before'] as const)(
    'frozen at %s, overtaken and thawed: the write is refused',
    { timeout: 60_000 },
    async (point) => {
      await using world = await World.make('postgres', lease, { store: store() });
      world.grow(1_700);
      await using frozen = world.start({ point, nth: point === 'claim:before' ? 1 : 2, action: 'SIGSTOP' });
      await frozen.line(/^at /);
      expect(await world.run()).toMatchObject({ status: 'succeeded', caughtUp: true });
      const { fence } = await world.state();
      frozen.resume();
      await frozen.exited;
      const { status, error } = reportOf(frozen);
      expect(status).toBe('failed');
      expect(['FENCED', 'LOCK_LOST']).toContain(error?.code);
      expect((await world.state()).fence).toBe(fence);
      expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
    },
  );

  it('bites: frozen before COMMIT with fencing switched off, the thawed process doubles rows', { timeout: 60_000 }, async () => {
    await using world = await World.make('postgres', lease, { store: store() });
    world.grow(1_700);
    await using frozen = world.start({ point: 'commit:before', nth: 2, action: 'SIGSTOP', fencing: false });
    await frozen.line(/^at /);
    expect(await world.run({ fencing: false })).toMatchObject({ status: 'succeeded' });
    frozen.resume();
    await frozen.exited;
    expect((await world.difference()).doubledOrForeign.length).toBeGreaterThan(0);
  });

  it('stops beside a full destination when etcd was wiped, names the three choices, and follows each', { timeout: 90_000 }, async () => {
    for (const existing of ['adopt', 'max', 'replace'] as const) {
      const wiped = store();
      await using world = await World.make('postgres', lease, { store: wiped });
      world.grow(1_200);
      expect(await world.run()).toMatchObject({ status: 'succeeded', written: 1_200 });
      if ('prefix' in wiped) await client.delete().prefix(wiped.prefix);
      world.grow(300);
      const refused = await world.run();
      expect(refused).toMatchObject({ status: 'failed', read: 0, error: { code: 'CHECKPOINT_MISSING' } });
      for (const choice of ['adopt', 'max', 'replace']) expect(refused.error?.message).toContain(`--existing ${choice}`);
      expect(await world.run({ existing })).toMatchObject({ status: 'succeeded', written: existing === 'replace' ? 1_500 : 300 });
      expect(await world.run()).toMatchObject({ status: 'succeeded', written: 0 });
      expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
    }
  });

  it('asks for a new epoch when etcd was restored from before the destination’s fence', { timeout: 60_000 }, async () => {
    await using world = await World.make('postgres', lease, { store: store() });
    world.grow(600);
    expect(await world.run()).toMatchObject({ status: 'succeeded' });
    await world.query("UPDATE _idra_state SET fence = 900000000000 WHERE sync = 'orders'");
    world.grow(100);
    expect(await world.run()).toMatchObject({ status: 'failed', error: { code: 'STORE_REWOUND' } });
    expect(await world.run({ existing: 'adopt' })).toMatchObject({ status: 'succeeded', written: 100 });
    expect((await world.state()).epoch).toBe(1n);
    expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
  });

  it('runs one at a time however many start at once', { timeout: 60_000 }, async () => {
    await using world = await World.make('postgres', { lock: { ttl: '2s', wait: '0s' } }, { store: store() });
    world.grow(5_000);
    const children = Array.from({ length: 4 }, () => world.start());
    try {
      await Promise.all(children.map((child) => child.exited));
      const reports = children.map((child) => reportOf(child));
      expect(reports.every((report) => report.status === 'succeeded' || (report.status === 'skipped' && report.reason?.includes('held by')))).toBe(true);
      expect(reports.reduce((sum, report) => sum + report.written, 0)).toBe(5_000);
      expect(await world.difference()).toEqual({ missing: [], doubledOrForeign: [] });
    } finally {
      for (const child of children) await child[Symbol.asyncDispose]();
    }
  });
});
