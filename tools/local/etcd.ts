/** An etcd of one's own for `npm run offline`, where none is named. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface LocalEtcd extends AsyncDisposable {
  /** `host:port` for clients. */
  readonly host: string;
}

const usualPort = 2379;
const startTimeoutMs = 15_000;

/** Whether the port is free; null: any free one. */
function freePort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(null));
    server.listen(port, '127.0.0.1', () => {
      const { port: found } = server.address() as AddressInfo;
      server.close(() => resolve(found));
    });
  });
}

async function anyPort(): Promise<number> {
  const port = await freePort(0);
  if (port === null) throw new Error('there is no free port on 127.0.0.1');
  return port;
}

async function answers(host: string): Promise<boolean> {
  return fetch(`http://${host}/health`).then(
    (response) => response.ok,
    () => false,
  );
}

/** Data stays in `folder` from one start to the next. Throws where the program is missing or does not come up. */
export async function startEtcd(folder: string): Promise<LocalEtcd> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const host = `127.0.0.1:${(await freePort(usualPort)) ?? (await anyPort())}`;
  const peer = `http://127.0.0.1:${await anyPort()}`;
  const child = spawn(
    'etcd',
    [
      ['--name', 'local'],
      ['--data-dir', path.resolve(folder)],
      ['--listen-client-urls', `http://${host}`],
      ['--advertise-client-urls', `http://${host}`],
      ['--listen-peer-urls', peer],
      ['--initial-advertise-peer-urls', peer],
      ['--initial-cluster', `local=${peer}`],
      // The peer's port differs at each start; alone in its cluster, it has nobody to ask.
      ['--force-new-cluster'],
    ].flat(),
    { stdio: 'ignore' },
  );
  const ended = new Promise<string>((resolve) => {
    child.once('error', ({ code }: NodeJS.ErrnoException) =>
      resolve(
        code === 'ENOENT'
          ? 'etcd is not installed: install it (Debian: apt-get install etcd-server), or name one by IDRA_ETCD_HOSTS'
          : `etcd cannot be started (${code})`,
      ),
    );
    child.once('exit', (status) => resolve(`etcd ended with status ${status}: is another one using ${folder}?`));
  });
  await Promise.race([ended.then((reason) => Promise.reject(new Error(reason))), comesUp(host)]);
  return { host, [Symbol.asyncDispose]: () => stop(child) };
}

async function comesUp(host: string): Promise<void> {
  const until = Date.now() + startTimeoutMs;
  while (!(await answers(host))) {
    if (Date.now() > until) throw new Error(`etcd does not answer on ${host}`);
    await sleep(50);
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await exited;
}
