/** Three nodes, of which one goes away: nothing is lost, and nobody but the log notices. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeAll, expect, it } from 'vitest';
import type { Coordination } from '../../lib/coordination/coordination.ts';
import { checkpoint, hold, release, unique } from '../conformance/coordination-support.ts';
import { type EtcdServer, startEtcd } from '../support/servers/etcd.ts';
import type { ServerProcess } from '../support/servers/process.ts';
import { describeWith } from '../support/servers.ts';
import { waitUntil } from '../support/wait-until.ts';
import { connect, leases } from './etcd-support.ts';

await describeWith(['etcd'], 'etcd cluster', () => {
  let cluster: EtcdServer;
  beforeAll(async () => {
    cluster = await startEtcd({ nodes: 3 });
    return () => cluster[Symbol.asyncDispose]();
  });
  afterEach(async () => {
    for (const node of cluster.processes) {
      if (node.running) node.resume();
      else await node.start();
    }
    const coordination = await connect(cluster.url, 2_000);
    await waitUntil(() => coordination.epoch.get().then(() => true), { timeoutMs: 20_000 });
    await coordination[Symbol.asyncDispose]();
  });

  /** Checkpoints one after the other, and in the midst of them something befalls a node. */
  const run = async (coordination: Coordination, fault: (node: ServerProcess) => void | Promise<void>, which: number): Promise<void> => {
    const sync = unique('cluster');
    const lock = await hold(coordination.locks, sync);
    let expected = 0n;
    for (let seq = 1n; seq <= 60n; seq++) {
      const node = cluster.processes[which];
      if (seq === 20n && node !== undefined) await fault(node);
      const mine = checkpoint(lock.fence, { seq });
      expected = await coordination.checkpoints.save(sync, '0', { checkpoint: mine, expected, lock });
      await delay(5);
    }
    expect(await coordination.checkpoints.load(sync, '0')).toMatchObject({ seq: 60n, revision: expected });
    await lock.renew();
    expect(lock.lost.aborted).toBe(false);
    await release(lock);
  };

  it.for([0, 1, 2])('goes on when node %i is killed, the leader among them', { timeout: 60_000 }, async (which) => {
    await using coordination = await connect(cluster.url, 4_000);
    await run(coordination, (node) => node.kill(), which);
  });

  it.for([0, 1, 2])('goes on when node %i stands still, the leader among them', { timeout: 60_000 }, async (which) => {
    await using coordination = await connect(cluster.url, 4_000);
    await run(coordination, (node) => node.pause(), which);
  });

  it('connects past a node that is away from the start', { timeout: 30_000 }, async () => {
    await cluster.processes[0]?.kill();
    cluster.processes[1]?.resume();
    const begin = performance.now();
    for (let n = 0; n < 5; n++) {
      await using coordination = await connect(cluster.url, 4_000);
      await coordination.epoch.get();
    }
    expect(performance.now() - begin).toBeLessThan(8_000);
  });

  it('fails where two of three are away, names a host, and works again with them', { timeout: 60_000 }, async () => {
    await using coordination = await connect(cluster.url, 1_000);
    await coordination.epoch.get();
    await cluster.processes[0]?.kill();
    await cluster.processes[1]?.kill();
    await expect(coordination.epoch.get()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining('etcd 127.0.0.1:') });
    await cluster.processes[0]?.start();
    await waitUntil(() => coordination.epoch.get().then(() => true), { timeoutMs: 20_000 });
    await release(await hold(coordination.locks, unique('again')));
    // Those of the tests before have run out by then at the latest.
    await waitUntil(async () => (await leases(cluster.url.split(',')[2] ?? '')).length === 0, { timeoutMs: 40_000 });
  });
});
