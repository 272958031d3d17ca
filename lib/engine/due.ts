import { Cron } from 'croner';
import type { ScheduleDefinition } from '../config/definition.ts';
import { isAheadOfTime } from './clock-skew.ts';

/** A cron sync that was never planned runs for a time that has just come, and not for one that passed before it was known: one tick, and one that came late. */
const firstCronWindowMs = 120_000;

/**
 * The slot that is due, in milliseconds since the epoch, or null where there is none. Slots that were missed are made up for by one: the newest.
 *
 * `every`: multiples of its length since the epoch; a sync that was never planned is due at once. `cron`: the times that it names.
 */
export function dueSlot(schedule: ScheduleDefinition | null, { now, planned }: { readonly now: number; readonly planned: number | null }): number | null {
  if (schedule === null) return null;
  const slot = 'everyMs' in schedule ? Math.floor(now / schedule.everyMs) * schedule.everyMs : lastCronTime(schedule, now);
  if (slot === null) return null;
  if (planned === null || isAheadOfTime(planned, now)) return 'everyMs' in schedule || now - slot < firstCronWindowMs ? slot : null;
  return slot > planned ? slot : null;
}

function lastCronTime({ cron, timezone }: { readonly cron: string; readonly timezone: string }, now: number): number | null {
  // Times are whole seconds, and the one at the reference itself is left out.
  const afterNow = new Date(Math.floor(now / 1000) * 1000 + 1000);
  const [last] = new Cron(cron, { timezone }).previousRuns(1, afterNow);
  return last?.getTime() ?? null;
}
