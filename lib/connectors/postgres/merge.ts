/** Statements that move a batch from where COPY put it into the table. */
import type { CatalogueColumn } from './catalogue.ts';
import { postgresDialect } from './dialect.ts';
import type { PreparedTable } from './target-table.ts';
import { equalAsText, isNumber } from './types.ts';

const quote = postgresDialect.quote;

/** Rows as they stand; rows with an operation behind them. Temporary tables are each connection's own. */
export const batchTable = 'pg_temp._idra_batch';
export const changesTable = 'pg_temp._idra_changes';
export const operationColumn = '_idra_operation';

/** Types of the table's columns without its constraints: those are for the table to check. */
export function createBatchTable(table: PreparedTable): string {
  return `CREATE TEMPORARY TABLE IF NOT EXISTS ${batchTable.slice('pg_temp.'.length)} ON COMMIT DELETE ROWS AS SELECT ${names(table)} FROM ${table.place.sql} WHERE false`;
}

export function createChangesTable(table: PreparedTable): string {
  return `CREATE TEMPORARY TABLE IF NOT EXISTS ${changesTable.slice('pg_temp.'.length)} ON COMMIT DELETE ROWS AS SELECT ${names(table)}, 0::smallint AS ${operationColumn} FROM ${table.place.sql} WHERE false`;
}

export function names(table: PreparedTable): string {
  return table.columns.map(({ name }) => quote(name)).join(', ');
}

/** `dedupe`: the last row of a key wins. COPY fills the temporary table in order, so `ctid` is the order of the batch. */
export function upsertFrom(table: PreparedTable, from: string, options: { dedupe: boolean; operations: boolean }): string {
  const key = keyList(table);
  const rows = options.dedupe ? `(SELECT DISTINCT ON (${key}) * FROM ${from} ORDER BY ${key}, ctid DESC) AS b` : `${from} AS b`;
  const where = options.operations ? ` WHERE b.${operationColumn} <> 2` : '';
  return `INSERT INTO ${table.place.sql} (${names(table)})${overriding(table)} SELECT ${table.columns.map(({ name }) => `b.${quote(name)}`).join(', ')} FROM ${rows}${where} ${onConflict(table)}`;
}

/** How many rows `upsertFrom` has to change, those of a key twice counted once. */
export function keysIn(table: PreparedTable, from: string, { operations }: { operations: boolean }): string {
  const key = keyList(table);
  if (!operations) return `SELECT count(*) FROM (SELECT DISTINCT ${key} FROM ${from}) AS b`;
  const last = `SELECT DISTINCT ON (${key}) ${operationColumn} FROM ${from} ORDER BY ${key}, ctid DESC`;
  return `SELECT count(*) FROM (${last}) AS b WHERE ${operationColumn} <> 2`;
}

/** An upsert of nothing but keys leaves alone what is there, and says so in its count. */
export function onlyKeys(table: PreparedTable): boolean {
  return changes(table).length === 0;
}

/** Deletes (or marks) the rows whose last operation in the batch is a delete. */
export function deleteFrom(table: PreparedTable, from: string): string {
  const key = keyList(table);
  const last = `(SELECT DISTINCT ON (${key}) * FROM ${from} ORDER BY ${key}, ctid DESC) AS b`;
  const match = `${table.key.map((name) => `t.${quote(name)} = b.${quote(name)}`).join(' AND ')} AND b.${operationColumn} = 2`;
  const { softDelete } = table;
  if (softDelete === null) return `DELETE FROM ${table.place.sql} AS t USING ${last} WHERE ${match}`;
  return `UPDATE ${table.place.sql} AS t SET ${quote(softDelete.column)} = ${softDelete.marked} FROM ${last} WHERE ${match}`;
}

/** A row of the batch without a key: ON CONFLICT would take each for a new one. */
export function nullKeyCheck(table: PreparedTable, from: string): string | null {
  if (table.nullableKey.length === 0) return null;
  return `SELECT 1 FROM ${from} WHERE ${table.nullableKey.map((name) => `${quote(name)} IS NULL`).join(' OR ')} LIMIT 1`;
}

/**
 * The staged rows take the place of the old ones. DELETE rather than TRUNCATE: readers see the old rows until the commit, and wait for nothing. A table that others refer to keeps the rows
 * whose keys stay. `left` finds an old row that the DELETE did not take: a trigger, a rule or a policy can keep it without a word.
 */
export function replaceStatements(table: PreparedTable, referenced: boolean): { count: string; remove: string; left: string; insert: string; empty: string } {
  const stage = table.stage ?? '';
  const around = { count: `SELECT count(*) FROM ${stage}`, empty: `TRUNCATE ${stage}` };
  const insert = `INSERT INTO ${table.place.sql} (${names(table)})${overriding(table)} SELECT ${names(table)} FROM ${stage}`;
  if (!referenced || table.key.length === 0)
    return { ...around, remove: `DELETE FROM ${table.place.sql}`, left: `SELECT 1 FROM ${table.place.sql} LIMIT 1`, insert };
  const same = table.key.map((name) => `t.${quote(name)} = s.${quote(name)}`).join(' AND ');
  const old = `FROM ${table.place.sql} AS t WHERE NOT EXISTS (SELECT 1 FROM ${stage} AS s WHERE ${same})`;
  return {
    ...around,
    remove: `DELETE ${old}`,
    left: `SELECT 1 ${old} LIMIT 1`,
    insert: `${insert} ${onConflict(table)}`,
  };
}

export const referencedQuery = "SELECT 1 FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = to_regclass($1) LIMIT 1";

function keyList(table: PreparedTable): string {
  return table.key.map(quote).join(', ');
}

function overriding(table: PreparedTable): string {
  return table.overriding ? ' OVERRIDING SYSTEM VALUE' : '';
}

/** What an upsert sets in a row that is there. Of the key only what can be equal and yet another value (1.0 and 1.00, a and A in citext); an identity column that is ALWAYS its own takes no UPDATE. */
function changes(table: PreparedTable): string[] {
  const differs = ({ type, folds, identityAlways }: CatalogueColumn): boolean => !identityAlways && (folds || isNumber(type) || !equalAsText(type));
  const set = table.columns
    .filter((column) => !table.key.includes(column.name) || differs(column))
    .map(({ name }) => `${quote(name)} = EXCLUDED.${quote(name)}`);
  if (table.softDelete !== null) set.push(`${quote(table.softDelete.column)} = ${table.softDelete.unmarked}`);
  return set;
}

function onConflict(table: PreparedTable): string {
  const set = changes(table);
  return `ON CONFLICT (${keyList(table)}) DO ${set.length === 0 ? 'NOTHING' : `UPDATE SET ${set.join(', ')}`}`;
}
