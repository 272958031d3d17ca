/** TLS and users, against servers that want them. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Etcd3, Range } from 'etcd3';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Coordination, openCoordination } from '../../lib/coordination/coordination.ts';
import type { EtcdOptions, EtcdTls } from '../../lib/coordination/etcd/options.ts';
import { errorOf, hold, release } from '../conformance/coordination-support.ts';
import { certificates } from '../support/certificates.ts';
import { freePort } from '../support/servers/ports.ts';
import { dataFolder, ServerProcess } from '../support/servers/process.ts';
import { findProgram } from '../support/servers/programs.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const password = 'canary-5ecret';

async function startSecure(folder: string, ...further: string[]): Promise<{ host: string; process: ServerProcess }> {
  const [client, peer] = [await freePort(), await freePort()];
  const data = await dataFolder('etcd-secure');
  const host = `https://127.0.0.1:${client}`;
  const urls = [`--listen-client-urls=${host}`, `--advertise-client-urls=${host}`, `--listen-peer-urls=http://127.0.0.1:${peer}`];
  const own = ['--name=secure', `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`, `--initial-cluster=secure=http://127.0.0.1:${peer}`];
  const tls = [`--cert-file=${join(folder, 'server.pem')}`, `--key-file=${join(folder, 'server.key')}`];
  const command = findProgram('etcd') ?? 'etcd';
  const server = {
    name: 'etcd',
    command,
    arguments: [...own, ...urls, ...tls, `--data-dir=${join(data, 'data')}`, '--logger=zap', '--log-level=error', ...further],
  };
  return { host, process: await ServerProcess.start(server, data) };
}

await describeWith(['etcd'], 'etcd with TLS and users', () => {
  let open: { host: string; process: ServerProcess };
  let closed: { host: string; process: ServerProcess };
  let pem: { ca: string; cert: string; key: string };
  let admin: Etcd3;
  beforeAll(async () => {
    const folder = await temporaryFolder();
    const { ca, of } = await certificates(folder.path, ['server', 'client']);
    pem = { ca, ...of.client };
    open = await startSecure(folder.path, '--auth-token-ttl=2');
    closed = await startSecure(folder.path, '--client-cert-auth', `--trusted-ca-file=${join(folder.path, 'ca.pem')}`);
    admin = new Etcd3({ hosts: open.host, credentials: { rootCertificate: Buffer.from(pem.ca) } });
    await open.process.ready(() => admin.put('ready').value('1').exec());
    await closed.process.ready(() => use({ hosts: [closed.host], tls: pem }, (coordination) => coordination.epoch.get()));
    return async () => {
      admin.close();
      await Promise.all([open.process, closed.process].map((process) => process[Symbol.asyncDispose]()));
      await folder[Symbol.asyncDispose]();
    };
  });

  const use = async <T>(options: EtcdOptions, work: (coordination: Coordination) => Promise<T>): Promise<T> => {
    await using coordination = await openCoordination({ etcd: { timeoutMs: 2_000, ...options } });
    return await work(coordination);
  };
  const cycle = async (coordination: Coordination): Promise<void> => {
    const lock = await hold(coordination.locks, 'orders');
    await lock.renew();
    await release(lock);
  };
  const ca = (): EtcdTls => ({ ca: pem.ca });

  it('works over TLS, with the authority given', () => use({ hosts: [open.host], tls: ca() }, cycle));

  it('works with a client certificate, where the server asks for one', async () => {
    await use({ hosts: [closed.host], tls: pem }, cycle);
    const error = await errorOf(use({ hosts: [closed.host], tls: ca() }, cycle));
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringContaining(new URL(closed.host).host) });
  });

  it('does not trust a server whose authority it does not know', async () => {
    const error = await errorOf(use({ hosts: [open.host] }, cycle));
    expect(error.code).toBe('STORE_UNAVAILABLE');
    expect(error.message).toMatch(/certificate/);
  });

  it('does not speak http to it either', async () => {
    const error = await errorOf(use({ hosts: [open.host.replace('https', 'http')] }, cycle));
    expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  it('says that users are switched off where one is given', async () => {
    const error = await errorOf(use({ hosts: [open.host], tls: ca(), auth: { user: 'idra', password } }, cycle));
    expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(error.message).toContain('switched off');
    expect(error.message).not.toContain(password);
  });

  describe('with users switched on', () => {
    const auth = { user: 'idra', password };
    beforeAll(async () => {
      const { auth: users } = admin;
      await admin.user('root').create('root-password');
      await admin.role('root').create();
      await admin.user('root').addRole('root');
      const role = await admin.role('idra').create();
      await role.grant({ permission: 'Readwrite', range: Range.prefix('idra/') });
      const user = await admin.user('idra').create(password);
      await user.addRole('idra');
      await users.authEnable();
    });

    it('works as a user', () => use({ hosts: [open.host], tls: ca(), auth }, cycle));

    it('logs in again when the token is forgotten', { timeout: 20_000 }, async () => {
      await use({ hosts: [open.host], tls: ca(), auth }, async (coordination) => {
        await coordination.epoch.get();
        // Longer than a token lives without use, and than the server takes to notice.
        await delay(5_000);
        await cycle(coordination);
      });
    });

    it('goes on when roles are changed meanwhile', async () => {
      const other = new Etcd3({
        hosts: open.host,
        credentials: { rootCertificate: Buffer.from(pem.ca) },
        auth: { username: 'root', password: 'root-password' },
      });
      await use({ hosts: [open.host], tls: ca(), auth }, async (coordination) => {
        await coordination.epoch.get();
        await other.role('more').create();
        await cycle(coordination);
      });
      other.close();
    });

    it('keeps to the keys that the user may use, and says which those would have to be', async () => {
      const error = await errorOf(use({ hosts: [open.host], tls: ca(), auth, prefix: 'foreign/' }, cycle));
      expect(error).toMatchObject({ code: 'PERMISSION_DENIED', retry: 'never' });
      expect(error.message).toContain('foreign/');
      expect(error.message).toContain('idra');
    });

    it('is refused with a wrong password, which no message shows', async () => {
      for (const wrong of [
        { user: 'idra', password: `${password}-wrong` },
        { user: 'nobody', password },
      ]) {
        const error = await errorOf(use({ hosts: [open.host], tls: ca(), auth: wrong }, cycle));
        expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED', retry: 'never' });
        expect(inspect(error, { depth: 5 })).not.toContain(password);
      }
    });

    it('is refused without a user', async () => {
      const error = await errorOf(use({ hosts: [open.host], tls: ca() }, cycle));
      expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED', message: expect.stringContaining('without a user') });
    });
  });
});
