import type { Statements } from './database.ts';

/** Rows of a table that an estimate is made from. */
const sampledRows = 20_000;

/** Rows of a table with a rowid, `from` as in FROM: counted where they are few, else by how dense the first rowids lie, since a count would read all of the file. */
export function estimateRows(statements: Statements, from: string): { readonly rows: number; readonly exact: boolean } {
  const sample = `SELECT rowid AS id FROM ${from} ORDER BY rowid LIMIT ${sampledRows}`;
  const ends = `SELECT count(*), min(id), max(id), (SELECT max(rowid) FROM ${from}) FROM (${sample})`;
  const [counted = 0, first = 0, last = 0, end = 0] = (statements.first({ sql: ends, params: [] }) ?? []).map(Number);
  if (counted < sampledRows) return { rows: counted, exact: true };
  return { rows: Math.round((counted * (end - first + 1)) / (last - first + 1)), exact: false };
}
