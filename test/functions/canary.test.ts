/** A canary in every connection that can fail, through the functions: it is to be seen in no log, metric, event, report or error, and in nothing that is kept in etcd. */
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { EtcdStore } from '../../lib/coordination/etcd/store.ts';
import type { KeyValue } from '../../lib/coordination/kv.ts';
import { canary, faulty, faultyDefinitions, reference } from '../cli/faulty-connections.ts';
import { describeWith } from '../support/servers.ts';
import { spawnIdra } from '../support/spawn-idra.ts';
import { type Tick, World } from './world.ts';

const env = { IDRA_SYNCS: 'etcd', CANARY: canary, AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: canary, AWS_SESSION_TOKEN: canary };
/** Syncs that the coordinator finds due. */
const ticked = new Set(['postgres-0-out', 'rest-0-in']);
/** As they may be written in a URL, in JSON, in a header of basic authentication. */
const forms = [canary, encodeURIComponent(canary), Buffer.from(canary).toString('base64'), Buffer.from(`user:${canary}`).toString('base64')];

await describeWith(['etcd'], 'secrets and functions', ({ etcd }) => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
    await world.sync('here', 5);
    return () => world[Symbol.asyncDispose]();
  });
  const secretless = (what: string, text: string): void => {
    for (const form of forms) expect(text, what).not.toContain(form);
  };
  /** Everything under the world's prefix. */
  const stored = async (): Promise<readonly KeyValue[]> => {
    await using store = await EtcdStore.open({ hosts: etcd.url.split(','), prefix: world.environment.IDRA_ETCD_PREFIX ?? '' });
    const { results } = await store.txn({ compare: [], success: [{ op: 'get', key: '', prefix: true }] });
    return results[0] ?? [];
  };

  it.for(Object.keys(faulty))('%s shows no secret when it fails, at either end', { timeout: 60_000 }, async (type) => {
    const { connections, syncs } = faultyDefinitions(type, reference, { table: 'here', connection: world.connections.from ?? {} });
    const text = JSON.stringify;
    await world.coordination.definitions.apply([
      ...Object.entries(connections).map(([name, fields]) => ({ kind: 'connections' as const, name, text: text(fields) })),
      ...syncs.map((sync) => ({ kind: 'syncs' as const, name: sync.name, text: text(ticked.has(sync.name) ? { ...sync, every: '1m' } : sync) })),
    ]);
    const names = syncs.map(({ name }) => name);
    await using child = spawnIdra(join(import.meta.dirname, 'invoke-all.ts'), {
      arguments: [world.bundle('sync'), JSON.stringify(names.map((sync) => ({ sync, slot: 60_000 }))), '8000'],
      env: { ...world.environment, ...env },
    });
    expect(await child.exited).toMatchObject({ code: 0 });
    secretless('output', [...child.stdout, ...child.stderr].join('\n'));
    const last = child.stdout.findLast((line) => line.startsWith('OUTCOMES '))?.slice('OUTCOMES '.length);
    // A failed invocation's error is what Lambda keeps in the dead-letter queue, beside the event
    const outcomes = JSON.parse(last ?? '[]') as { readonly code: string | undefined }[];
    expect(outcomes).toHaveLength(names.length);
    // What the driver says, and not our own refusal alone
    expect(outcomes.some(({ code }) => code !== 'CONFIG_INVALID' && code !== 'DEADLINE' && code !== 'INTERNAL')).toBe(true);
    for (const [index, { code }] of outcomes.entries()) expect(code, names[index]).toEqual(expect.any(String));
    for (const { key, value } of await stored()) secretless(key, `${key} ${value}`);
  });

  it('the coordinator shows none either, nor do the requests that it sends', async () => {
    const keys = (await stored()).map(({ key }) => key);
    for (const kind of ['syncs/', 'connections/', 'run/'])
      expect(
        keys.some((key) => key.startsWith(kind)),
        kind,
      ).toBe(true);
    world.remainingMs = 3_000;
    const tick = await world.invoke<Tick>('coordinator', {}, { env });
    secretless('tick', tick.text);
    expect(tick.result).toMatchObject({ role: 'leader', sent: ticked.size });
    await world.delivery();
    expect(world.delivered.length).toBeGreaterThanOrEqual(ticked.size);
    for (const outcome of world.delivered) secretless('delivered', outcome.text);
    for (const { key, value } of await stored()) secretless(key, `${key} ${value}`);
  }, 60_000);
});
