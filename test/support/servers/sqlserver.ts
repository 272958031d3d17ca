/** SQL Server: there is no package of it where the tests run, only a container. */
import type sql from 'mssql';
import { startContainer } from './container.ts';
import type { Recipe } from './recipe.ts';

/** `sqlserver://user:password@host:port?database=…`, as the tests' own client wants it. Certificates of test servers are their own; `encrypt=false` is for those without any. */
export function sqlserverConfig(url: string): sql.config {
  const { hostname, port, username, password, searchParams } = new URL(url);
  return {
    server: hostname,
    port: Number(port === '' ? 1433 : port),
    user: decodeURIComponent(username),
    password: decodeURIComponent(password),
    database: searchParams.get('database') ?? 'master',
    options: { encrypt: searchParams.get('encrypt') !== 'false', trustServerCertificate: true },
    connectionTimeout: 5_000,
    requestTimeout: 60_000,
  };
}

/** The same server as a connection of a definition. */
export function sqlserverConnection(url: string): { readonly type: 'sqlserver'; readonly url: string; readonly ssl: 'disable' | 'require' } {
  return { type: 'sqlserver', url, ssl: new URL(url).searchParams.get('encrypt') === 'false' ? 'disable' : 'require' };
}

/** Runs one statement on a connection of its own. */
export async function onSqlserver<T>(url: string, statement: string): Promise<T[]> {
  const { default: driver } = await import('mssql');
  const pool = await new driver.ConnectionPool(sqlserverConfig(url)).connect();
  try {
    return (await pool.request().query<T>(statement)).recordset ?? [];
  } finally {
    await pool.close();
  }
}

async function version(url: string): Promise<string> {
  const [row] = await onSqlserver<{ version: string }>(url, `select cast(serverproperty('ProductVersion') as varchar(40)) as version`);
  return `SQL Server ${row?.version}`;
}

export const sqlserver: Recipe = {
  backend: 'sqlserver',
  environment: 'TEST_SQLSERVER_URL',
  version,
  container: () =>
    startContainer({ service: 'sqlserver', port: 1433, url: (port) => `sqlserver://sa:Idra-test-1@127.0.0.1:${port}?database=master`, answers: version }),
};
