import type { Cursor, Remaining } from '../connector.ts';
import type { ReadPlan } from '../sql/read-plan.ts';
import { quote } from './dialect.ts';
import { errorNumber } from './errors.ts';
import type { Session } from './session.ts';

/** Below this estimate the rows are counted. */
const countedRows = 200_000;
/** Nobody waits longer for a number that is only shown. */
const patienceSeconds = 2;
/** ER_QUERY_TIMEOUT of MySQL, ER_STATEMENT_TIMEOUT of MariaDB. */
const timeouts: ReadonlySet<number | undefined> = new Set([3024, 1969]);

/** Rows after a cursor: the optimizer's estimate, or a count where that is cheap. */
export async function remainingRows(session: Session, plan: ReadPlan, from: Cursor | null): Promise<Remaining> {
  let rows = 0;
  let exact = true;
  let lagSeconds: number | undefined;
  for (const pass of plan.passes(from)) {
    if (pass.boundary === 'fixed') continue;
    const estimate = estimated(await session.run(`EXPLAIN SELECT 1 ${pass.body}`));
    if (estimate > countedRows) {
      exact = false;
      rows += estimate;
      continue;
    }
    const time = plan.selected[plan.cursorIndexes[0] ?? -1];
    const dated = plan.shape?.family === 'timestamp' && !pass.nulls && time !== undefined && (time.type.kind === 'timestamp' || time.type.kind === 'date');
    const lag = dated ? `TIMESTAMPDIFF(SECOND, MIN(${quote(time.name)}), UTC_TIMESTAMP())` : 'NULL';
    const counted = await counting(session, `COUNT(*), ${lag} ${pass.body}`);
    if (counted === null) {
      exact = false;
      rows += estimate;
      continue;
    }
    rows += Number(counted[0] ?? 0);
    const age = counted[1] ?? null;
    if (age !== null) lagSeconds = Math.max(0, Number(age));
  }
  return { rows, exact, ...(lagSeconds === undefined ? {} : { lagSeconds }) };
}

/** The first row; null where it took too long. */
async function counting(session: Session, select: string): Promise<(string | null)[] | null> {
  const sql = session.server.mariadb
    ? `SET STATEMENT max_statement_time = ${patienceSeconds} FOR SELECT ${select}`
    : `SELECT /*+ MAX_EXECUTION_TIME(${patienceSeconds * 1000}) */ ${select}`;
  try {
    return (await session.query(sql))[0] ?? [];
  } catch (error) {
    if (timeouts.has(errorNumber(error))) return null;
    throw error;
  }
}

/** The rows that the plan's tables are read for, multiplied as joins do. */
function estimated({ rows, fields }: { rows: (string | null)[][]; fields: readonly { name: string }[] }): number {
  const column = fields.findIndex(({ name }) => name.toLowerCase() === 'rows');
  return rows.reduce((product, row) => product * Math.max(1, Number(row[column] ?? 1)), rows.length === 0 ? 0 : 1);
}
