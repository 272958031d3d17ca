/** PostgreSQL: password authentication over TCP (so that a wrong password is refused), logical decoding allowed, no fsync: the tests kill Idra, not the machine. */
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { unprivileged } from './account.ts';
import { aptInstall } from './apt.ts';
import { startContainer } from './container.ts';
import { freePort } from './ports.ts';
import { dataFolder, ServerProcess } from './process.ts';
import { findProgram, newest, runTool } from './programs.ts';
import type { Recipe, RunningServer } from './recipe.ts';

const password = 'idra-test';
const urlAt = (port: number): string => `postgres://idra:${password}@127.0.0.1:${port}/postgres`;
const settings = [
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'wal_level=logical',
  'max_connections=200',
  'max_wal_senders=20',
  'max_replication_slots=20',
];

async function version(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  try {
    await client.connect();
    const { rows } = await client.query<{ version: string }>('select version()');
    return /^\S+ \S+/.exec(rows[0]?.version ?? '')?.[0] ?? 'PostgreSQL';
  } finally {
    await client.end();
  }
}

function programs(): string | undefined {
  const server = newest('/usr/lib/postgresql/*/bin/postgres') ?? findProgram('postgres');
  return server === undefined ? undefined : dirname(server);
}

/** A server of one's own, for tests that kill, pause or restart it. */
export async function startPostgres(): Promise<RunningServer & { readonly process: ServerProcess }> {
  const bin = programs();
  if (bin === undefined) throw new Error('no PostgreSQL on this machine');
  const account = unprivileged('postgres');
  const folder = await dataFolder('postgres', account);
  const data = join(folder, 'data');
  await writeFile(join(folder, 'password'), password, { mode: 0o644 });
  const access = ['--auth-local=trust', '--auth-host=scram-sha-256', '--username=idra', `--pwfile=${join(folder, 'password')}`];
  await runTool(join(bin, 'initdb'), ['--no-sync', '--encoding=UTF8', '--locale=C', ...access, '-D', data], { cwd: folder, ...(account ?? {}) });
  const port = await freePort();
  const listen = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-p', String(port)];
  const server = await ServerProcess.start(
    {
      name: 'PostgreSQL',
      command: join(bin, 'postgres'),
      arguments: ['-D', data, ...listen, ...settings.flatMap((setting) => ['-c', setting])],
      stopSignal: 'INT',
      account,
    },
    folder,
  );
  const url = urlAt(port);
  try {
    await server.ready(() => version(url));
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return { url, process: server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

export const postgres: Recipe = {
  backend: 'postgres',
  environment: 'TEST_POSTGRES_URL',
  version,
  program: async () => (programs() === undefined ? 'no PostgreSQL server on this machine' : startPostgres()),
  install: () => aptInstall('postgresql'),
  container: () =>
    startContainer({
      service: 'postgres',
      port: 5432,
      url: urlAt,
      answers: version,
      command: () => ['postgres', ...settings.flatMap((setting) => ['-c', setting])],
    }),
};
