import type { CheckResult, Connector, DestinationRequest, DiscoveredTable, SourceRequest } from '../connector.ts';
import { rowKey } from '../sql/keys.ts';
import { writtenName } from '../sql/names.ts';
import { readColumns, readKeys } from './catalogue.ts';
import { MysqlDestination } from './destination.ts';
import { mysqlError } from './errors.ts';
import { Session } from './session.ts';
import { type MysqlConnection, resolveSettings } from './settings.ts';
import { MysqlSource } from './source.ts';

const systemSchemas = "('information_schema', 'performance_schema', 'mysql', 'sys')";

async function withSession<T>(connection: unknown, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const settings = await resolveSettings(connection as MysqlConnection);
  await using session = await Session.open(settings, 'destination');
  const stop = (): void => session.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await work(session);
  } catch (error) {
    signal.throwIfAborted();
    throw mysqlError(error, { doing: `Asking ${session.name}`, lost: session.lost });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function listTables(session: Session): Promise<{ schema: string; table: string; rows: string | null }[]> {
  const [current] = await session.query('SELECT DATABASE()');
  const where = current?.[0] === null ? `TABLE_SCHEMA NOT IN ${systemSchemas}` : 'TABLE_SCHEMA = DATABASE()';
  const tables = await session.query(`SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_ROWS FROM information_schema.TABLES WHERE ${where} ORDER BY 1, 2`);
  return tables.map(([schema, table, rows = null]) => ({ schema: schema ?? '', table: table ?? '', rows })).filter(({ table }) => !table.startsWith('_idra_'));
}

async function check(connection: unknown, signal: AbortSignal): Promise<CheckResult> {
  return withSession(connection, signal, async (session) => {
    const tables = await listTables(session);
    const schemas = [...new Set(tables.map(({ schema }) => schema))];
    const grants = await session.query(
      "SELECT DISTINCT PRIVILEGE_TYPE FROM (SELECT PRIVILEGE_TYPE, GRANTEE FROM information_schema.USER_PRIVILEGES UNION SELECT PRIVILEGE_TYPE, GRANTEE FROM information_schema.SCHEMA_PRIVILEGES WHERE DATABASE() LIKE TABLE_SCHEMA) AS p WHERE GRANTEE = CONCAT('''', REPLACE(CURRENT_USER(), '@', '''@'''), '''')",
    );
    const has = new Set(grants.map(([privilege]) => privilege ?? ''));
    const missing = ['CREATE', 'ALTER', 'INSERT', 'UPDATE', 'DELETE', 'SELECT', 'CREATE TEMPORARY TABLES'].filter((privilege) => !has.has(privilege));
    const loading = session.server.localInfile
      ? 'LOAD DATA LOCAL'
      : 'INSERT of many rows, since local_infile is off on the server (LOAD DATA LOCAL is about twice as fast)';
    return {
      server: `${session.server.mariadb ? 'MariaDB' : 'MySQL'} ${session.server.text}`,
      read: `${tables.length} tables${schemas.length === 0 ? '' : ` in ${schemas.join(', ')}`}`,
      write: `${missing.length === 0 ? 'create and write tables' : `not granted to the user itself (a role may): ${missing.join(', ')}`}; by ${loading}`,
    };
  });
}

async function discover(connection: unknown, signal: AbortSignal): Promise<DiscoveredTable[]> {
  return withSession(connection, signal, async (session) => {
    const [current] = await session.query('SELECT DATABASE()');
    const found: DiscoveredTable[] = [];
    for (const { schema, table, rows } of await listTables(session)) {
      signal.throwIfAborted();
      const columns = await readColumns(session, { schema, table });
      const keys = (await readKeys(session, { schema, table })).filter(({ whole }) => whole);
      found.push({
        name: current?.[0] === null ? writtenName(schema, table) : writtenName(table),
        columns: columns.map(({ name, type, nullable, native }) => ({ name, type, nullable, ...(native === undefined ? {} : { native }) })),
        key: rowKey(keys, (name) => columns.find((column) => column.name === name)?.nullable ?? true),
        ...(rows === null ? {} : { estimatedRows: Number(rows) }),
      });
    }
    return found;
  });
}

export const connector: Connector = {
  check,
  discover,
  openSource: async (connection: unknown, request: SourceRequest, signal: AbortSignal) => {
    signal.throwIfAborted();
    return MysqlSource.open(await resolveSettings(connection as MysqlConnection), request);
  },
  openDestination: async (connection: unknown, request: DestinationRequest, signal: AbortSignal) => {
    signal.throwIfAborted();
    return MysqlDestination.open(await resolveSettings(connection as MysqlConnection), request);
  },
};
