/** Three nodes of etcd as infra/node sets them up, on loopback addresses of their own, with certificates that infra/certificates has made. */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { aptInstall } from '../support/servers/apt.ts';
import { freePort } from '../support/servers/ports.ts';
import { dataFolder, ServerProcess } from '../support/servers/process.ts';
import { findProgram } from '../support/servers/programs.ts';

const run = promisify(execFile);
export const infra = fileURLToPath(new URL('../../infra', import.meta.url));
export const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const;

/** Why the scripts cannot be tried here; undefined where they can. */
export async function missingPrograms(): Promise<string | undefined> {
  // Other systems have one loopback address.
  if (process.platform !== 'linux') return 'the nodes take three loopback addresses, which Linux alone has';
  const packages = { etcd: 'etcd-server', etcdctl: 'etcd-client', openssl: 'openssl', jq: 'jq', curl: 'curl' };
  const missing = Object.entries(packages).filter(([program]) => findProgram(program) === undefined);
  return missing.length === 0 ? undefined : await aptInstall(...missing.map(([, name]) => name)).catch((error: Error) => error.message);
}

export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A script or program to its end, whatever that is. */
export async function execute(command: string, parameters: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Said> {
  try {
    return { code: 0, ...(await run(command, parameters, { env: { ...process.env, ...env }, timeout: 180_000 })) };
  } catch (error) {
    const { code = 1, stdout = '', stderr = '' } = error as { code?: number; stdout?: string; stderr?: string };
    return { code, stdout, stderr };
  }
}

/** The same where nothing but success will do. */
export async function succeed(command: string, parameters: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const { code, stdout, stderr } = await execute(command, parameters, env);
  if (code !== 0) throw new Error(`${command} ${parameters.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return stdout;
}

export class Nodes implements AsyncDisposable {
  readonly tls: string;
  readonly port: number;
  readonly #environments: readonly Readonly<Record<string, string>>[];
  readonly #processes: (ServerProcess | undefined)[] = [undefined, undefined, undefined];

  private constructor(tls: string, port: number, environments: readonly Readonly<Record<string, string>>[]) {
    this.tls = tls;
    this.port = port;
    this.#environments = environments;
  }

  /** Nothing runs yet. `tls`: folder of the certificates. */
  static async make(tls: string): Promise<Nodes> {
    const [port, peer, metrics] = [await freePort(), await freePort(), await freePort()];
    const shared = { HOSTS: hosts.join(' '), TLS: tls, CLIENT_PORT: `${port}`, PEER_PORT: `${peer}`, METRICS_PORT: `${metrics}`, LOG_LEVEL: 'error' };
    const environments = await Promise.all(
      hosts.map(async (host, index) => {
        const data = join(await dataFolder('etcd-node'), 'data');
        return { ...shared, IDRA_ETCD_SETTINGS: '/dev/null', NODE: `${index + 1}`, DATA: data, LISTEN: host, METRICS_LISTEN: host };
      }),
    );
    return new Nodes(tls, port, environments);
  }

  get urls(): string {
    return hosts.map((host) => `https://${host}:${this.port}`).join(',');
  }

  environment(index: number): Readonly<Record<string, string>> {
    return this.#environments[index] ?? {};
  }

  /** A script of infra/node on one of the nodes. */
  script(index: number, name: string, ...parameters: string[]): Promise<Said> {
    return execute(join(infra, 'node', name), parameters, this.environment(index));
  }

  async start(index: number): Promise<void> {
    const state = (await succeed(join(infra, 'node/join'), [], this.environment(index))).trim();
    const settings = await succeed(join(infra, 'node/etcd-env'), [], { ...this.environment(index), STATE: state });
    const environment = Object.fromEntries(
      settings
        .trim()
        .split('\n')
        .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
    );
    const folder = await dataFolder('etcd-log');
    this.#processes[index] = await ServerProcess.start({ name: 'etcd', command: findProgram('etcd') ?? 'etcd', arguments: [], environment }, folder);
  }

  async startAll(): Promise<void> {
    for (const index of hosts.keys()) await this.start(index);
    for (const index of hosts.keys()) await this.healthy(index);
  }

  async healthy(index: number): Promise<void> {
    await this.#processes[index]?.ready(async () => {
      const { stdout } = await this.script(index, 'health', '--print');
      if (!stdout.startsWith('healthy=1')) throw new Error(`node ${index + 1}: ${stdout}`);
    });
  }

  async stop(index: number): Promise<void> {
    await this.#processes[index]?.[Symbol.asyncDispose]();
    this.#processes[index] = undefined;
  }

  /** etcdctl with the certificate of `user`, or with none. */
  etcdctl(user: string, ...parameters: string[]): Promise<Said> {
    // A snapshot is taken of one node.
    const endpoints = parameters[0] === 'snapshot' ? this.urls.split(',')[0] : this.urls;
    const certificate = user === '' ? [] : [`--cert=${this.tls}/${user}-cert.pem`, `--key=${this.tls}/${user}-key.pem`];
    return execute('etcdctl', [`--endpoints=${endpoints}`, `--cacert=${this.tls}/ca.pem`, ...certificate, ...parameters], { ETCDCTL_API: '3' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const index of hosts.keys()) await this.stop(index);
    // What a restore has kept beside the data is there as well
    for (const { DATA = '' } of this.#environments) await rm(dirname(DATA), { recursive: true, force: true });
  }
}
