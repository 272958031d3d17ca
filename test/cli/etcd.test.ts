/** Definitions in etcd, and runs that meet there. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { waitUntil } from '../support/wait-until.ts';
import { idra, jsonLines, start } from './idra.ts';
import { connections, ordersSync, shop, slowOrders } from './shop.ts';

const all = 'SELECT * FROM orders ORDER BY id';

await describeWith(['etcd'], 'idra with etcd', () => {
  it('syncs apply, list and remove; run and status without a file', async () => {
    await using here = await shop(40);
    await using etcd = await freshDatabase('etcd');
    const hosts = etcd.url;
    const inEtcd = { cwd: here.folder, env: { IDRA_ETCD_HOSTS: hosts, IDRA_ETCD_PREFIX: etcd.name } };
    expect(await idra(['syncs', 'apply', 'syncs.yaml'], inEtcd)).toMatchObject({ code: 0, stdout: expect.stringContaining('2 connections and 1 sync') });
    expect((await idra(['syncs', 'apply'], inEtcd)).stdout).toContain('nothing was new');
    expect((await idra(['syncs', 'list'], inEtcd)).stdout).toMatch(/orders {2}shop → copy {2}timestamp {2}no schedule/);
    await rm(join(here.folder, 'syncs.yaml'));
    expect(jsonLines((await idra(['run', '--json'], inEtcd)).stdout)).toMatchObject([{ sync: 'orders', status: 'succeeded', written: 40 }]);
    expect(here.rows(all, here.copy)).toEqual(here.rows(all));
    expect((await idra(['status'], inEtcd)).stdout).toMatch(/✔ orders[\s\S]*none: caught up[\s\S]*by etcd /);
    expect((await idra(['syncs', 'remove', 'ordrs'], inEtcd)).stderr).toMatch(/no sync "ordrs".*orders/);
    expect(await idra(['syncs', 'remove', 'orders'], inEtcd)).toMatchObject({ code: 0 });
    expect((await idra(['syncs', 'list', '--json'], inEtcd)).stdout).toBe('');
  });

  it('of two runs one waits for nobody: it is skipped and says who holds the lock', async () => {
    await using here = await shop(8000);
    await here.define(slowOrders());
    await using etcd = await freshDatabase('etcd');
    const options = { cwd: here.folder, env: { IDRA_ETCD_PREFIX: etcd.name } };
    const flags = ['--json', '--etcd', etcd.url];
    await using first = start(['run', ...flags], options);
    const held = async () => (await idra(['status', ...flags], options)).stdout.includes(`process ${first.pid}`);
    await waitUntil(held, { timeoutMs: 30_000, what: 'the first holds the lock' });
    const second = await idra(['run', ...flags], options);
    expect(second.code).toBe(0);
    expect(jsonLines(second.stdout)).toMatchObject([{ status: 'skipped', reason: expect.stringContaining(`process ${first.pid}`) }]);
    expect(await first.exited).toMatchObject({ code: 0 });
    expect(here.rows(all, here.copy)).toEqual(here.rows(all));
  });

  it('an etcd that is not there is a failure that names the host, soon', async () => {
    await using here = await shop(1);
    await here.define(`${connections}syncs:\n${ordersSync}`);
    const startedAt = performance.now();
    const { code, stdout, stderr } = await idra(['run', '--etcd', '127.0.0.1:1'], { cwd: here.folder });
    expect(code).toBe(1);
    expect(stdout + stderr).toMatch(/STORE_UNAVAILABLE[\s\S]*127\.0\.0\.1:1/);
    expect(performance.now() - startedAt).toBeLessThan(45_000);
  });
});
