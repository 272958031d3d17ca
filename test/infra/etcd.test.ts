/** What infra/node and infra/certificates promise: encrypted everywhere, users by certificate, snapshots that bring a cluster back, and Idra's word on it. */
import { existsSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { idra, jsonLines } from '../cli/idra.ts';
import { addOrders, type Shop, shop } from '../cli/shop.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { execute, hosts, infra, missingPrograms, Nodes, succeed } from './etcd-nodes.ts';

const missing = await missingPrograms();

describe.skipIf(missing !== undefined)(`etcd as infra/node sets it up${missing === undefined ? '' : `: ${missing}`}`, { timeout: 120_000 }, () => {
  let nodes: Nodes;
  let here: Shop;
  let snapshot: string;
  beforeAll(async () => {
    const folder = await temporaryFolder();
    const tls = join(folder.path, 'tls');
    await succeed(join(infra, 'certificates'), [tls, ...hosts], { USERS: 'root idra other' });
    nodes = await Nodes.make(tls);
    here = await shop(50);
    snapshot = join(folder.path, 'snapshot.db');
    await nodes.startAll();
    return async () => {
      await nodes[Symbol.asyncDispose]();
      await here[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    };
  }, 120_000);

  const command = (args: readonly string[], user = 'idra') => {
    const env = { IDRA_ETCD_CA: `${nodes.tls}/ca.pem`, IDRA_ETCD_CERT: `${nodes.tls}/${user}-cert.pem`, IDRA_ETCD_KEY: `${nodes.tls}/${user}-key.pem` };
    return idra([...args, '--etcd', nodes.urls], { cwd: here.folder, env });
  };
  const run = async () => jsonLines((await command(['run', '--json'])).stdout)[0];

  it('makes keys that nobody else may read, and makes nothing anew', async () => {
    for (const name of await readdir(nodes.tls)) expect((await stat(join(nodes.tls, name))).mode & 0o077, name).toBe(0);
    const before = await stat(join(nodes.tls, 'ca.pem'));
    await succeed(join(infra, 'certificates'), [nodes.tls, ...hosts]);
    expect((await stat(join(nodes.tls, 'ca.pem'))).mtimeMs).toBe(before.mtimeMs);
    const purpose = await succeed('openssl', ['x509', '-in', join(nodes.tls, 'idra-cert.pem'), '-noout', '-ext', 'extendedKeyUsage', '-subject']);
    expect(purpose).toMatch(/TLS Web Client Authentication/);
    expect(purpose).not.toMatch(/Server/);
  });

  it('gives each user the keys of its prefix and no others, and nobody without a certificate any', async () => {
    for (const _ of [1, 2]) expect(await nodes.script(0, 'users', 'idra=idra/', 'other=other/')).toMatchObject({ code: 0 });
    expect(await nodes.etcdctl('idra', 'put', 'idra/x', '1')).toMatchObject({ code: 0 });
    expect(await nodes.etcdctl('other', 'put', 'other/x', '1')).toMatchObject({ code: 0 });
    for (const refused of [
      ['put', 'other/x', '1'],
      ['get', 'other/x'],
      ['get', '', '--prefix'],
      ['user', 'list'],
      ['snapshot', 'save', `${snapshot}.refused`],
    ]) {
      const { code, stderr } = await nodes.etcdctl('idra', ...refused);
      expect(code, refused.join(' ')).not.toBe(0);
      expect(stderr).toMatch(/permission denied|PermissionDenied/i);
    }
    expect(await nodes.etcdctl('', 'get', 'idra/x', '--command-timeout=2s')).not.toMatchObject({ code: 0 });
    const plain = await fetch(`http://127.0.0.1:${nodes.port}/health`).then(
      ({ status }) => status,
      () => 'refused',
    );
    expect(plain).not.toBe(200);
    expect((await nodes.script(0, 'users', 'idra=')).code).toBe(2);
  });

  it('lets Idra work by certificate alone, and says which prefix another user would need', async () => {
    expect(await run()).toMatchObject({ status: 'succeeded', written: 50 });
    const { stdout, stderr } = await command(['status'], 'other');
    expect(stdout + stderr).toContain('PERMISSION_DENIED');
  });

  it('tells its health, the size of its data, and how long the first of its certificates lasts', async () => {
    expect((await nodes.script(1, 'health', '--print')).stdout).toMatch(/^healthy=1 databaseBytes=[1-9]\d+ certificateDays=82[45]\n$/);
    await using folder = await temporaryFolder();
    await succeed(join(infra, 'certificates'), [folder.path, ...hosts], { DAYS: '900', USERS: 'root' });
    const ending = { ...nodes.environment(1), TLS: folder.path };
    for (const [name, days] of [
      ['root', 9],
      ['node2', 5],
    ] as const) {
      await rm(join(folder.path, `${name}-cert.pem`));
      await succeed(join(infra, 'certificates'), [folder.path, ...hosts], { DAYS: `${days}`, USERS: 'root' });
      expect((await execute(join(infra, 'node/health'), ['--print'], ending)).stdout).toMatch(new RegExp(` certificateDays=(${days - 1}|${days})\n$`));
    }
  });

  it('takes a node back whose volume was lost', async () => {
    await nodes.stop(1);
    expect((await nodes.script(1, 'health', '--print')).stdout).toMatch(/^healthy=0 databaseBytes=0 certificateDays=82[45]\n$/);
    await rm(nodes.environment(1).DATA ?? '', { recursive: true });
    await nodes.start(1);
    await nodes.healthy(1);
    const { stdout } = await nodes.etcdctl('root', 'member', 'list');
    expect(stdout.trim().split('\n')).toHaveLength(3);
    expect(await run()).toMatchObject({ status: 'succeeded' });
  });

  it('restores a snapshot: a sync refuses until the epoch is raised, and then goes on without loss or doubles', async () => {
    expect(await nodes.script(2, 'snapshot', snapshot)).toMatchObject({ code: 0, stdout: expect.stringMatching(/\d/) });
    for (const first of [51, 61, 71]) {
      here.exec(addOrders(first, 10));
      expect(await run()).toMatchObject({ status: 'succeeded', written: 10 });
    }
    expect(await nodes.script(0, 'restore', snapshot)).toMatchObject({ code: 1, stderr: expect.stringContaining('stop it') });

    for (const index of hosts.keys()) await nodes.stop(index);
    for (const index of hosts.keys()) expect(await nodes.script(index, 'restore', snapshot)).toMatchObject({ code: 0 });
    await nodes.startAll();

    here.exec(addOrders(81, 10));
    expect(await run()).toMatchObject({ status: 'failed', written: 0, error: { code: 'STORE_REWOUND', message: expect.stringContaining('new epoch') } });
    expect(await command(['epoch', 'raise'])).toMatchObject({ code: 0 });
    expect(await run()).toMatchObject({ status: 'succeeded', written: 10, error: null });
    const all = 'SELECT * FROM orders ORDER BY id';
    expect(here.rows(all, here.copy)).toEqual(here.rows(all));
    // The data of before is kept.
    const kept = await readdir(join(nodes.environment(0).DATA ?? '', '..'));
    expect(kept.some((name) => name.startsWith('data.before-'))).toBe(true);
    expect(existsSync(`${snapshot}.refused`)).toBe(false);
    expect((await execute(join(infra, 'node/restore'), [`${snapshot}.nowhere`], nodes.environment(0))).code).toBe(2);
  });
});
