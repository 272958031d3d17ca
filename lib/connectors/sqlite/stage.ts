/** `replace`: the new rows gather in a table of their own, over several batches and runs if need be, and take the place of the old ones in the last transaction. */
import { hash } from 'node:crypto';
import type { Schema } from '../../values/types.ts';
import { type Database, Pacer, type Statements } from './database.ts';
import { quote } from './dialect.ts';
import type { TargetColumn } from './write-values.ts';

/** Rows moved in one statement: it blocks the event loop while it runs. */
const moveRows = 5_000;

export function stageName(sync: string, shard: string, table: string): string {
  return `_idra_stage_${hash('sha256', JSON.stringify([sync, shard, table]), 'hex').slice(0, 16)}`;
}

export function createStage(database: Database, stage: string, columns: { readonly schema: Schema; readonly targets: readonly TargetColumn[] }): void {
  const { schema, targets } = columns;
  const definitions = targets.map(({ name, declared }) => `${quote(name)} ${/^[\w (),]*$/.test(declared) ? declared : ''}`);
  if (schema.key.length > 0) definitions.push(`PRIMARY KEY (${schema.key.map(quote).join(', ')})`);
  database.exec(`CREATE TABLE IF NOT EXISTS main.${quote(stage)} (${definitions.join(', ')})`);
}

export function dropStage(database: Database, stage: string): void {
  database.exec(`DROP TABLE IF EXISTS main.${quote(stage)}`);
}

/** Within the caller's transaction: readers see the old rows until it commits. Returns the number of rows that the target took. */
export async function swap(
  database: Database,
  statements: Statements,
  names: { readonly stage: string; readonly table: string; readonly schema: Schema },
): Promise<number> {
  const { stage, table, schema } = names;
  const list = schema.columns.map(({ name }) => quote(name)).join(', ');
  const page = `FROM main.${quote(stage)} WHERE rowid > ? ORDER BY rowid LIMIT ${moveRows}`;
  const pacer = new Pacer();
  // Rows of other tables that refer to ours are looked at when the new rows are there
  database.exec('PRAGMA defer_foreign_keys = ON');
  database.exec(`DELETE FROM main.${quote(table)}`);
  let taken = 0;
  for (let after: bigint | null = -(2n ** 63n); after !== null; ) {
    const last: unknown = statements.first({ sql: `SELECT max(rowid) FROM (SELECT rowid ${page})`, params: [after] })?.[0];
    if (typeof last !== 'bigint') break;
    taken += statements.run({ sql: `INSERT INTO main.${quote(table)} (${list}) SELECT ${list} ${page}`, params: [after] });
    after = last;
    await pacer.turn();
  }
  dropStage(database, stage);
  return taken;
}
