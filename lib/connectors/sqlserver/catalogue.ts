import { SyncError } from '../../errors.ts';
import { qualified } from '../sql/dialect.ts';
import type { UniqueKey } from '../sql/keys.ts';
import { didYouMean, parseTableName } from '../sql/names.ts';
import { sqlserverDialect } from './dialect.ts';
import type { Session } from './session.ts';
import { columnOf, factsOf, type SqlserverColumn } from './types.ts';

export interface TableName {
  readonly schema: string;
  readonly table: string;
}

export interface FoundTable extends TableName {
  readonly id: string;
  readonly view: boolean;
}

/** The schema and the table that a written name means; the user's default schema where it names none. */
export async function resolveName(session: Session, written: string): Promise<TableName> {
  const { schema, table } = parseTableName(written);
  if (schema !== undefined) return { schema: schema.text, table: table.text };
  const [row] = await session.texts('SELECT SCHEMA_NAME()');
  return { schema: row?.[0] ?? 'dbo', table: table.text };
}

export async function findTable(session: Session, name: TableName): Promise<FoundTable | null> {
  const [ids] = await session.texts("SELECT OBJECT_ID(@p1, N'U'), OBJECT_ID(@p1, N'V')", [qualified(sqlserverDialect, name.schema, name.table)]);
  const id = ids?.[0] ?? ids?.[1] ?? null;
  if (id === null) return null;
  // Whether names are compared with or without case is the database's matter: these are the catalogue's own
  const [row] = await session.texts('SELECT OBJECT_SCHEMA_NAME(@p1), OBJECT_NAME(@p1)', [BigInt(id)]);
  return { schema: row?.[0] ?? name.schema, table: row?.[1] ?? name.table, id, view: ids?.[0] === null };
}

export async function tableNotFound(session: Session, name: TableName): Promise<SyncError> {
  const rows = await session.texts(
    "SELECT o.name FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id WHERE s.name = @p1 AND o.type IN ('U', 'V')",
    [name.schema],
  );
  const hint = didYouMean(
    name.table,
    rows.map(([table]) => table ?? ''),
  );
  const table = `${name.schema}.${name.table}`;
  return new SyncError('NOT_FOUND', `There is no table ${table}, or the user may not see it.${hint}`, { table });
}

export interface CatalogueColumn extends SqlserverColumn {
  /** A default, an identity, a rowversion: rows need not bring it. */
  readonly filled: boolean;
  readonly computed: boolean;
  readonly identity: boolean;
}

export async function readColumns(session: Session, table: FoundTable): Promise<CatalogueColumn[]> {
  // CLR types share one system type; every other alias stands for its base
  const rows = await session.texts(
    `SELECT c.name, CASE WHEN c.system_type_id = 240 THEN TYPE_NAME(c.user_type_id) ELSE TYPE_NAME(c.system_type_id) END,
      c.max_length, c.precision, c.scale, c.collation_name, c.is_nullable, c.is_identity, c.is_computed, c.default_object_id,
      COLUMNPROPERTY(c.object_id, c.name, 'GeneratedAlwaysType')
    FROM sys.columns AS c WHERE c.object_id = CONVERT(int, @p1) ORDER BY c.column_id`,
    [BigInt(table.id)],
  );
  return rows.map((row) => {
    const [name = '', type = '', bytes = '0', precision = '0', scale = '0'] = row.map((value) => value ?? undefined);
    const [, , , , , collation = null, nullable, identity, computed, fallback, generated] = row;
    const base = type.toLowerCase() === 'rowversion' ? 'timestamp' : type.toLowerCase();
    const facts = factsOf(base, { bytes: Number(bytes), precision: Number(precision), scale: Number(scale), collation });
    const own = computed === 'true' || base === 'timestamp' || Number(generated ?? 0) > 0;
    return {
      ...columnOf(name, facts, { nullable: nullable === 'true', declares: true }),
      filled: own || identity === 'true' || Number(fallback ?? 0) !== 0,
      computed: own,
      identity: identity === 'true',
    };
  });
}

/** Unique indexes and constraints over whole rows: filtered and disabled ones identify nothing. */
export async function readKeys(session: Session, table: FoundTable): Promise<UniqueKey[]> {
  const rows = await session.texts(
    `SELECT i.name, c.name, i.is_primary_key FROM sys.indexes AS i
      JOIN sys.index_columns AS x ON x.object_id = i.object_id AND x.index_id = i.index_id
      JOIN sys.columns AS c ON c.object_id = x.object_id AND c.column_id = x.column_id
    WHERE i.object_id = CONVERT(int, @p1) AND i.is_unique = 1 AND i.is_disabled = 0 AND i.is_hypothetical = 0 AND i.has_filter = 0
      AND x.is_included_column = 0 AND x.key_ordinal > 0
    ORDER BY i.index_id, x.key_ordinal`,
    [BigInt(table.id)],
  );
  const keys = new Map<string, { columns: string[]; primary: boolean }>();
  for (const [index, column, primary] of rows) {
    const key = keys.get(index ?? '') ?? { columns: [], primary: primary === 'true' };
    keys.set(index ?? '', key);
    key.columns.push(column ?? '');
  }
  return [...keys].map(([name, key]) => ({ name, ...key }));
}

/** Unique indexes that leave a row out without an error, where its key is there already. */
export async function readForgiving(session: Session, table: FoundTable): Promise<string[]> {
  const rows = await session.texts('SELECT i.name FROM sys.indexes AS i WHERE i.object_id = CONVERT(int, @p1) AND i.ignore_dup_key = 1 AND i.is_disabled = 0', [
    BigInt(table.id),
  ]);
  return rows.map(([name]) => name ?? '');
}

/** Tables whose rows go or change with the rows of this one. */
export async function readCascades(session: Session, table: FoundTable): Promise<string[]> {
  const rows = await session.texts(
    'SELECT OBJECT_NAME(f.parent_object_id) FROM sys.foreign_keys AS f WHERE f.referenced_object_id = CONVERT(int, @p1) AND f.delete_referential_action <> 0',
    [BigInt(table.id)],
  );
  return rows.map(([name]) => name ?? '');
}

export interface ListedTable extends FoundTable {
  readonly rows: number | null;
}

/** Every table and view that the user sees, without Idra's own. */
export async function listTables(session: Session): Promise<ListedTable[]> {
  const rows = await session.texts(
    `SELECT s.name, o.name, o.object_id, RTRIM(o.type), (SELECT SUM(p.rows) FROM sys.partitions AS p WHERE p.object_id = o.object_id AND p.index_id IN (0, 1))
    FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
    WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0 AND s.name NOT IN ('sys', 'INFORMATION_SCHEMA') ORDER BY s.name, o.name`,
  );
  return rows
    .map(([schema, table, id, type, count = null]) => ({
      schema: schema ?? '',
      table: table ?? '',
      id: id ?? '',
      view: type === 'V',
      rows: type === 'V' || count === null ? null : Number(count),
    }))
    .filter(({ table }) => !table.startsWith('_idra_'));
}
