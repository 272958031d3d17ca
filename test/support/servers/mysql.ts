/** MariaDB or MySQL, whichever is there: row-based binary log on, LOAD DATA LOCAL allowed, nothing flushed to disk for safety's sake. */
import { chown, writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import mysql from 'mysql2/promise';
import { unprivileged } from './account.ts';
import { aptInstall } from './apt.ts';
import { startContainer } from './container.ts';
import { freePort } from './ports.ts';
import { dataFolder, ServerProcess } from './process.ts';
import { findProgram, runTool } from './programs.ts';
import type { Recipe, RunningServer } from './recipe.ts';

const password = 'idra-test';
const urlAt = (user: string, port: number): string => `mysql://${user}:${password}@127.0.0.1:${port}/`;
const settings = [
  '--local-infile=1',
  '--log-bin=binlog',
  '--binlog-format=ROW',
  '--server-id=1',
  '--sync-binlog=0',
  '--innodb-flush-log-at-trx-commit=0',
  '--innodb-doublewrite=0',
  '--max-connections=200',
  '--max-allowed-packet=64M',
  '--skip-name-resolve',
  // MySQL: the folder that its package was built for need not be there, and its second protocol listens on all addresses
  '--secure-file-priv=',
  '--loose-mysqlx=OFF',
];

async function version(url: string): Promise<string> {
  const connection = await mysql.createConnection({ uri: url, connectTimeout: 5_000 });
  try {
    const [rows] = await connection.query<mysql.RowDataPacket[]>('select version() as version');
    const text = String(rows[0]?.version);
    return text.includes('MariaDB') ? `MariaDB ${text.split('-')[0]}` : `MySQL ${text.split('-')[0]}`;
  } finally {
    await connection.end();
  }
}

async function initialize(program: string, folder: string, account: { uid: number; gid: number } | undefined): Promise<void> {
  const data = [`--datadir=${join(folder, 'data')}`, `--tmpdir=${folder}`];
  const as = { cwd: folder, ...(account ?? {}) };
  if (!program.endsWith('mariadbd')) {
    await runTool(program, ['--no-defaults', '--initialize-insecure', ...data], as);
    return;
  }
  const installer = findProgram('mariadb-install-db');
  if (installer === undefined) throw new Error('mariadbd is here, but mariadb-install-db is not');
  await runTool(installer, ['--no-defaults', '--auth-root-authentication-method=normal', '--skip-test-db', ...data], as);
}

/** `TEST_MYSQL_PROGRAM` names one where a machine has both: a name on PATH, or a path. Nothing else takes its place. */
function serverProgram(): string | undefined {
  const named = process.env.TEST_MYSQL_PROGRAM ?? '';
  return named === '' ? findProgram('mariadbd', 'mysqld') : isAbsolute(named) ? named : findProgram(named);
}

/** A server of one's own, for tests that kill, pause or restart it. `files` are written beside its data, and belong to its account; `%` in an argument is that folder. */
export async function startMysql(
  options: { readonly arguments?: readonly string[]; readonly files?: Readonly<Record<string, string>> } = {},
): Promise<RunningServer & { readonly process: ServerProcess }> {
  const program = serverProgram();
  if (program === undefined) throw new Error('no MariaDB or MySQL on this machine');
  const account = unprivileged('mysql');
  const folder = await dataFolder('mysql', account);
  await initialize(program, folder, account);
  const grant = `CREATE USER IF NOT EXISTS 'idra'@'%' IDENTIFIED BY '${password}';\nGRANT ALL PRIVILEGES ON *.* TO 'idra'@'%' WITH GRANT OPTION;\n`;
  await writeFile(join(folder, 'init.sql'), grant, { mode: 0o644 });
  for (const [name, text] of Object.entries(options.files ?? {})) {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    if (account !== undefined) await chown(join(folder, name), account.uid, account.gid);
  }
  const more = (options.arguments ?? []).map((argument) => argument.replace('%', folder));
  const port = await freePort();
  // A server that starts deletes what looks like a temporary table in its temporary folder: another's, where they share one
  const own = [
    '--no-defaults',
    `--datadir=${join(folder, 'data')}`,
    `--tmpdir=${folder}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--socket=${join(folder, 'socket')}`,
  ];
  const server = await ServerProcess.start(
    { name: program, command: program, arguments: [...own, `--init-file=${join(folder, 'init.sql')}`, ...settings, ...more], account },
    folder,
  );
  const url = urlAt('idra', port);
  try {
    await server.ready(() => version(url));
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return { url, process: server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

export const mysqlRecipe: Recipe = {
  backend: 'mysql',
  environment: 'TEST_MYSQL_URL',
  version,
  program: async () => (serverProgram() === undefined ? 'no MariaDB and no MySQL server on this machine' : startMysql()),
  install: () => aptInstall('mariadb-server'),
  container: () => startContainer({ service: 'mariadb', port: 3306, url: (port) => urlAt('root', port), answers: version, command: () => settings }),
};
