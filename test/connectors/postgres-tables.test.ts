/** Tables of a kind that is rare: what their catalogue says is not what a reader sees, or what is done to them is not what happens. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshName, openSource, readTable } from '../conformance/drive.ts';
import { postgresHarness, quote } from './postgres-harness.ts';

let harness: Awaited<ReturnType<typeof postgresHarness>>;
beforeAll(async () => {
  harness = await postgresHarness();
});
afterAll(async () => harness[Symbol.asyncDispose]());

describe('a table that others inherit from', () => {
  it('is read with their rows, and its own key does not count as one', async () => {
    const [parent, child] = [freshName('parent'), freshName('child')];
    await harness.client.query(`CREATE TABLE ${quote(parent)} (id int PRIMARY KEY, v text);
      CREATE TABLE ${quote(child)} () INHERITS (${quote(parent)}); ALTER TABLE ${quote(child)} ALTER id DROP NOT NULL;
      INSERT INTO ${quote(parent)} VALUES (1, 'p1'), (2, 'p2'), (3, 'p3'); INSERT INTO ${quote(child)} VALUES (2, 'c2')`);
    await using source = await openSource(harness, parent);
    expect(source.schema.key).toEqual([]);
    expect(source.schema.columns[0]?.nullable).toBe(true);
    const { boundaries, rows } = await readTable(harness, parent, { mode: 'id', cursor: { column: 'id' }, read: { maxRows: 1 } });
    expect(rows.map(([id]) => id)).toEqual(['1', '2', '2', '3']);
    expect(boundaries.map((boundary) => boundary.rows)).toEqual([1, 3, 4]);
    // The child itself has no children
    await harness.client.query(`DELETE FROM ONLY ${quote(child)}; ALTER TABLE ${quote(child)} ADD PRIMARY KEY (id)`);
    await using own = await openSource(harness, child);
    expect(own.schema.key).toEqual(['id']);
  });

  it('keeps its key where its children are partitions', async () => {
    const parent = freshName('parted');
    await harness.client.query(`CREATE TABLE ${quote(parent)} (id int PRIMARY KEY) PARTITION BY RANGE (id);
      CREATE TABLE ${quote(`${parent}_1`)} PARTITION OF ${quote(parent)} FOR VALUES FROM (0) TO (10)`);
    await using source = await openSource(harness, parent);
    expect(source.schema.key).toEqual(['id']);
  });
});
