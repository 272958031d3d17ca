import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Row, Schema } from '../../lib/values/types.ts';
import { asRows, column, freshName, openSource, readAll } from './drive.ts';
import type { Harness } from './harness.ts';

function wide(length: number): { schema: Schema; rows: Row[] } {
  const schema: Schema = { name: freshName('wide'), columns: [column('id', 'int64', false), column('text', 'string')], key: ['id'] };
  return { schema, rows: Array.from({ length }, (_, i): Row => [String(i), `${i} ${'x'.repeat(1_000)}`]) };
}

export function sourceLimits(get: () => Harness): void {
  it('never has more rows or bytes in a chunk than asked for', async () => {
    const { schema, rows } = wide(500);
    await get().create(schema, rows);
    await using source = await openSource(get(), schema.name);
    const byRows = await readAll(source, { maxRows: 13 });
    expect(byRows.rows).toHaveLength(500);
    expect(Math.max(...byRows.chunks.map((chunk) => chunk.rows.length))).toBeLessThanOrEqual(13);
    const byBytes = await readAll(source, { maxBytes: 5_000 });
    expect(byBytes.rows).toHaveLength(500);
    for (const chunk of byBytes.chunks) expect(chunk.rows.length === 1 || chunk.bytes <= 5_000).toBe(true);
    expect(Math.max(...byBytes.chunks.map((chunk) => chunk.rows.length))).toBeLessThanOrEqual(6);
    const total = byRows.chunks.reduce((sum, chunk) => sum + chunk.bytes, 0);
    expect(total).toBeGreaterThan(450_000);
    expect(total).toBeLessThan(1_200_000);
  });

  it('passes rows of 5 MB one at a time where a chunk may have less', { timeout: 120_000 }, async () => {
    const schema: Schema = { name: freshName('huge'), columns: [column('id', 'int64', false), column('data', 'string')], key: ['id'] };
    const huge = 'é5 MB '.repeat(750_000).slice(0, 5_000_000);
    await get().create(schema, []);
    const harness = get();
    for (const id of ['1', '2', '3']) await insertBig(harness, schema, [id, `${id}${huge}`]);
    await using source = await openSource(harness, schema.name);
    const { rows, chunks } = await readAll(source, { maxBytes: 1_000_000 });
    expect(rows.map(([id]) => String(id))).toEqual(['1', '2', '3']);
    for (const [id, text] of rows) expect(text === `${String(id)}${huge}`).toBe(true);
    for (const chunk of chunks) expect(chunk.rows.length).toBeLessThanOrEqual(1);
  });

  it('frees what it holds when the reader breaks off, and can be read again', async () => {
    const { schema, rows } = wide(2_000);
    await get().create(schema, rows);
    const harness = get();
    const before = await harness.connections?.();
    for (let i = 0; i < 5; i++) {
      await using source = await openSource(harness, schema.name);
      for await (const chunk of source.read({ from: null, maxRows: 10, maxBytes: 1_000_000 }, new AbortController().signal)) {
        const { length } = asRows(chunk).rows;
        // A position alone, before anything is read
        if (length === 0) continue;
        // At most: how many are there at first is up to the network
        expect(length).toBeLessThanOrEqual(10);
        break;
      }
      if (i === 0) expect((await readAll(source)).rows).toHaveLength(2_000);
    }
    if (before !== undefined) await expectConnections(harness, before);
    if (harness.execute !== undefined && harness.quote !== undefined) await harness.execute(`DROP TABLE ${harness.quote(schema.name)}`);
  });

  it('stops by its signal with the signal’s reason', async () => {
    const { schema, rows } = wide(3_000);
    await get().create(schema, rows);
    await using source = await openSource(get(), schema.name);
    const controller = new AbortController();
    const reason = new Error('enough');
    let chunks = 0;
    const read = async (): Promise<void> => {
      for await (const _ of source.read({ from: null, maxRows: 100, maxBytes: 1_000_000 }, controller.signal)) {
        chunks++;
        if (chunks === 2) controller.abort(reason);
      }
    };
    await expect(read()).rejects.toBe(reason);
    expect(chunks).toBeLessThan(30);
    expect((await readAll(source)).rows).toHaveLength(3_000);
  });

  it('lets timers run while it reads', { timeout: 60_000 }, async () => {
    const { schema, rows } = wide(20_000);
    await get().create(schema, rows);
    await using source = await openSource(get(), schema.name);
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 5);
    try {
      expect((await readAll(source)).rows).toHaveLength(20_000);
    } finally {
      clearInterval(timer);
    }
    longest = Math.max(longest, performance.now() - last);
    // Leases are renewed every few seconds; a machine under load pauses too
    expect(longest).toBeLessThan(1_000);
  });
}

async function insertBig(harness: Harness, schema: Schema, row: Row): Promise<void> {
  if (harness.append !== undefined) return harness.append(schema, row);
  const part: Schema = { ...schema, name: freshName('part') };
  if (harness.execute === undefined || harness.quote === undefined) throw new Error('a harness without SQL overrides this test');
  const q = harness.quote;
  await harness.create(part, [row]);
  await harness.execute(`INSERT INTO ${q(schema.name)} SELECT * FROM ${q(part.name)}`);
  await harness.execute(`DROP TABLE ${q(part.name)}`);
}

async function expectConnections(harness: Harness, expected: number): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (((await harness.connections?.()) ?? 0) <= expected) return;
    await sleep(50);
  }
  expect(await harness.connections?.()).toBeLessThanOrEqual(expected);
}
