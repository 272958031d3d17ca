import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dueSlot } from '../../lib/engine/due.ts';

const at = (text: string) => Date.parse(text);
const cron = (expression: string, timezone = 'UTC') => ({ cron: expression, timezone });

describe('due slots', () => {
  it('a sync without a schedule is never due', () => {
    expect(dueSlot(null, { now: at('2026-01-01T00:00:00Z'), planned: null })).toBeNull();
  });

  it('every: due at once, then once for each multiple, and missed ones are made up for by one', () => {
    const every5m = { everyMs: 300_000 };
    const slot = dueSlot(every5m, { now: at('2026-01-01T10:07:31Z'), planned: null });
    expect(slot).toBe(at('2026-01-01T10:05:00Z'));
    expect(dueSlot(every5m, { now: at('2026-01-01T10:09:59Z'), planned: slot })).toBeNull();
    expect(dueSlot(every5m, { now: at('2026-01-01T10:10:00Z'), planned: slot })).toBe(at('2026-01-01T10:10:00Z'));
    expect(dueSlot(every5m, { now: at('2026-01-01T13:01:00Z'), planned: slot })).toBe(at('2026-01-01T13:00:00Z'));
  });

  it('cron: at its own time, in its own zone, and not for a time that passed before the sync was known', () => {
    const daily = cron('0 3 * * *', 'Europe/Berlin');
    expect(dueSlot(daily, { now: at('2026-07-01T01:00:00Z'), planned: null })).toBe(at('2026-07-01T01:00:00Z'));
    expect(dueSlot(daily, { now: at('2026-07-01T01:00:59Z'), planned: null })).toBe(at('2026-07-01T01:00:00Z'));
    expect(dueSlot(daily, { now: at('2026-07-01T14:00:00Z'), planned: null })).toBeNull();
    expect(dueSlot(daily, { now: at('2026-07-03T14:00:00Z'), planned: at('2026-07-01T01:00:00Z') })).toBe(at('2026-07-03T01:00:00Z'));
    expect(dueSlot(daily, { now: at('2026-07-03T14:01:00Z'), planned: at('2026-07-03T01:00:00Z') })).toBeNull();
  });

  it('cron: a night in which an hour comes twice has one slot for each time that it names, and the lost hour breaks nothing', () => {
    const nightly = cron('30 2 * * *', 'Europe/Berlin');
    for (const day of ['2026-03-29', '2026-10-25']) {
      let planned = at(`${day}T00:00:00Z`) - 3_600_000;
      let slots = 0;
      for (let now = at(`${day}T00:00:00Z`) - 3_600_000; now < at(`${day}T06:00:00Z`); now += 60_000) {
        const slot = dueSlot(nightly, { now, planned });
        if (slot === null) continue;
        slots += 1;
        planned = slot;
      }
      expect([day, slots]).toEqual([day, 1]);
    }
  });

  it('slots only rise, never lie ahead, and a planned one is not due again', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 4e12 }),
        fc.constantFrom({ everyMs: 60_000 }, { everyMs: 7_000 }, cron('*/5 * * * *'), cron('0 0 1 * *')),
        (now, schedule) => {
          const slot = dueSlot(schedule, { now, planned: 0 });
          if (slot === null) return;
          expect(slot).toBeLessThanOrEqual(now);
          expect(dueSlot(schedule, { now, planned: slot })).toBeNull();
        },
      ),
      { numRuns: 300 },
    );
  });
});
