import { Cron } from 'croner';
import type { ScheduleDefinition } from '../config/definition.ts';

/**
 * Milliseconds since the epoch of the next run. `every` starts at once and then keeps to multiples of its length, so that what a slow run has missed is not made up for in a burst; `cron` waits
 * for its first time. Infinity for what never comes.
 */
export function nextRunAt(schedule: ScheduleDefinition | null, { now, isFirst }: { now: number; isFirst: boolean }): number {
  if (schedule === null) return Number.POSITIVE_INFINITY;
  if ('everyMs' in schedule) return isFirst ? now : (Math.floor(now / schedule.everyMs) + 1) * schedule.everyMs;
  return new Cron(schedule.cron, { timezone: schedule.timezone }).nextRun(new Date(now))?.getTime() ?? Number.POSITIVE_INFINITY;
}
