/** What stands in the destination and what has to be made before rows can be written. */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import type { Column, Schema } from '../../values/types.ts';
import type { DestinationRequest } from '../connector.ts';
import { qualified } from '../sql/dialect.ts';
import { columnsToAdd, type ExistingColumn, logicalFit } from '../sql/fit.ts';
import { type UniqueKey, uniqueOver } from '../sql/keys.ts';
import { type CatalogueColumn, type FoundTable, findTable, readCascades, readColumns, readForgiving, readKeys, type TableName } from './catalogue.ts';
import { columnType, createTable, markerType } from './create-table.ts';
import { quote, sqlserverDialect } from './dialect.ts';
import type { Session } from './session.ts';
import { type ColumnFacts, isText } from './types.ts';

export interface TargetTable extends TableName {
  /** As messages name it. */
  readonly name: string;
  /** Quoted, qualified. */
  readonly into: string;
  readonly existed: boolean;
  readonly existingColumns: readonly string[];
  readonly ddl: readonly string[];
}

/** The marker of soft deletes: when a row was deleted, NULL while it is there; a bit where the table has one already. */
export interface Marker {
  readonly column: string;
  readonly marked: string;
  readonly unmarked: string;
}

/** The target after its DDL has run: incoming columns in their order. */
export interface ReadyTable extends TargetTable {
  readonly columns: readonly CatalogueColumn[];
  readonly incoming: Schema;
  readonly marker: Marker | null;
}

export interface Asked {
  readonly incoming: Schema;
  readonly request: DestinationRequest;
}

export async function planTarget(session: Session, name: TableName, { incoming, request }: Asked): Promise<TargetTable> {
  const found = await findTable(session, name);
  const marker = markerName(incoming, request);
  const base = { schema: found?.schema ?? name.schema, table: found?.table ?? name.table };
  const into = qualified(sqlserverDialect, base.schema, base.table);
  const table = { ...base, into, name: `${base.schema}.${base.table}` };
  if (found === null) {
    if (request.write === 'upsert' && incoming.key.length === 0) throw keyRequired(table.name);
    const [known] = await session.texts('SELECT SCHEMA_ID(@p1)', [base.schema]);
    const schema = known?.[0] === null ? [`CREATE SCHEMA ${quote(base.schema)}`] : [];
    return { ...table, existed: false, existingColumns: [], ddl: [...schema, createTable(into, incoming, marker)] };
  }
  if (found.view) throw new SyncError('UNSUPPORTED', `${table.name} is a view: a destination has to be a table.`, { table: table.name });
  const columns = await readColumns(session, found);
  const add = columnsToAdd(incoming, columns, { table: table.name, schema: request.schema, fits: unfit });
  const ddl = add.map((column) => `${quote(column.name)} ${columnType(column, incoming)} NULL`);
  if (marker !== null && !columns.some((column) => column.name === marker)) {
    if (request.schema === 'freeze')
      throw new SyncError('SCHEMA_MISMATCH', `${table.name} has no column ${JSON.stringify(marker)} to mark deleted rows, and schema: freeze adds none.`, {
        table: table.name,
        column: marker,
      });
    ddl.push(`${quote(marker)} ${markerType}`);
  }
  await checkMode(session, found, { table: table.name, incoming, request, columns });
  return {
    ...table,
    existed: true,
    existingColumns: columns.map((column) => column.name),
    ddl: ddl.map((definition) => `ALTER TABLE ${into} ADD ${definition}`),
  };
}

export async function readyTarget(session: Session, planned: TargetTable, { incoming, request }: Asked): Promise<ReadyTable> {
  const found = await findTable(session, planned);
  const all = found === null ? [] : await readColumns(session, found);
  const columns = incoming.columns.map((column) => {
    const there = all.find((candidate) => candidate.name === column.name);
    if (there !== undefined) return there;
    // A database that compares names without case takes the two for one, and adds none
    const other = all.find((candidate) => candidate.name.toLowerCase() === column.name.toLowerCase());
    throw new SyncError(
      'SCHEMA_MISMATCH',
      other === undefined
        ? `${planned.name} lost its column ${JSON.stringify(column.name)} while it was being prepared.`
        : `${planned.name} has ${JSON.stringify(other.name)}, which the database takes for the same name as ${JSON.stringify(column.name)}: rename the column (columns.rename).`,
      { table: planned.name, column: column.name },
    );
  });
  if (found !== null) await checkMode(session, found, { table: planned.name, incoming, request, columns: all });
  const marker = markerName(incoming, request);
  const base = all.find(({ name }) => name === marker)?.facts.base;
  const words = base === 'bit' ? { marked: '1', unmarked: '0' } : { marked: 'SYSUTCDATETIME()', unmarked: 'NULL' };
  if (marker !== null && base !== 'bit' && base !== 'datetimeoffset' && base !== 'datetime2' && base !== 'datetime')
    throw new SyncError('SCHEMA_MISMATCH', `${planned.name}.${marker} is to mark deleted rows: it has to be bit or a date with time, and is ${base}.`, {
      table: planned.name,
      column: marker,
    });
  return { ...planned, columns, incoming, marker: marker === null ? null : { column: marker, ...words } };
}

