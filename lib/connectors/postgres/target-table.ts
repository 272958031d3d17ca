/** The destination's table: found, made, widened, and checked against what comes in. */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import type { Column, Schema } from '../../values/types.ts';
import type { Claim, DestinationRequest } from '../connector.ts';
import { qualified } from '../sql/dialect.ts';
import { columnsToAdd, type ExistingColumn } from '../sql/fit.ts';
import { rowKey, uniqueOver } from '../sql/keys.ts';
import { parseTableName } from '../sql/names.ts';
import { StateStatements } from '../sql/state.ts';
import { type CatalogueColumn, type CatalogueKey, findTable, readColumns, readKeys, readTypes } from './catalogue.ts';
import { postgresDialect } from './dialect.ts';
import { pieceFor } from './pieces.ts';
import type { Session } from './session.ts';
import { columnOf, createType, type PgType } from './types.ts';

const quote = postgresDialect.quote;

/** Where the table is or would be. */
export interface TablePlace {
  readonly schema: string;
  readonly table: string;
  readonly exists: boolean;
  /** `schema.table`, for messages. */
  readonly name: string;
  /** Quoted. */
  readonly sql: string;
}

/** A table ready to be written to. */
export interface PreparedTable {
  readonly place: TablePlace;
  readonly incoming: Schema;
  /** In the order of the incoming columns. */
  readonly columns: readonly CatalogueColumn[];
  /** What rows are found by; empty where nothing needs it. */
  readonly key: readonly string[];
  /** Key columns that the table would let be NULL, where ON CONFLICT finds nothing. */
  readonly nullableKey: readonly string[];
  /** Rows carry values for GENERATED ALWAYS AS IDENTITY columns. */
  readonly overriding: boolean;
  readonly softDelete: { readonly column: string; readonly marked: string; readonly unmarked: string } | null;
  /** Quoted name of the table that a `replace` fills first. */
  readonly stage: string | null;
}

export async function placeOf(session: Session, written: string): Promise<TablePlace> {
  const found = await findTable(session, written);
  if (found !== null && found.kind !== 'r' && found.kind !== 'p')
    throw new SyncError('UNSUPPORTED', `${found.schema}.${found.table} is a view or a foreign table: a destination has to be a table.`, {
      table: `${found.schema}.${found.table}`,
    });
  const parsed = parseTableName(written);
  const schema = found?.schema ?? parsed.schema?.text ?? (await session.query('SELECT current_schema()'))[0]?.[0] ?? null;
  if (schema === null) throw new SyncError('CONFIG_INVALID', `No schema of the search path exists: write ${written} with its schema.`, { table: written });
  const table = found?.table ?? parsed.table.text;
  return { schema, table, exists: found !== null, name: `${schema}.${table}`, sql: qualified(postgresDialect, schema, table) };
}

/** The type of each incoming column where the table has to be made or widened: the source's own where it is PostgreSQL's and exists here. */
async function newTypes(session: Session, columns: readonly Column[]): Promise<string[]> {
  const types: string[] = [];
  for (const column of columns) {
    const native = column.native?.system === 'postgres' ? column.native.type : undefined;
    const exists = native !== undefined && (await session.query('SELECT to_regtype($1) IS NOT NULL', [native]))[0]?.[0] === 't';
    types.push(native !== undefined && exists ? native : createType(column.type));
  }
  return types;
}

/** Types as the catalogue would have them, for a table that is not made yet. */
export async function plannedColumns(session: Session, columns: readonly Column[]): Promise<CatalogueColumn[]> {
  const types = await newTypes(session, columns);
  const { fields } = await session.run(`SELECT ${types.map((type) => `NULL::${type}`).join(', ')} LIMIT 0`);
  const read = await readTypes(
    session,
    fields.map((field) => ({ oid: String(field.dataTypeID), modifier: field.dataTypeModifier })),
  );
  const plain = { nullable: true, identityAlways: false, computed: false, filled: false, folds: false };
  return columns.map((column, i) => ({ ...plain, name: column.name, type: read[i] ?? textType }));
}

const textType: PgType = { base: 'text', builtin: true, array: false, kind: 'b', modifier: -1, sql: 'text' };

export async function createTable(session: Session, place: TablePlace, incoming: Schema): Promise<void> {
  const types = await newTypes(session, incoming.columns);
  const columns = incoming.columns.map((column, i) => `${quote(column.name)} ${types[i]}${column.nullable ? '' : ' NOT NULL'}`);
  const key = incoming.key.length === 0 ? [] : [`PRIMARY KEY (${incoming.key.map(quote).join(', ')})`];
  const [there] = await session.query('SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1', [place.schema]);
  if (there === undefined) await session.query(`CREATE SCHEMA IF NOT EXISTS ${quote(place.schema)}`);
  await session.query(`CREATE TABLE ${place.sql} (${[...columns, ...key].join(', ')})`);
}

/** Columns that `incoming` has and the table lacks; refuses what does not fit. */
export function missingColumns(place: TablePlace, incoming: Schema, about: { columns: readonly CatalogueColumn[]; request: DestinationRequest }): Column[] {
  const { columns, request } = about;
  const types = new Map(columns.map((column) => [column.name, column.type]));
  const existing = columns.map(
    (column): ExistingColumn => ({
      ...columnOf(column.name, column.type, { nullable: column.nullable, peer: request.peer }),
      filled: column.filled,
      computed: column.computed,
    }),
  );
  const soft = request.deletes === 'soft' ? existing.filter((column) => column.name !== request.softDeleteColumn) : existing;
  return columnsToAdd(incoming, soft, {
    table: place.name,
    schema: request.schema,
    fits: (column, { name }) => {
      const piece = pieceFor(column, types.get(name) ?? textType);
      return 'refused' in piece ? piece.refused : null;
    },
  });
}

