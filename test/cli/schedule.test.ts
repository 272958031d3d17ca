import { expect, it } from 'vitest';
import { nextRunAt } from '../../lib/cli/schedule.ts';
import { Slots } from '../../lib/cli/slots.ts';
import { suggestMode } from '../../lib/cli/suggest-mode.ts';
import { config } from '../../lib/connectors/sqlite/config.ts';
import type { Column } from '../../lib/values/types.ts';

it('`every` starts at once and keeps to multiples of its length; `cron` waits for its time in its zone', () => {
  const now = Date.parse('2026-03-01T10:07:30Z');
  expect(nextRunAt({ everyMs: 300_000 }, { now, isFirst: true })).toBe(now);
  expect(nextRunAt({ everyMs: 300_000 }, { now, isFirst: false })).toBe(Date.parse('2026-03-01T10:10:00Z'));
  expect(nextRunAt({ everyMs: 300_000 }, { now: Date.parse('2026-03-01T10:10:00Z'), isFirst: false })).toBe(Date.parse('2026-03-01T10:15:00Z'));
  const cron = { cron: '0 12 * * *', timezone: 'Europe/Rome' };
  expect(nextRunAt(cron, { now, isFirst: true })).toBe(Date.parse('2026-03-01T11:00:00Z'));
  expect(nextRunAt(null, { now, isFirst: true })).toBe(Number.POSITIVE_INFINITY);
});

it('slots let so many at a time through, in the order they came, and a failure frees its slot', async () => {
  const slots = new Slots(2);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const work = (id: number) =>
    slots.use(async () => {
      most = Math.max(most, ++running);
      order.push(id);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      if (id === 1) throw new Error('one failed');
      return id;
    });
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map(work));
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled', 'fulfilled']);
  expect(order).toEqual([1, 2, 3, 4, 5]);
  expect(most).toBe(2);
});

it('suggests the cheapest mode that misses nothing', () => {
  const { source } = config.capabilities;
  const column = (name: string, type: Column['type'], nullable = false): Column => ({ name, type, nullable });
  const id = column('id', { kind: 'int64' });
  const changed = column('updated_at', { kind: 'timestamp', fraction: 6, zoned: false });
  expect(suggestMode({ name: 't', columns: [id, changed], key: ['id'] }, source)).toMatchObject({
    mode: 'timestamp',
    write: 'upsert',
    cursor: { column: 'updated_at', key: 'id' },
  });
  expect(suggestMode({ name: 't', columns: [id, column('created', changed.type)], key: ['id'] }, source)).toMatchObject({
    mode: 'id',
    write: 'insert',
    cursor: { column: 'id' },
  });
  expect(suggestMode({ name: 't', columns: [column('a', { kind: 'uuid' })], key: ['a'] }, source)).toMatchObject({ mode: 'full', write: 'upsert' });
  expect(suggestMode({ name: 't', columns: [id, id], key: ['id', 'line'] }, source)).toMatchObject({ mode: 'full', write: 'upsert' });
  expect(suggestMode({ name: 't', columns: [changed], key: [] }, source)).toMatchObject({ mode: 'full', write: 'replace' });
  expect(suggestMode({ name: 't', columns: [id], key: ['id'] }, { ...source, modes: ['stream'] })).toMatchObject({ mode: 'stream', write: 'upsert' });
});
