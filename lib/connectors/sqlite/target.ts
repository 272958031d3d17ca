/** The table that rows go to: what it is, what has to be made of it, and whether that may be. */
import { SyncError } from '../../errors.ts';
import type { Column, LogicalType, Schema } from '../../values/types.ts';
import type { DestinationRequest } from '../connector.ts';
import { columnsToAdd, type ExistingColumn, refuseOneName } from '../sql/fit.ts';
import { uniqueOver } from '../sql/keys.ts';
import { parseTableName } from '../sql/names.ts';
import { type CatalogTable, cascadingReferences, findTable } from './catalog.ts';
import type { Statements } from './database.ts';
import { quote } from './dialect.ts';
import { describeTable } from './relation.ts';
import { affinityOf, createdType, declaredType } from './types.ts';
import { type TargetColumn, unfitReason } from './write-values.ts';

export interface TablePlan {
  /** As the catalogue has it, or is going to. */
  readonly table: string;
  readonly existed: boolean;
  /** Columns that it has before `ddl` has run. */
  readonly existingColumns: readonly string[];
  /** Statements that make it so. */
  readonly ddl: readonly string[];
  /** For each incoming column the one it goes to. */
  readonly targets: readonly TargetColumn[];
  readonly key: readonly string[];
  /** Statements have to overrule the `ON CONFLICT` clauses of the table's constraints. */
  readonly resolves: boolean;
}

const plainType = /^[A-Za-z_][\w ]*(?:\(\s*\d+\s*(?:,\s*\d+\s*)?\))?$/;

/** Declared types come from another file's catalogue: only what is a type and nothing else goes into a statement. */
function typeFor(column: Column, strict = false): string {
  const type = createdType(column);
  if (strict) return strictTypes[affinityOf(type)];
  return plainType.test(type) ? type : createdType({ name: column.name, type: column.type, nullable: column.nullable });
}

const strictTypes = { INTEGER: 'INTEGER', NUMERIC: 'INTEGER', REAL: 'REAL', TEXT: 'TEXT', BLOB: 'BLOB' } as const;

function targetFor(column: Column, strict = false): TargetColumn {
  const declared = typeFor(column, strict);
  return { name: column.name, declared, affinity: affinityOf(declared) };
}

/** SQLITE_MAX_COLUMN of the driver's build. */
const maxColumns = 2000;

/** SQLite folds the letters of ASCII alone. */
function foldName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function refuseColumns(table: string, schema: Schema, found: { readonly request: DestinationRequest; readonly existing: readonly string[] }): void {
  const { request, existing } = found;
  const incoming = schema.columns.map(({ name }) => name);
  const marker = request.deletes === 'soft' && !incoming.includes(request.softDeleteColumn) ? { marker: request.softDeleteColumn } : {};
  refuseOneName({ incoming, existing, ...marker }, { table, fold: foldName });
  const { size } = new Set([...existing, ...incoming, ...Object.values(marker)]);
  if (size > maxColumns)
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `${table} would have ${size} columns, and a table of SQLite has at most ${maxColumns}: leave some out (columns.exclude).`,
      {
        table,
      },
    );
}

/** The time of the deletion in UTC; NULL while the row is there. */
const markerType = 'TIMESTAMPTZ TEXT(3)';

/** Null where there is no file yet, in which case there is no table either. */
export function planTable(statements: Statements | null, schema: Schema, request: DestinationRequest): TablePlan {
  const written = (request.options as { table: string }).table;
  const found = statements === null ? null : findTable(statements, written);
  return found === null || statements === null
    ? planNew(parseTableName(written).table.text, schema, request)
    : planExisting(statements, found, { schema, request });
}

