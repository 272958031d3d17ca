/** What `idra check` and `idra discover` say of a connection. */
import type { CheckResult, DiscoveredTable } from '../connector.ts';
import { rowKey } from '../sql/keys.ts';
import { writtenName } from '../sql/names.ts';
import { readSelected } from './catalogue.ts';
import type { Session } from './session.ts';
import { columnOf } from './types.ts';

const userSchemas = "n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'";

export async function checkSession(session: Session): Promise<CheckResult> {
  const [server] = await session.query("SELECT 'PostgreSQL ' || current_setting('server_version')");
  const readable = await session.query(
    `SELECT n.nspname, count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND ${userSchemas} AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
     GROUP BY n.nspname ORDER BY n.nspname`,
  );
  const creatable = await session.query(
    `SELECT n.nspname FROM pg_catalog.pg_namespace n WHERE ${userSchemas} AND has_schema_privilege(n.oid, 'CREATE') AND NOT pg_is_in_recovery() ORDER BY n.nspname`,
  );
  const [writable] = await session.query(
    `SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND ${userSchemas} AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'INSERT') AND NOT pg_is_in_recovery()`,
  );
  const tables = readable.reduce((sum, [, count]) => sum + Number(count), 0);
  const schemas = readable.map(([name]) => name).join(', ');
  const created = creatable.map(([name]) => name).join(', ');
  return {
    server: server?.[0] ?? 'PostgreSQL',
    read:
      tables === 0 ? 'nothing to read' : `read ${tables} ${tables === 1 ? 'table' : 'tables'} in ${readable.length === 1 ? 'schema' : 'schemas'} ${schemas}`,
    write: `${created === '' ? 'create no tables' : `create tables in ${created}`}, insert into ${writable?.[0] ?? 0} existing`,
  };
}

export async function discoverTables(session: Session, signal: AbortSignal): Promise<DiscoveredTable[]> {
  const tables = await session.query(
    `SELECT c.oid, n.nspname, c.relname, c.relkind, c.reltuples::bigint FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition AND ${userSchemas} AND left(c.relname, 6) <> '_idra_'
       AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') ORDER BY n.nspname, c.relname`,
  );
  const found: DiscoveredTable[] = [];
  for (const [oid, schema, table, kind, estimate] of tables) {
    signal.throwIfAborted();
    const place = { oid: oid ?? '', schema: schema ?? '', table: table ?? '', kind: kind ?? '' };
    // The peer is not known yet: arrays show as the JSON that most see
    const { columns: selected, keys } = await readSelected(session, place);
    const columns = selected.map(({ name, type, nullable }) => columnOf(name, type, { nullable, peer: '' }));
    const key = rowKey(keys, (name) => columns.find((column) => column.name === name)?.nullable ?? true);
    const rows = Number(estimate);
    found.push({ name: writtenName(place.schema, place.table), columns, key, ...(rows >= 0 && kind !== 'v' ? { estimatedRows: rows } : {}) });
  }
  return found;
}
