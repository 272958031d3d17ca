import { expect, it } from 'vitest';
import { SyncError } from '../../lib/errors.ts';
import type { Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, destinationOf, failure, freshName, openWriter, writeAll } from './drive.ts';
import type { Harness } from './harness.ts';

function fenced(): { schema: Schema; sync: string } {
  return { schema: { name: freshName('fenced'), columns: [column('id', 'int64', false)], key: ['id'] }, sync: freshName('sync') };
}

export function destinationFences(get: () => Harness): void {
  const ids = async (schema: Schema): Promise<string[]> => (await get().read(schema.name, schema.columns)).map(([id]) => String(id)).sort();

  it('refuses a claim with a lower fence, and takes the same and a higher one', async () => {
    const { schema, sync } = fenced();
    await writeAll(get(), schema, [['1']], { sync, claim: claimOf(5, { sync }) });
    await failure(() => openWriter(get(), schema, { sync, claim: claimOf(4, { sync }) }), 'FENCED', sync);
    await writeAll(get(), schema, [['2']], { sync, claim: claimOf(5, { sync }) });
    await writeAll(get(), schema, [['3']], { sync, claim: claimOf(6, { sync }) });
    await failure(() => openWriter(get(), schema, { sync, claim: claimOf(5, { sync }) }), 'FENCED');
    await using destination = await destinationOf(get(), schema.name, { sync });
    expect(await destination.state()).toMatchObject({ fence: 6n, seq: 3n });
    expect(await ids(schema)).toEqual(['1', '2', '3']);
  });

  it('takes a new epoch whatever its fences are', async () => {
    const { schema, sync } = fenced();
    await writeAll(get(), schema, [['1']], { sync, claim: claimOf(500, { sync }) });
    await writeAll(get(), schema, [['2']], { sync, claim: claimOf(1, { sync, epoch: 1n }) });
    await failure(() => openWriter(get(), schema, { sync, claim: claimOf(501, { sync }) }), 'FENCED');
    expect(await ids(schema)).toEqual(['1', '2']);
  });

  it('refuses the commit of a writer when another has claimed, and writes nothing of it', async () => {
    const { schema, sync } = fenced();
    await using stale = await openWriter(get(), schema, { sync, claim: claimOf(1, { sync }) });
    await stale.writer.write(chunkOf([['1']]));
    await stale.writer.commit(batchOf('one'));
    await writeAll(get(), schema, [['2']], { sync, claim: claimOf(2, { sync }) });
    await failure(
      async () => {
        await stale.writer.write(chunkOf([['3']]));
        await stale.writer.commit(batchOf('three'));
      },
      'FENCED',
      sync,
    );
    expect(await ids(schema)).toEqual(['1', '2']);
    await using destination = await destinationOf(get(), schema.name, { sync });
    expect(await destination.state()).toMatchObject({ fence: 2n, seq: 2n, cursor: 'after' });
  });

  it('lets that commit through where fences are not enforced: the test above bites', async () => {
    const { schema, sync } = fenced();
    await using stale = await openWriter(get(), schema, { sync, claim: claimOf(1, { sync, enforced: false }) });
    await stale.writer.write(chunkOf([['1']]));
    await stale.writer.commit(batchOf('one'));
    await writeAll(get(), schema, [['2']], { sync, claim: claimOf(2, { sync }) });
    await stale.writer.write(chunkOf([['3']]));
    await stale.writer.commit(batchOf('three'));
    expect(await ids(schema)).toEqual(['1', '2', '3']);
    await using lower = await openWriter(get(), schema, { sync, claim: claimOf(1, { sync, enforced: false }) });
    expect(lower.writer.committed.fence).toBe(1n);
  });

  it('commits the open batch of an older writer before the claim, or never', async () => {
    const { schema, sync } = fenced();
    await using older = await openWriter(get(), schema, { sync, claim: claimOf(1, { sync }) });
    await older.writer.write(chunkOf([['1']]));
    const claiming = openWriter(get(), schema, { sync, claim: claimOf(2, { sync }) });
    // The claim may wait for the open batch or pass it by; it must not fail
    const outcome = await older.writer.commit(batchOf('one')).then(
      () => 'committed',
      (error: unknown) => (error instanceof SyncError ? error.code : error),
    );
    await older[Symbol.asyncDispose]();
    await using newer = await claiming;
    if (outcome === 'committed') expect(newer.writer.committed).toMatchObject({ fence: 2n, seq: 1n, cursor: 'one' });
    else {
      expect(outcome).toBe('FENCED');
      expect(newer.writer.committed).toMatchObject({ fence: 2n, seq: 0n, cursor: null });
    }
    expect(await ids(schema)).toEqual(outcome === 'committed' ? ['1'] : []);
  });

  it('refuses one of two writers of the same fence that commit the same seq', async () => {
    const { schema, sync } = fenced();
    await using first = await openWriter(get(), schema, { sync, claim: claimOf(1, { sync }) });
    await using second = await openWriter(get(), schema, { sync, claim: claimOf(1, { sync }) });
    const commits = async ({ writer }: typeof first, id: string): Promise<string[]> => {
      await writer.write(chunkOf([[id]]));
      await writer.commit(batchOf(id));
      return [id];
    };
    // The later of two claims may shut the earlier out, or the earlier of two commits the later
    const refusesFirst = get().claimShutsOut === true;
    if (refusesFirst) await failure(() => commits(first, '1'), 'FENCED');
    else await commits(first, '1');
    if (refusesFirst) await commits(second, '2');
    else await failure(() => commits(second, '2'), 'FENCED');
    expect(await ids(schema)).toEqual([refusesFirst ? '2' : '1']);
  });

  it('lets a superseded run take nothing from what its successor has staged, nor its position', async () => {
    if (!get().config.capabilities.destination.writes.includes('replace')) return;
    const { schema, sync } = fenced();
    const wider = { ...schema, columns: [...schema.columns, column('added', 'string')] };
    await using newer = await openWriter(get(), schema, { sync, write: 'replace', claim: claimOf(2, { sync }) });
    await newer.writer.write(chunkOf([['1']]));
    await newer.writer.commit(batchOf('half'));
    // Frozen before it prepared; its definition or its source had a column more
    await failure(() => openWriter(get(), wider, { sync, write: 'replace', claim: claimOf(1, { sync }) }), 'FENCED', sync);
    await using destination = await destinationOf(get(), schema.name, { sync, write: 'replace' });
    expect(await destination.state()).toMatchObject({ fence: 2n, cursor: 'half' });
    await newer.writer.write(chunkOf([['2']]));
    await newer.writer.commit(batchOf(null, { final: true }));
    expect(await ids(schema)).toEqual(['1', '2']);
  });

  it('lets a superseded run that would replace leave the position of one that appends', async () => {
    if (!get().config.capabilities.destination.writes.includes('replace')) return;
    const { schema, sync } = fenced();
    await writeAll(get(), schema, [['1']], { sync, claim: claimOf(2, { sync }) });
    await failure(() => openWriter(get(), schema, { sync, write: 'replace', claim: claimOf(1, { sync }) }), 'FENCED', sync);
    await using destination = await destinationOf(get(), schema.name, { sync });
    expect(await destination.state()).toMatchObject({ fence: 2n, seq: 1n, cursor: 'after' });
  });
}
