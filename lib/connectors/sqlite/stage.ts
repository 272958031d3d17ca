/** `replace`: the new rows gather in a table of their own, over several batches and runs if need be, and take the place of the old ones in the last transaction. */
import { hash } from 'node:crypto';
import type { Schema } from '../../values/types.ts';
import { type Database, Pacer, type Statements } from './database.ts';
import { quote } from './dialect.ts';
import { droppedRows } from './errors.ts';
import { abortClause, type TableWriterOptions } from './table-writer.ts';
import type { TargetColumn } from './write-values.ts';

/** Rows moved in one statement: it blocks the event loop while it runs. */
const moveRows = 5_000;

export function stageName(sync: string, shard: string, table: string): string {
  return `_idra_stage_${hash('sha256', JSON.stringify([sync, shard, table]), 'hex').slice(0, 16)}`;
}

export interface StageColumns {
  readonly schema: Schema;
  readonly targets: readonly TargetColumn[];
}

/** From the name on, as SQLite keeps it in its catalogue. */
function definition(stage: string, { schema, targets }: StageColumns): string {
  // NULL is refused where a row can still be set aside, not when all of them take the place of the old ones
  const definitions = targets.map(
    ({ name, declared, nullable }) => `${quote(name)} ${/^[\w (),]*$/.test(declared) ? declared : ''}${nullable === false ? ' NOT NULL' : ''}`,
  );
  if (schema.key.length > 0) definitions.push(`PRIMARY KEY (${schema.key.map(quote).join(', ')})`);
  return `${quote(stage)} (${definitions.join(', ')})`;
}

export function createStage(database: Database, stage: string, columns: StageColumns): void {
  database.exec(`CREATE TABLE IF NOT EXISTS main.${definition(stage, columns)}`);
}

/** The stage is there, with the columns and the key that rows are written with now. */
export function isStaged(statements: Statements, stage: string, columns: StageColumns): boolean {
  const found = statements.first({ sql: "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?", params: [stage] });
  return found?.[0] === `CREATE TABLE ${definition(stage, columns)}`;
}

export function dropStage(database: Database, stage: string): void {
  database.exec(`DROP TABLE IF EXISTS main.${quote(stage)}`);
}

/** Within the caller's transaction: readers see the old rows until it commits. */
export async function swap(database: Database, statements: Statements, names: { readonly stage: string; readonly table: TableWriterOptions }): Promise<void> {
  const { stage } = names;
  const { table, schema } = names.table;
  const list = schema.columns.map(({ name }) => quote(name)).join(', ');
  const pacer = new Pacer();
  // Rows of other tables that refer to ours are looked at when the new rows are there
  database.exec('PRAGMA defer_foreign_keys = ON');
  database.exec(`DELETE FROM main.${quote(table)}`);
  const move = `INSERT${abortClause(names.table)} INTO main.${quote(table)} (${list}) SELECT ${list} FROM main.${quote(stage)}`;
  const rowid = rowidName(schema);
  const of = Number(statements.first({ sql: `SELECT count(*) FROM main.${quote(stage)}`, params: [] })?.[0]);
  let taken = rowid === null ? statements.run({ sql: move, params: [] }) : 0;
  for (let after: bigint | null = null; rowid !== null; ) {
    const page = ` WHERE ${after === null ? '? IS NULL' : `${rowid} > ?`} ORDER BY ${rowid} LIMIT ${moveRows}`;
    const last: unknown = statements.first({ sql: `SELECT max(r) FROM (SELECT ${rowid} AS r FROM main.${quote(stage)}${page})`, params: [after] })?.[0];
    if (typeof last !== 'bigint') break;
    taken += statements.run({ sql: `${move}${page}`, params: [after] });
    after = last;
    await pacer.turn();
  }
  if (taken !== of) throw droppedRows(table, { taken, of });
  dropStage(database, stage);
}

/** A name of the rowid that no column has taken for itself (https://www.sqlite.org/rowidtable.html); null where all are. */
function rowidName({ columns }: Schema): string | null {
  const taken = new Set(columns.map(({ name }) => name.toLowerCase()));
  return ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name)) ?? null;
}
