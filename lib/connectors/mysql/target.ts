/** What stands in the destination and what has to be made before rows can be written. */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import type { Column, Schema } from '../../values/types.ts';
import type { DestinationRequest } from '../connector.ts';
import { qualified } from '../sql/dialect.ts';
import { columnsToAdd, type ExistingColumn, logicalFit } from '../sql/fit.ts';
import { type UniqueKey, uniqueOver } from '../sql/keys.ts';
import { type CatalogueColumn, type FoundTable, findTable, onlyKeyCounts, readColumns, readDependents, readKeys, refuseName } from './catalogue.ts';
import { columnType, createTable, exactCollation, type Making, markerType, withNull } from './create-table.ts';
import { mysqlDialect, quote } from './dialect.ts';
import type { Session } from './session.ts';
import type { ColumnFacts } from './types.ts';

/** How an upsert is applied (see README.md). */
export type UpsertWay = 'replace' | 'merge' | 'updateThenInsert';

export interface TargetTable {
  readonly schema: string;
  readonly table: string;
  /** As messages name it. */
  readonly name: string;
  /** Quoted, qualified. */
  readonly into: string;
  readonly existed: boolean;
  readonly existingColumns: readonly string[];
  readonly ddl: readonly string[];
}

/** The target after its DDL has run: incoming columns in their order. */
export interface ReadyTable extends TargetTable {
  readonly columns: readonly CatalogueColumn[];
  readonly incoming: Schema;
  readonly marker: string | null;
  readonly upsert: UpsertWay;
}

export async function planTarget(
  session: Session,
  name: { schema: string; table: string },
  asked: { incoming: Schema; request: DestinationRequest },
): Promise<TargetTable> {
  const { incoming, request } = asked;
  const found = await findTable(session, name);
  const collations = new Set((await session.query('SELECT COLLATION_NAME FROM information_schema.COLLATIONS')).map(([collation]) => collation ?? ''));
  const making: Making = { server: session.server, collations, collation: exactCollation(collations) };
  const marker = request.deletes === 'soft' && !incoming.columns.some((column) => column.name === request.softDeleteColumn) ? request.softDeleteColumn : null;
  const base = { schema: found?.schema ?? name.schema, table: found?.table ?? name.table };
  const into = qualified(mysqlDialect, base.schema, base.table);
  for (const column of incoming.columns) refuseName(column.name, 'column');
  const table = { ...base, into, name: `${base.schema}.${base.table}` };
  if (found === null) {
    if (request.write === 'upsert' && incoming.key.length === 0) throw keyRequired(table.name);
    return { ...table, existed: false, existingColumns: [], ddl: [createTable(into, incoming, { ...making, marker })] };
  }
  refuseEngine(found, table.name);
  const columns = await readColumns(session, found);
  const add = columnsToAdd(incoming, columns, { table: table.name, schema: request.schema, fits: (column, existing) => unfit(column, existing) });
  const ddl = add.map((column) => `ADD COLUMN ${quote(column.name)} ${withNull(columnType(column, incoming, making), false)}`);
  if (marker !== null && !columns.some((column) => column.name === marker)) {
    if (request.schema === 'freeze')
      throw new SyncError('SCHEMA_MISMATCH', `${table.name} has no column ${JSON.stringify(marker)} to mark deleted rows, and schema: freeze adds none.`, {
        table: table.name,
        column: marker,
      });
    ddl.push(`ADD COLUMN ${quote(marker)} ${markerType}`);
  }
  await upsertWay(session, table, { incoming, request, columns });
  return {
    ...table,
    existed: true,
    existingColumns: columns.map((column) => column.name),
    ddl: ddl.length === 0 ? [] : [`ALTER TABLE ${into} ${ddl.join(', ')}`],
  };
}

export async function readyTarget(session: Session, planned: TargetTable, asked: { incoming: Schema; request: DestinationRequest }): Promise<ReadyTable> {
  const { incoming, request } = asked;
  const all = await readColumns(session, planned);
  const columns = incoming.columns.map((column) => {
    const there = all.find((candidate) => candidate.name === column.name);
    if (there === undefined)
      throw new SyncError('SCHEMA_MISMATCH', `${planned.name} lost its column ${JSON.stringify(column.name)} while it was being prepared.`, {
        table: planned.name,
        column: column.name,
      });
    return there;
  });
  const marker = request.deletes === 'soft' && !incoming.columns.some((column) => column.name === request.softDeleteColumn) ? request.softDeleteColumn : null;
  return { ...planned, columns, incoming, marker, upsert: await upsertWay(session, planned, { incoming, request, columns: all }) };
}

