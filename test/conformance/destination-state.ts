import { expect, it } from 'vitest';
import type { Row, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, destinationOf, failure, freshName, openWriter, writeAll } from './drive.ts';
import type { Harness } from './harness.ts';
import { comparable, comparableRows } from './same.ts';

function events(): Schema {
  return { name: freshName('events'), columns: [column('id', 'int64', false), column('at', 'timestamp')], key: ['id'] };
}

export function destinationState(get: () => Harness): void {
  const count = async (schema: Schema): Promise<number> => (await get().read(schema.name, schema.columns)).length;

  it('keeps epoch, fence, seq, batch and cursor in the transaction of the rows', async () => {
    const schema = events();
    const sync = freshName('sync');
    const claim = claimOf(5, { sync, epoch: 2n });
    await using open = await openWriter(get(), schema, { sync, claim });
    expect(open.writer.committed).toEqual({ epoch: 2n, fence: 5n, seq: 0n, batchId: null, cursor: null });
    for (let i = 1n; i <= 3n; i++) {
      const batch = batchOf(`position ${i} 'quoted' \\ é`);
      await open.writer.write(chunkOf([[String(i), null]]));
      expect((await open.writer.commit(batch)).seq).toBe(i);
      const expected = { epoch: 2n, fence: 5n, seq: i, batchId: batch.batchId, cursor: batch.cursor };
      expect(open.writer.committed).toEqual(expected);
      await using other = await destinationOf(get(), schema.name, { sync });
      expect(await other.state()).toEqual(expected);
    }
    expect((await open.writer.commit(batchOf(null))).seq).toBe(4n);
    expect(await open.destination.state()).toMatchObject({ seq: 4n, cursor: null });
    await using again = await openWriter(get(), schema, { sync, claim: claimOf(6, { sync, epoch: 2n }) });
    expect(again.writer.committed).toMatchObject({ fence: 6n, seq: 4n, cursor: null });
    expect(await count(schema)).toBe(3);
  });

  it('keeps large fences and long cursors exactly', async () => {
    const schema = events();
    const sync = freshName('sync');
    const fence = 9_007_199_254_740_993n;
    const cursor = 'é'.repeat(1_700);
    await writeAll(get(), schema, [], { sync, claim: claimOf(fence, { sync, epoch: fence }), batch: { cursor } });
    await using destination = await destinationOf(get(), schema.name, { sync });
    expect(await destination.state()).toMatchObject({ epoch: fence, fence, seq: 1n, cursor });
  });

  it('keeps syncs and shards apart', async () => {
    const schema = events();
    const sync = freshName('sync');
    await writeAll(get(), schema, [['1', null]], { sync, shard: 'a', claim: claimOf(9, { sync, shard: 'a' }) });
    await writeAll(get(), schema, [['2', null]], { sync, shard: 'b', claim: claimOf(1, { sync, shard: 'b' }) });
    const other = `${sync} of another's`;
    await writeAll(get(), schema, [['3', null]], { sync: other, claim: claimOf(1, { sync: other }) });
    await using a = await destinationOf(get(), schema.name, { sync, shard: 'a' });
    await using b = await destinationOf(get(), schema.name, { sync, shard: 'b' });
    await using neither = await destinationOf(get(), schema.name, { sync, shard: 'c' });
    expect(await a.state()).toMatchObject({ fence: 9n, seq: 1n });
    expect(await b.state()).toMatchObject({ fence: 1n, seq: 1n });
    expect(await neither.state()).toBeNull();
  });

  it('forgets a batch that is discarded or not committed', async () => {
    const schema = events();
    await using open = await openWriter(get(), schema);
    await open.writer.write(chunkOf([['1', null]]));
    await open.writer.discard();
    await open.writer.discard();
    await open.writer.write(chunkOf([['2', null]]));
    expect(await open.writer.commit(batchOf('two'))).toMatchObject({ seq: open.writer.committed.seq, written: 1 });
    await open.writer.write(chunkOf([['3', null]]));
    await open[Symbol.asyncDispose]();
    expect(comparableRows(await get().read(schema.name, schema.columns), schema.columns)).toEqual(comparableRows([['2', null]], schema.columns));
    await using later = await destinationOf(get(), schema.name);
    expect(await later.state()).toMatchObject({ cursor: 'two' });
  });

  it('finds the largest value, and the largest key among its rows', async () => {
    const harness = get();
    if (!harness.config.capabilities.destination.max) return;
    const schema = events();
    await using empty = await destinationOf(harness, schema.name);
    await empty.prepare(schema);
    expect(await empty.max?.(['id'])).toBeNull();
    const rows: Row[] = [
      ['9', '2024-01-02 00:00:00'],
      ['10', '2024-01-02 00:00:00.000001'],
      ['9007199254740993', '2024-01-02 00:00:00.000001'],
      ['2', '2024-01-01 00:00:00'],
      ['9223372036854775807', null],
    ];
    await writeAll(harness, schema, rows);
    await using destination = await destinationOf(harness, schema.name);
    expect(await destination.max?.(['id'])).toEqual(['9223372036854775807']);
    const [at, id] = (await destination.max?.(['at', 'id'])) ?? [];
    expect(comparable(at ?? null, { kind: 'timestamp', fraction: 6, zoned: false })).toBe('2024-01-02 00:00:00.000001');
    expect(id).toBe('9007199254740993');
    await failure(async () => destination.max?.(['no_such_column']), 'NOT_FOUND', 'no_such_column');
  });

  it('is empty after clear, and still refuses what was fenced off', async () => {
    const harness = get();
    const schema = events();
    const sync = freshName('sync');
    await writeAll(harness, schema, [['1', null]], { sync, claim: claimOf(5, { sync }) });
    await using destination = await destinationOf(harness, schema.name, { sync });
    if (destination.clear === undefined) return;
    const target = await destination.prepare(schema);
    const claim = claimOf(5, { sync });
    await (await destination.open(target, claim))[Symbol.asyncDispose]();
    await destination.clear(target, claim);
    expect(await count(schema)).toBe(0);
    const state = await destination.state();
    expect([state?.cursor ?? null, state?.seq ?? 0n]).toEqual([null, 0n]);
    await failure(() => destination.open(target, claimOf(4, { sync })), 'FENCED');
    await writeAll(harness, schema, [['1', null]], { sync, claim: claimOf(6, { sync }) });
    expect(await count(schema)).toBe(1);
  });

  it('is not emptied by a run that another one has superseded', async () => {
    const harness = get();
    const schema = events();
    const sync = freshName('sync');
    await using frozen = await destinationOf(harness, schema.name, { sync });
    if (frozen.clear === undefined) return;
    const target = await frozen.prepare(schema);
    await (await frozen.open(target, claimOf(5, { sync })))[Symbol.asyncDispose]();
    await writeAll(harness, schema, [['1', null]], { sync, claim: claimOf(6, { sync }) });
    const before = await frozen.state();
    await failure(async () => frozen.clear?.(target, claimOf(5, { sync })), 'FENCED');
    expect(await count(schema)).toBe(1);
    expect(await frozen.state()).toEqual(before);
  });
}