function markerName(incoming: Schema, request: DestinationRequest): string | null {
  return request.deletes === 'soft' && !incoming.columns.some((column) => column.name === request.softDeleteColumn) ? request.softDeleteColumn : null;
}

/** What the write mode needs of the table. */
async function checkMode(
  session: Session,
  found: FoundTable,
  asked: Asked & { readonly table: string; readonly columns: readonly CatalogueColumn[] },
): Promise<void> {
  const { table, incoming, request, columns } = asked;
  const [forgiving] = await readForgiving(session, found);
  if (forgiving !== undefined)
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `${table} has the unique index ${forgiving} with IGNORE_DUP_KEY: the server would leave rows out without a word. Switch it off (ALTER INDEX … SET (IGNORE_DUP_KEY = OFF)).`,
      { table },
    );
  if (request.write === 'replace') {
    const [cascade] = await readCascades(session, found);
    if (cascade !== undefined)
      throw new SyncError('SCHEMA_MISMATCH', `${table} cannot be replaced: a foreign key of ${cascade} would delete or change rows there with the old ones.`, {
        table,
      });
  }
  if (request.write !== 'upsert') return;
  if (incoming.key.length === 0) throw keyRequired(table);
  const key = uniqueOver(await readKeys(session, found), incoming.key);
  if (key === undefined)
    throw new SyncError(
      'KEY_REQUIRED',
      `An upsert into ${table} goes by ${incoming.key.join(', ')}, but no primary key or unique index of the table is over exactly these columns.`,
      { table },
    );
  refuseFolding(table, key, asked);
  const identity = columns.find(
    (column) => column.identity && !incoming.key.includes(column.name) && incoming.columns.some(({ name }) => name === column.name),
  );
  if (identity !== undefined)
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `${table}.${identity.name} is an identity column and not part of the key, so an upsert cannot update it: exclude it.`,
      {
        table,
        column: identity.name,
      },
    );
}

/** A collation that takes different texts for one key would let rows overwrite each other, unless the source's key has the very same one. */
function refuseFolding(table: string, key: UniqueKey, asked: Asked & { readonly columns: readonly CatalogueColumn[] }): void {
  for (const name of key.columns) {
    const column = asked.columns.find((candidate) => candidate.name === name);
    const incoming = asked.incoming.columns.find((candidate) => candidate.name === name);
    if (column === undefined || incoming === undefined || incoming.type.kind !== 'string' || !folds(column.facts)) continue;
    if (incoming.native?.system === column.native?.system && incoming.native?.type === column.native?.type) continue;
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `${table}.${name} is part of the key and has collation ${column.facts.collation}, which takes different texts for one key: rows of the source would overwrite each other. Give the column a collation that ends in _BIN2, or let Idra make the table.`,
      { table, column: name },
    );
  }
}

/** Whether texts that differ in more than spaces at their end can be equal. */
export function folds(facts: ColumnFacts): boolean {
  return isText(facts) && facts.collation !== null && !/_BIN2?(_UTF8)?$/i.test(facts.collation);
}

/** Null: each value fits, or is refused aloud. */
function unfit(incoming: Column, existing: ExistingColumn): string | null {
  const { facts } = existing as CatalogueColumn;
  const from = incoming.type;
  const integer = from.kind === 'int32' || from.kind === 'int64' || from.kind === 'uint64';
  switch (facts.base) {
    case 'sql_variant':
    case 'vector':
    case 'udt':
      return 'values of this type cannot be written exactly';
    // The server rewrites what it is given, but for what it has written itself
    case 'xml':
    case 'json':
    case 'hierarchyid':
    case 'geometry':
    case 'geography':
      return incoming.native?.system === 'sqlserver' && incoming.native.type.startsWith(facts.base) ? null : `the server would rewrite values as ${facts.base}`;
    case 'tinyint':
    case 'smallint':
    case 'int':
    case 'bigint':
    case 'bit':
      if (from.kind === 'boolean' || integer) return null;
      break;
    default:
  }
  return logicalFit(from, existing.type);
}

function keyRequired(table: string): SyncError {
  return new SyncError('KEY_REQUIRED', `An upsert into ${table} needs a key: the source has none in its catalogue, so name it in the definition (key).`, {
    table,
  });
}

/** The table that a `replace` fills first: one for each sync and table. */
export function stageName(sync: { sync: string; shard: string; table: string }): string {
  return `_idra_stage_${createHash('sha256')
    .update(JSON.stringify([sync.sync, sync.shard, sync.table]))
    .digest('hex')
    .slice(0, 16)}`;
}
