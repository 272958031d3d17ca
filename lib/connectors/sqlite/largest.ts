import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import type { Value } from '../../values/types.ts';
import { findColumn } from '../sql/read-plan.ts';
import { findTable } from './catalog.ts';
import type { Statements } from './database.ts';
import { quote } from './dialect.ts';
import { valueReader } from './read-values.ts';
import { describeTable } from './relation.ts';
import { ordersAsText } from './write-values.ts';

/**
 * Largest value of the first column, then the largest of the next among the rows that share it, as canonical text; null without rows. Throws `UNSUPPORTED` where the order of the stored
 * values is not the order of what they mean.
 */
export function largest(statements: Statements, written: string, columns: readonly string[]): readonly Value[] | null {
  const table = findTable(statements, written);
  if (table === null) return null;
  const { relation, columns: known } = describeTable(statements, table, '');
  const used = columns.map((name) => {
    const { type } = findColumn(relation, name);
    const facts = table.columns.find((column) => column.name === name);
    if (facts !== undefined && !ordersAsText(type, facts))
      throw new SyncError(
        'UNSUPPORTED',
        `${table.name}.${name} is ${facts.declared}, which SQLite orders as text: its largest value cannot be found. Use mode id or timestamp.`,
        {
          table: table.name,
          column: name,
        },
      );
    const read = known.find(({ column }) => column.name === name);
    return { name, type, read, expression: `${relation.qualifier}.${quote(name)}` };
  });
  const [first] = used;
  if (first === undefined) return null;
  for (const column of used) if (column.type.kind === 'date' || column.type.kind === 'timestamp') refuseSigns(statements, table.name, column);
  if (first.type.kind === 'timestamp' && first.type.zoned) refuseOffsets(statements, table.name, first);
  const order = used.map(({ expression }) => `${expression} DESC`).join(', ');
  const list = used.map(({ expression }) => expression).join(', ');
  const row = statements.first({ sql: `SELECT ${list} FROM ${relation.from} WHERE ${first.expression} IS NOT NULL ORDER BY ${order} LIMIT 1`, params: [] });
  if (row === undefined) return null;
  return used.map(({ type, read }, i) => {
    const raw = row[i] ?? null;
    if (raw === null || read === undefined) return null;
    // Integers come as bigint here, which the reader knows as digits
    return toText(valueReader(read.column, 'refuse')(typeof raw === 'bigint' ? bigintForm(raw, type.kind) : raw), type);
  });
}

function bigintForm(raw: bigint, kind: string): unknown {
  return kind === 'boolean' ? Number(raw) : String(raw);
}

/** Years before 1 and after 9999 have a sign: as text they stand before all others, and among themselves in any order. */
function refuseSigns(statements: Statements, table: string, column: { readonly name: string; readonly expression: string }): void {
  const { name, expression } = column;
  // The slash stands before the digits and is no number, of which NUMERIC affinity would make one
  const sql = `SELECT 1 FROM main.${quote(table)} WHERE ${expression} < '/' AND typeof(${expression}) = 'text' AND ${expression} <> '-infinity' LIMIT 1`;
  if (statements.first({ sql, params: [] }) !== undefined)
    throw new SyncError(
      'UNSUPPORTED',
      `${table}.${name} holds years before 1 or after 9999, which SQLite does not order by time, since they are text: the latest cannot be found. Use mode timestamp, or leave such rows out (where).`,
      { table, column: name },
    );
}

/** Text of several offsets does not sort by time. */
function refuseOffsets(statements: Statements, table: string, column: { readonly name: string; readonly expression: string }): void {
  const { name, expression } = column;
  const sql = `SELECT count(DISTINCT substr(${expression}, -6)) FROM main.${quote(table)} WHERE ${expression} NOT IN ('infinity', '-infinity')`;
  const offsets = statements.first({ sql, params: [] })?.[0];
  if (typeof offsets === 'bigint' && offsets > 1n)
    throw new SyncError(
      'UNSUPPORTED',
      `${table}.${name} holds timestamps of several offsets, which SQLite orders as text: the latest cannot be found. Use mode timestamp.`,
      { table, column: name },
    );
}