function planNew(table: string, schema: Schema, request: DestinationRequest): TablePlan {
  refuseColumns(table, schema, { request, existing: [] });
  const targets = schema.columns.map((column) => ({ ...targetFor(column), nullable: column.nullable && !schema.key.includes(column.name) }));
  const definitions = targets.map(({ name, declared, nullable }) => `${quote(name)} ${declared}${nullable ? '' : ' NOT NULL'}`);
  if (request.deletes === 'soft' && !schema.columns.some(({ name }) => name === request.softDeleteColumn))
    definitions.push(`${quote(request.softDeleteColumn)} ${markerType}`);
  if (schema.key.length > 0) definitions.push(`PRIMARY KEY (${schema.key.map(quote).join(', ')})`);
  return {
    table,
    existed: false,
    existingColumns: [],
    ddl: [`CREATE TABLE main.${quote(table)} (${definitions.join(', ')})`],
    targets,
    key: schema.key,
    resolves: false,
  };
}

function planExisting(statements: Statements, found: CatalogTable, asked: { schema: Schema; request: DestinationRequest }): TablePlan {
  const { schema, request } = asked;
  const { name: table } = found;
  if (found.kind !== 'table') throw new SyncError('SCHEMA_MISMATCH', `${table} is a ${found.kind}: rows can be written to a table only.`, { table });
  const existingColumns = found.columns.map(({ name }) => name);
  refuseColumns(table, schema, { request, existing: existingColumns });
  const existing = found.columns.map(
    (column): ExistingColumn => ({
      name: column.name,
      type: declaredType(column.declared).type,
      nullable: column.nullable,
      native: { system: 'sqlite', type: column.declared },
      filled: column.hasDefault,
      computed: column.generated,
    }),
  );
  const columnNamed = (name: string): TargetColumn | undefined => found.columns.find((column) => column.name === name);
  const described = describeTable(statements, found, '');
  const byRows = (name: string): LogicalType | undefined => {
    const filled = statements.first({ sql: `SELECT 1 FROM ${described.relation.from} WHERE ${quote(name)} IS NOT NULL LIMIT 1`, params: [] }) !== undefined;
    return filled ? described.columns.find(({ column }) => column.name === name)?.column.type : undefined;
  };
  const fits = (incoming: Column): string | null => {
    const target = columnNamed(incoming.name);
    return target === undefined ? null : unfitReason(incoming, target, byRows);
  };
  const add = columnsToAdd(schema, existing, { table, schema: request.schema, fits });
  const ddl = add.map((column) => `ALTER TABLE main.${quote(table)} ADD COLUMN ${quote(column.name)} ${typeFor(column, found.strict)}`);
  const marker = request.softDeleteColumn;
  if (request.deletes === 'soft' && columnNamed(marker) === undefined && !schema.columns.some(({ name }) => name === marker)) {
    if (request.schema === 'freeze')
      throw new SyncError('SCHEMA_MISMATCH', `${table} has no column ${JSON.stringify(marker)} to mark deleted rows, and schema: freeze adds none.`, {
        table,
        column: marker,
      });
    ddl.push(`ALTER TABLE main.${quote(table)} ADD COLUMN ${quote(marker)} ${found.strict ? 'TEXT' : markerType}`);
  }
  if (request.write === 'upsert') requireKey(found, schema);
  if (request.write === 'replace') {
    const [child] = cascadingReferences(statements, table);
    if (child !== undefined)
      throw new SyncError(
        'SCHEMA_MISMATCH',
        `${table} cannot be replaced: a foreign key of ${child} would delete or change that table's rows with the old ones (ON DELETE).`,
        { table },
      );
  }
  const targets = schema.columns.map((column) => columnNamed(column.name) ?? targetFor(column, found.strict));
  return { table, existed: true, existingColumns, ddl, targets, key: schema.key, resolves: found.resolves };
}

function requireKey(found: CatalogTable, schema: Schema): void {
  const { name: table } = found;
  if (schema.key.length === 0) throw new SyncError('KEY_REQUIRED', `An upsert into ${table} needs a key: name it in the definition.`, { table });
  const unique = uniqueOver(found.keys, schema.key);
  if (unique === undefined)
    throw new SyncError(
      'KEY_REQUIRED',
      `An upsert into ${table} goes by ${schema.key.join(', ')}, but no primary key or unique index of the table is over exactly these columns.`,
      { table },
    );
  if (found.keys.some((key) => key.name === unique.name && key.folds))
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `The unique key of ${table} over ${schema.key.join(', ')} has a collation that takes different texts for one key: rows of the source would overwrite each other.`,
      { table },
    );
}
