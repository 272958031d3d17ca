import type { Cursor, Remaining } from '../connector.ts';
import type { ReadPlan } from '../sql/read-plan.ts';
import { sqlState } from './errors.ts';
import type { Session } from './session.ts';

/** Below this estimate the rows are counted. */
const countedRows = 200_000;
/** Nobody waits longer for a number that is only shown. */
const patienceMs = 2000;

/** Rows after a cursor: the planner's estimate, or a count where that is cheap. */
export async function remainingRows(session: Session, plan: ReadPlan, from: Cursor | null): Promise<Remaining> {
  let estimate = 0;
  let rows = 0;
  let exact = true;
  let lagSeconds: number | undefined;
  await session.query('BEGIN READ ONLY');
  try {
    await session.query(`SET LOCAL statement_timeout = ${patienceMs}`);
    for (const pass of plan.passes(from)) {
      if (pass.boundary === 'fixed') continue;
      const [explained] = await session.query(`EXPLAIN (FORMAT JSON) SELECT 1 ${pass.body}`);
      const planned: unknown = JSON.parse(explained?.[0] ?? '[]');
      estimate += plannedRows(planned);
      if (estimate > countedRows) {
        exact = false;
        rows = estimate;
        continue;
      }
      const time = plan.selected[plan.cursorIndexes[0] ?? -1];
      const dated = plan.shape?.family === 'timestamp' && !pass.nulls && time !== undefined && (time.type.kind === 'timestamp' || time.type.kind === 'date');
      const lag = dated ? age(quoted(time.name)) : 'NULL';
      const [counted] = await session.query(`SELECT count(*), CASE WHEN count(*) > 0 THEN ${lag} END ${pass.body}`);
      rows += Number(counted?.[0] ?? 0);
      const seconds = counted?.[1] ?? null;
      if (seconds !== null && Number.isFinite(Number(seconds))) lagSeconds = Math.max(0, Number(seconds));
    }
    await session.query('COMMIT');
  } catch (error) {
    if (!session.lost) await session.query('ROLLBACK');
    // The count took too long: the estimate has to do
    if (sqlState(error) !== '57014') throw error;
    return estimate > 0 ? { rows: estimate, exact: false } : {};
  }
  return { rows, exact, ...(lagSeconds === undefined ? {} : { lagSeconds }) };
}

function plannedRows(explained: unknown): number {
  const [first] = Array.isArray(explained) ? explained : [];
  const rows: unknown = first?.Plan?.['Plan Rows'];
  return typeof rows === 'number' ? rows : 0;
}

/** Seconds since the least time of a column. Infinity has no distance, and a date may lie where no timestamp reaches. */
function age(column: string): string {
  const least = `min(${column}) FILTER (WHERE isfinite(${column}))`;
  return `CASE WHEN ${least} > clock_timestamp() THEN 0 ELSE extract(epoch FROM clock_timestamp() - (${least})::timestamptz) END`;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
