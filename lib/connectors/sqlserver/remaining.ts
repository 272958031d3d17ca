import type { Cursor, Remaining } from '../connector.ts';
import type { ReadPlan } from '../sql/read-plan.ts';
import { quote } from './dialect.ts';
import type { Session } from './session.ts';

/** Nobody waits longer for a number that is only shown. */
const patienceMs = 2000;

export interface Counting {
  readonly from: Cursor | null;
  /** Stands before each statement: what its conditions name. */
  readonly declare: string;
  /** Rows of the table as the catalogue counts them; null for a query. */
  readonly tableRows: () => Promise<number | null>;
}

/** Rows after a cursor: counted where that is quick, otherwise those of the whole table. */
export async function remainingRows(session: Session, plan: ReadPlan, counting: Counting): Promise<Remaining> {
  let rows = 0;
  let lagSeconds: number | undefined;
  for (const pass of plan.passes(counting.from)) {
    if (pass.boundary === 'fixed') continue;
    const time = plan.selected[plan.cursorIndexes[0] ?? -1];
    const dated = plan.shape?.family === 'timestamp' && !pass.nulls && time !== undefined && (time.type.kind === 'timestamp' || time.type.kind === 'date');
    const lag = dated ? `DATEDIFF_BIG(second, MIN(${quote(time.name)}), SYSUTCDATETIME())` : 'NULL';
    const outcome = await session.tryRun(`${counting.declare}SELECT COUNT_BIG(*), ${lag} ${pass.body}`, pass.params, patienceMs);
    if (outcome === null) {
      const estimate = await counting.tableRows();
      return estimate === null ? {} : { rows: estimate, exact: false };
    }
    const [count = 0, age = null] = outcome.rows[0] ?? [];
    rows += Number(count);
    if (age !== null) lagSeconds = Math.max(0, Number(age));
  }
  return { rows, exact: true, ...(lagSeconds === undefined ? {} : { lagSeconds }) };
}