export async function addColumns(session: Session, place: TablePlace, columns: readonly Column[]): Promise<void> {
  const types = await newTypes(session, columns);
  const list = columns.map((column, i) => `ADD COLUMN IF NOT EXISTS ${quote(column.name)} ${types[i]}`);
  if (list.length > 0) await session.query(`ALTER TABLE ${place.sql} ${list.join(', ')}`);
}

/** What an upsert or an operation goes by; refuses a table without a unique index over exactly the key. */
export function writeKey(
  place: TablePlace,
  incoming: Schema,
  about: { keys: readonly CatalogueKey[]; columns: readonly CatalogueColumn[]; request: DestinationRequest },
): readonly string[] {
  const { keys, columns, request } = about;
  const usable = keys.filter((key) => key.immediate);
  const unique = incoming.key.length === 0 ? undefined : uniqueOver(usable, incoming.key);
  if (unique !== undefined) return incoming.key;
  if (request.write !== 'upsert') return [];
  if (incoming.key.length === 0)
    throw new SyncError('KEY_REQUIRED', `An upsert into ${place.name} needs a key, and the source has none: name it in key.`, { table: place.name });
  const own = rowKey(usable, (name) => columns.find((column) => column.name === name)?.nullable ?? true);
  const has = own.length === 0 ? 'it has no unique index' : `its key is (${own.join(', ')})`;
  throw new SyncError(
    'KEY_REQUIRED',
    `An upsert into ${place.name} goes by (${incoming.key.join(', ')}), but ${has}. Create one (CREATE UNIQUE INDEX ON ${place.sql} (${incoming.key.map(quote).join(', ')})), or name another key.`,
    { table: place.name, column: incoming.key.join(', ') },
  );
}

/** Refuses what an upsert could not bring up to date: only a new row may bring a value for such a column. */
export function checkIdentity(place: TablePlace, prepared: { columns: readonly CatalogueColumn[]; key: readonly string[] }, request: DestinationRequest): void {
  if (request.write !== 'upsert') return;
  const fixed = prepared.columns.find((column) => column.identityAlways && !prepared.key.includes(column.name));
  if (fixed !== undefined)
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `${place.name}.${fixed.name} is GENERATED ALWAYS AS IDENTITY and not part of the key, so an upsert cannot update it: exclude it, or make it BY DEFAULT.`,
      {
        table: place.name,
        column: fixed.name,
      },
    );
}

/** The marker of soft deletes: when a row was deleted, NULL while it is there. A table that has the column already may have a boolean there. */
export async function softDeleteMarker(
  session: Session,
  place: TablePlace,
  about: { columns: readonly CatalogueColumn[]; request: DestinationRequest; dryRun: boolean },
): Promise<PreparedTable['softDelete']> {
  const { request } = about;
  if (request.deletes !== 'soft') return null;
  const column = request.softDeleteColumn;
  const there = about.columns.find(({ name }) => name === column);
  const base = there?.type.base ?? 'timestamptz';
  if (base !== 'bool' && base !== 'timestamp' && base !== 'timestamptz')
    throw new SyncError('SCHEMA_MISMATCH', `${place.name}.${column} is to mark deleted rows: it has to be boolean or a timestamp, and is ${there?.type.sql}.`, {
      table: place.name,
      column,
    });
  if (there === undefined && request.schema === 'freeze' && place.exists)
    throw new SyncError('SCHEMA_MISMATCH', `${place.name} has no column ${JSON.stringify(column)} to mark deleted rows, and schema: freeze adds none.`, {
      table: place.name,
      column,
    });
  if (there === undefined && !about.dryRun) await session.query(`ALTER TABLE ${place.sql} ADD COLUMN IF NOT EXISTS ${quote(column)} timestamptz`);
  return base === 'bool' ? { column, marked: 'true', unmarked: 'false' } : { column, marked: 'now()', unmarked: 'NULL' };
}

/** One for each sync and table. */
export function stageName(place: TablePlace, sync: string): string {
  const digest = createHash('sha256').update(`${sync}\0${place.table}`).digest('hex').slice(0, 12);
  return qualified(postgresDialect, place.schema, `_idra_stage_${digest}`);
}

/**
 * The table that a `replace` fills before it takes the old one's place. One that has other columns than the table now has is made anew, and the sync begins from the start: its
 * rows lack what was added. In the transaction that holds the claim.
 */
export async function prepareStage(session: Session, place: TablePlace, about: { claim: Claim; stage: string }): Promise<void> {
  const { claim, stage } = about;
  const shape = async (name: string): Promise<string> => {
    const rows = await session.query(
      `SELECT attname, pg_catalog.format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
      [name],
    );
    return JSON.stringify(rows);
  };
  if ((await shape(stage)) === (await shape(place.sql))) return;
  await session.query(`DROP TABLE IF EXISTS ${stage}`);
  await session.query(
    `CREATE TABLE ${stage} (LIKE ${place.sql} INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES INCLUDING IDENTITY INCLUDING GENERATED)`,
  );
  const { sql, params } = new StateStatements(postgresDialect, place.schema).forgetCursor(claim);
  await session.query(sql, params);
}

export async function readTable(session: Session, place: TablePlace): Promise<{ columns: CatalogueColumn[]; keys: CatalogueKey[] }> {
  const found = await findTable(session, place.sql);
  if (found === null) return { columns: [], keys: [] };
  return { columns: await readColumns(session, found), keys: await readKeys(session, found) };
}
