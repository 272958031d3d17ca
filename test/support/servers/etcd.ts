/** etcd: one node for the test files to share, or a server or cluster of one's own for tests that pause, kill or restore it. */
import { join } from 'node:path';
import { aptInstall } from './apt.ts';
import { startContainer } from './container.ts';
import { freePort } from './ports.ts';
import { dataFolder, ServerProcess } from './process.ts';
import { findProgram } from './programs.ts';
import type { Recipe, RunningServer } from './recipe.ts';

async function version(hosts: string): Promise<string> {
  const host = hosts.split(',')[0] ?? '';
  const base = host.includes('://') ? host : `http://${host}`;
  const health = await fetch(`${base}/health`, { signal: AbortSignal.timeout(3_000) });
  if (!health.ok) throw new Error(`etcd at ${host} is not healthy (${health.status})`);
  const response = await fetch(`${base}/version`, { signal: AbortSignal.timeout(3_000) });
  const { etcdserver } = (await response.json()) as { etcdserver: string };
  return `etcd ${etcdserver}`;
}

export interface EtcdServer extends RunningServer {
  readonly processes: readonly ServerProcess[];
}

export interface EtcdOptions {
  /** How many nodes; they elect a leader among them. */
  readonly nodes?: number;
  /** Further arguments of each node, such as `--quota-backend-bytes=…`. */
  readonly arguments?: readonly string[];
}

/** A server of one's own. `url` holds the hosts of all nodes; `processes` has a process for each. */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdServer> {
  const program = findProgram('etcd');
  if (program === undefined) throw new Error('no etcd on this machine');
  const nodes: { name: string; client: number; peer: string }[] = [];
  for (let n = 0; n < (options.nodes ?? 1); n++) nodes.push({ name: `node${n}`, client: await freePort(), peer: `http://127.0.0.1:${await freePort()}` });
  const cluster = nodes.map(({ name, peer }) => `${name}=${peer}`).join(',');
  const processes: ServerProcess[] = [];
  const dispose = async () => void (await Promise.all(processes.map((server) => server[Symbol.asyncDispose]())));
  try {
    for (const { name, client, peer } of nodes) {
      const folder = await dataFolder('etcd');
      const urls = [`--listen-client-urls=http://127.0.0.1:${client}`, `--advertise-client-urls=http://127.0.0.1:${client}`, `--listen-peer-urls=${peer}`];
      const joining = [`--initial-advertise-peer-urls=${peer}`, `--initial-cluster=${cluster}`, '--initial-cluster-state=new'];
      const own = [`--name=${name}`, `--data-dir=${join(folder, 'data')}`, '--logger=zap', '--log-level=warn'];
      processes.push(
        await ServerProcess.start({ name: 'etcd', command: program, arguments: [...own, ...urls, ...joining, ...(options.arguments ?? [])] }, folder),
      );
    }
    await Promise.all(processes.map((server, n) => server.ready(() => version(`127.0.0.1:${nodes[n]?.client}`))));
  } catch (error) {
    await dispose();
    throw error;
  }
  return { url: nodes.map(({ client }) => `127.0.0.1:${client}`).join(','), processes, [Symbol.asyncDispose]: dispose };
}

export const etcd: Recipe = {
  backend: 'etcd',
  environment: 'TEST_ETCD_HOSTS',
  version,
  program: async () => (findProgram('etcd') === undefined ? 'no etcd on this machine' : startEtcd()),
  install: async () => (await aptInstall('etcd-server')) ?? undefined,
  container: () => startContainer({ service: 'etcd', port: 2379, url: (port) => `127.0.0.1:${port}`, answers: version }),
};
