import type { CheckResult, Connector, DestinationRequest, DiscoveredTable, SourceRequest } from '../connector.ts';
import { rowKey } from '../sql/keys.ts';
import { writtenName } from '../sql/names.ts';
import { listTables, readColumns, readKeys } from './catalogue.ts';
import { SqlserverDestination } from './destination.ts';
import { sqlserverError } from './errors.ts';
import { Session } from './session.ts';
import { resolveSettings, type SqlserverConnection } from './settings.ts';
import { SqlserverSource } from './source.ts';

async function withSession<T>(connection: unknown, signal: AbortSignal, work: (session: Session) => Promise<T>): Promise<T> {
  signal.throwIfAborted();
  const settings = await resolveSettings(connection as SqlserverConnection);
  await using session = await Session.open(settings, 'idra');
  const stop = (): void => session.destroy();
  signal.addEventListener('abort', stop, { once: true });
  try {
    return await work(session);
  } catch (error) {
    signal.throwIfAborted();
    throw sqlserverError(error, { doing: `Asking ${session.name}`, lost: session.lost });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function check(connection: unknown, signal: AbortSignal): Promise<CheckResult> {
  return withSession(connection, signal, async (session) => {
    const [about] = await session.texts("SELECT CONVERT(nvarchar(128), SERVERPROPERTY('ProductVersion')), CONVERT(nvarchar(128), SERVERPROPERTY('Edition'))");
    const tables = await listTables(session);
    const schemas = [...new Set(tables.map(({ schema }) => schema))];
    const wanted = ['CREATE TABLE', 'ALTER', 'INSERT', 'UPDATE', 'DELETE'];
    const [held = []] = await session.texts(`SELECT ${wanted.map((name) => `HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', '${name}')`).join(', ')}`);
    const missing = wanted.filter((_, i) => held[i] !== '1');
    const [versions] = await session.texts('SELECT snapshot_isolation_state, is_read_committed_snapshot_on FROM sys.databases WHERE database_id = DB_ID()');
    const alone = versions?.[1] === 'true' ? 'each statement in a snapshot of its own' : 'as committed at the moment of reading';
    return {
      server: `SQL Server ${about?.[0] ?? ''} ${about?.[1] ?? ''}`.trim(),
      read: `${tables.length} tables${schemas.length === 0 ? '' : ` in ${schemas.join(', ')}`}; ${versions?.[0] === '1' ? 'in one snapshot' : `${alone} (ALLOW_SNAPSHOT_ISOLATION is off)`}`,
      write: missing.length === 0 ? 'create and write tables' : `not granted on the whole database (a table or schema may have it): ${missing.join(', ')}`,
    };
  });
}

async function discover(connection: unknown, signal: AbortSignal): Promise<DiscoveredTable[]> {
  return withSession(connection, signal, async (session) => {
    const found: DiscoveredTable[] = [];
    for (const table of await listTables(session)) {
      signal.throwIfAborted();
      const columns = await readColumns(session, table);
      found.push({
        name: writtenName(table.schema, table.table),
        columns: columns.map(({ name, type, nullable, native }) => ({ name, type, nullable, ...(native === undefined ? {} : { native }) })),
        key: rowKey(await readKeys(session, table), (name) => columns.find((column) => column.name === name)?.nullable ?? true),
        ...(table.rows === null ? {} : { estimatedRows: table.rows }),
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
    return SqlserverSource.open(await resolveSettings(connection as SqlserverConnection), request);
  },
  openDestination: async (connection: unknown, request: DestinationRequest, signal: AbortSignal) => {
    signal.throwIfAborted();
    return SqlserverDestination.open(await resolveSettings(connection as SqlserverConnection), request);
  },
};