/** Checks what the write mode needs of the table and chooses how an upsert is applied. */
async function upsertWay(
  session: Session,
  table: { schema: string; table: string; name: string },
  asked: { incoming: Schema; request: DestinationRequest; columns: readonly CatalogueColumn[] },
): Promise<UpsertWay> {
  const { incoming, request, columns } = asked;
  if (request.write === 'insert') return 'merge';
  const { referencedBy, cascades, triggers } = await readDependents(session, table);
  if (request.write === 'replace') {
    if (cascades[0] !== undefined)
      throw new SyncError(
        'SCHEMA_MISMATCH',
        `${table.name} cannot be replaced: a foreign key of ${cascades[0]} would delete or change rows there with the old ones.`,
        {
          table: table.name,
        },
      );
    return 'merge';
  }
  if (incoming.key.length === 0) throw keyRequired(table.name);
  const keys = await readKeys(session, table);
  const key = uniqueOver(
    keys.filter(({ whole }) => whole),
    incoming.key,
  );
  if (key === undefined)
    throw new SyncError(
      'KEY_REQUIRED',
      `An upsert into ${table.name} goes by ${incoming.key.join(', ')}, but no primary key or unique index of the table is over exactly these columns.`,
      { table: table.name },
    );
  refuseFolding(table.name, key, { incoming, columns });
  const others = keys.some((other) => other.name !== key.name);
  if (others) return 'updateThenInsert';
  const brought = new Set(incoming.columns.map(({ name }) => name));
  const complete = columns.every((column) => column.computed || brought.has(column.name) || column.name === request.softDeleteColumn);
  const free = referencedBy.length === 0 && triggers.length === 0 && (await onlyKeyCounts(session, table, incoming.key));
  return complete && free ? 'replace' : 'merge';
}

/** A collation that takes different texts for one key would let rows overwrite each other, unless the source's key has the very same one. */
function refuseFolding(table: string, key: UniqueKey, asked: { incoming: Schema; columns: readonly CatalogueColumn[] }): void {
  for (const name of key.columns) {
    const column = asked.columns.find((candidate) => candidate.name === name);
    const incoming = asked.incoming.columns.find((candidate) => candidate.name === name);
    if (column === undefined || incoming === undefined || incoming.type.kind !== 'string' || !folds(column.facts)) continue;
    if (incoming.native?.system === column.native?.system && incoming.native?.type === column.native?.type) continue;
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `${table}.${name} is part of the key and has collation ${column.facts.collation}, which takes different texts for one key: rows of the source would overwrite each other. Give the column a collation that ends in _bin, or let Idra make the table.`,
      { table, column: name },
    );
  }
}

/** Case, accents and the like. Collations that ignore trailing spaces alone are guarded value by value. */
function folds(facts: ColumnFacts): boolean {
  return facts.collation !== null && !facts.collation.endsWith('_bin') && facts.collation !== 'binary';
}

export function ignoresTrailingSpaces(facts: ColumnFacts): boolean {
  return facts.collation !== null && !/(nopad_bin|0900_bin)$/.test(facts.collation) && !folds(facts);
}

function refuseEngine(found: FoundTable, name: string): void {
  if (found.engine === null) throw new SyncError('SCHEMA_MISMATCH', `${name} is a view: rows can be written to a table only.`, { table: name });
  if (found.engine !== 'InnoDB')
    throw new SyncError('UNSUPPORTED', `${name} is kept by ${found.engine}, which has no transactions: change it to InnoDB (ALTER TABLE … ENGINE=InnoDB).`, {
      table: name,
    });
}

/** Null: each value fits, or is refused aloud. */
function unfit(incoming: Column, existing: ExistingColumn): string | null {
  const { facts } = existing as CatalogueColumn;
  const from = incoming.type;
  if ((facts.base === 'double' || facts.base === 'float') && facts.scale !== null) return 'a column that keeps a fixed number of digits would round';
  if (from.kind === 'boolean' && (/int$/.test(facts.base) || facts.base === 'bit')) return null;
  if (facts.base === 'tinyint' && (from.kind === 'int32' || from.kind === 'int64' || from.kind === 'uint64')) return null;
  if (facts.base === 'bit' && (from.kind === 'int32' || from.kind === 'int64' || from.kind === 'uint64')) return null;
  if (facts.base === 'double' && from.kind === 'int32') return null;
  if (facts.base === 'enum' || facts.base === 'set') return from.kind === 'string' ? null : `a ${from.kind} is no ${facts.base}`;
  return logicalFit(from, existing.type);
}

function keyRequired(table: string): SyncError {
  return new SyncError('KEY_REQUIRED', `An upsert into ${table} needs a key: the source has none in its catalogue, so name it in the definition (key).`, {
    table,
  });
}

/** Name of a table of Idra's own beside the target: as long as a name may be, whatever the sync is called. */
export function ownName(kind: 'load' | 'stage', sync: { sync: string; shard: string; table: string }): string {
  return `_idra_${kind}_${createHash('sha256')
    .update(JSON.stringify([sync.sync, sync.shard, sync.table]))
    .digest('hex')
    .slice(0, 16)}`;
}
