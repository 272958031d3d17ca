/** A clock that was an hour ahead, and was set right. */
import { expect, it } from 'vitest';
import { dueSlot } from '../../lib/engine/due.ts';
import { pair } from './pair.ts';

const minute = 60_000;
const hour = 60 * minute;

it('a slot that was planned ahead of its time keeps no sync from the slots before it', () => {
  const now = Date.parse('2026-01-01T10:00:30Z');
  const slot = Date.parse('2026-01-01T10:00:00Z');
  for (const schedule of [{ everyMs: 5 * minute }, { cron: '*/5 * * * *', timezone: 'UTC' }]) {
    expect(dueSlot(schedule, { now, planned: slot + hour })).toBe(slot);
    // The clocks of two coordinators are never quite the same
    expect(dueSlot(schedule, { now: slot - 1_000, planned: slot })).toBeNull();
  }
});

it('nor does one that was completed', async () => {
  await using world = await pair();
  world.a.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY); INSERT INTO orders VALUES (1)');
  const now = Date.now();
  expect(await world.run({}, { slot: now + hour })).toMatchObject({ status: 'succeeded', written: 1 });
  world.a.exec('INSERT INTO orders VALUES (2)');
  expect(await world.run({}, { slot: now })).toMatchObject({ status: 'succeeded', written: 1 });
});
