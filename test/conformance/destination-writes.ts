import { describe, expect, it } from 'vitest';
import { Operation } from '../../lib/connectors/connector.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, failure, freshName, openWriter, writeAll } from './drive.ts';
import type { Harness } from './harness.ts';
import { comparableRows } from './same.ts';

function items(more: Partial<Schema> = {}): Schema {
  return { name: freshName('items'), columns: [column('id', 'int64', false), column('label', { kind: 'string', maxLength: 100 })], key: ['id'], ...more };
}

export function destinationWrites(get: () => Harness): void {
  const expectRows = async (schema: Schema, rows: readonly Row[]): Promise<void> => {
    expect(comparableRows(await get().read(schema.name, schema.columns), schema.columns)).toEqual(comparableRows(rows, schema.columns));
  };

  it('inserts, and counts what it took', async () => {
    const schema = items();
    const rows: Row[] = [
      ['1', 'one'],
      [2n, null],
      [3, ''],
    ];
    expect(await writeAll(get(), schema, rows)).toMatchObject({ seq: 1n, written: 3, deleted: 0 });
    await expectRows(schema, rows);
    const keyless = items({ key: [] });
    if (get().insertReplaces === true) {
      await failure(() => writeAll(get(), keyless, rows), 'KEY_REQUIRED', keyless.name);
      return;
    }
    expect(await writeAll(get(), keyless, [...rows, ['1', 'one']])).toMatchObject({ written: 4 });
    await expectRows(keyless, [...rows, ['1', 'one']]);
  });

  it('takes many chunks in a batch and many batches', async () => {
    const schema = items();
    const rows = Array.from({ length: 6_000 }, (_, i): Row => [String(i), `label ${i}`]);
    await using open = await openWriter(get(), schema);
    for (let batch = 0; batch < 3; batch++) {
      for (let at = batch * 2_000; at < (batch + 1) * 2_000; at += 123) {
        await open.writer.write(chunkOf(rows.slice(at, Math.min(at + 123, (batch + 1) * 2_000))));
      }
      await open.writer.write(chunkOf([]));
      expect(await open.writer.commit(batchOf(`batch ${batch}`))).toEqual({ seq: BigInt(batch + 1), written: 2_000, deleted: 0 });
    }
    await expectRows(schema, rows);
  });

  it('refuses a key that is there already, and keeps nothing of the batch', async () => {
    const schema = items();
    await writeAll(get(), schema, [['7', 'seven']]);
    if (get().insertReplaces === true) {
      await writeAll(get(), schema, [['7', 'again']], { claim: claimOf(2) });
      return await expectRows(schema, [['7', 'again']]);
    }
    if (get().appends === true) {
      expect(await writeAll(get(), schema, [['7', 'again']], { claim: claimOf(2) })).toMatchObject({ written: 1 });
      return;
    }
    const work = (): Promise<unknown> =>
      writeAll(
        get(),
        schema,
        [
          ['6', 'six'],
          ['7', 'again'],
          ['8', 'eight'],
        ],
        { claim: claimOf(2) },
      );
    await failure(work, 'ROW_REJECTED', schema.name);
    await expectRows(schema, [['7', 'seven']]);
  });

  it('upserts: unchanged and changed rows count, the last of a key wins', async () => {
    const schema = items();
    const first: Row[] = [
      ['1', 'one'],
      ['2', 'two'],
    ];
    expect(await writeAll(get(), schema, first, { write: 'upsert' })).toMatchObject({ written: 2 });
    await using open = await openWriter(get(), schema, { write: 'upsert' });
    await open.writer.write(
      chunkOf([
        ['1', 'one'],
        ['2', 'twice'],
        ['3', 'first'],
        ['3', 'second'],
      ]),
    );
    await open.writer.write(
      chunkOf([
        ['3', 'third'],
        ['4', null],
      ]),
    );
    expect(await open.writer.commit(batchOf('b'))).toMatchObject({ seq: 2n, written: 6, deleted: 0 });
    await expectRows(schema, [
      ['1', 'one'],
      ['2', 'twice'],
      ['3', 'third'],
      ['4', null],
    ]);
  });

  it('refuses NULL in a key, by which no row can be found again', async () => {
    for (const write of ['upsert', 'insert'] as const) {
      const schema = items();
      await failure(() => writeAll(get(), schema, [[null, 'nobody']], { write }), 'ROW_REJECTED', schema.name, 'id');
      await expectRows(schema, []);
    }
  });

  it('upserts by a compound key, and where the key is all there is', async () => {
    const compound: Schema = {
      name: freshName('pairs'),
      columns: [column('v', 'int32'), column('a', { kind: 'string', maxLength: 20 }, false), column('b', 'int64', false)],
      key: ['a', 'b'],
    };
    await writeAll(
      get(),
      compound,
      [
        [1, 'x', '1'],
        [2, 'x', '2'],
        [3, 'y', '1'],
      ],
      { write: 'upsert' },
    );
    expect(
      await writeAll(
        get(),
        compound,
        [
          [9, 'x', '2'],
          [4, 'z', '1'],
        ],
        { write: 'upsert' },
      ),
    ).toMatchObject({ written: 2 });
    await expectRows(compound, [
      [1, 'x', '1'],
      [9, 'x', '2'],
      [3, 'y', '1'],
      [4, 'z', '1'],
    ]);
    const only: Schema = { name: freshName('only'), columns: [column('id', 'int64', false)], key: ['id'] };
    await writeAll(get(), only, [['1'], ['2']], { write: 'upsert' });
    expect(await writeAll(get(), only, [['2'], ['3'], ['3']], { write: 'upsert' })).toMatchObject({ written: 3 });
    await expectRows(only, [['1'], ['2'], ['3']]);
  });

  it('takes keys that differ in case, accent or spaces for different rows', async () => {
    const schema: Schema = { name: freshName('texts'), columns: [column('id', { kind: 'string', maxLength: 30 }, false), column('v', 'int32')], key: ['id'] };
    const all = ['a', 'A', 'á', 'a ', ' a', '', ' ', 'ß', 'ss', 'ﬀ', 'ff', 'é', 'e\u0301'];
    const folded = get().foldsTrailingSpaces === true;
    const keys = folded ? all.filter((key) => !key.endsWith(' ')) : all;
    const rows = keys.map((key, i): Row => [key, i]);
    await writeAll(get(), schema, rows, { write: 'upsert' });
    await expectRows(schema, rows);
    await writeAll(
      get(),
      schema,
      rows.map(([key], i): Row => [key ?? '', i + 100]),
      { write: 'upsert' },
    );
    await expectRows(
      schema,
      keys.map((key, i): Row => [key, i + 100]),
    );
    if (folded) await failure(() => writeAll(get(), schema, [['a ', 1]], { write: 'upsert' }), 'VALUE_UNREPRESENTABLE', 'id');
  });

  describe('replace', () => {
    const replaces = (): boolean => get().config.capabilities.destination.writes.includes('replace');
    it('keeps the old rows until the new ones are complete', async () => {
      if (!replaces()) return;
      const schema = items();
      await writeAll(
        get(),
        schema,
        [
          ['1', 'old'],
          ['2', 'old'],
        ],
        { write: 'replace', batch: { cursor: null, final: true } },
      );
      await using open = await openWriter(get(), schema, { write: 'replace', claim: claimOf(2) });
      await open.writer.write(chunkOf([['2', 'new']]));
      expect(await open.writer.commit(batchOf('half'))).toMatchObject({ seq: 2n, written: 1 });
      await expectRows(schema, [
        ['1', 'old'],
        ['2', 'old'],
      ]);
      await open.writer.write(chunkOf([['3', 'new']]));
      expect(await open.writer.commit(batchOf(null, { final: true }))).toMatchObject({ seq: 3n, written: 1 });
      await expectRows(schema, [
        ['2', 'new'],
        ['3', 'new'],
      ]);
    });

    it('goes on with what is staged after an interruption, and begins anew without a cursor', async () => {
      if (!replaces()) return;
      const schema = items();
      await writeAll(get(), schema, [['1', 'old']], { write: 'replace', batch: { cursor: null, final: true } });
      await writeAll(get(), schema, [['2', 'staged']], { write: 'replace', claim: claimOf(2), batch: { cursor: 'half' } });
      await expectRows(schema, [['1', 'old']]);
      await writeAll(get(), schema, [['3', 'rest']], { write: 'replace', claim: claimOf(3), batch: { cursor: null, final: true } });
      await expectRows(schema, [
        ['2', 'staged'],
        ['3', 'rest'],
      ]);
      await writeAll(get(), schema, [['4', 'anew']], { write: 'replace', claim: claimOf(4), batch: { cursor: null, final: true } });
      await expectRows(schema, [['4', 'anew']]);
      await writeAll(get(), schema, [], { write: 'replace', claim: claimOf(5), batch: { cursor: null, final: true } });
      await expectRows(schema, []);
    });

    it('begins anew where the position was come by without a stage', async () => {
      if (!replaces()) return;
      const schema = items();
      await writeAll(get(), schema, [['1', 'first half']], { batch: { cursor: 'half' } });
      await using open = await openWriter(get(), schema, { write: 'replace', claim: claimOf(2) });
      // Rest alone in the place of both halves would lose the first
      expect(open.writer.committed).toMatchObject({ seq: 1n, cursor: null });
      expect(await open.destination.state()).toMatchObject({ cursor: null });
    });

    it('leaves the old rows where the last batch is not committed', async () => {
      if (!replaces()) return;
      const schema = items();
      await writeAll(get(), schema, [['1', 'old']]);
      await using open = await openWriter(get(), schema, { write: 'replace', claim: claimOf(2) });
      await open.writer.write(chunkOf([['2', 'new']]));
      await open.writer.discard();
      await expectRows(schema, [['1', 'old']]);
    });
  });

  describe('deletes', () => {
    const operations = Uint8Array.from([Operation.delete, Operation.update, Operation.insert, Operation.delete, Operation.delete, Operation.insert]);
    const changes: readonly Row[] = [
      ['1', null],
      ['2', 'changed'],
      ['4', 'new'],
      ['99', null],
      ['3', null],
      ['3', 'back'],
    ];
    const start: readonly Row[] = [
      ['1', 'one'],
      ['2', 'two'],
      ['3', 'three'],
    ];

    it('deletes rows, in order with the other operations', async () => {
      if (!get().config.capabilities.destination.deletes.includes('hard')) return;
      const schema = items();
      await writeAll(get(), schema, start, { write: 'upsert' });
      expect(await writeAll(get(), schema, changes, { write: 'upsert', chunk: { operations } })).toMatchObject({ written: 3, deleted: 3 });
      await expectRows(schema, [
        ['2', 'changed'],
        ['3', 'back'],
        ['4', 'new'],
      ]);
    });

    it('marks rows as deleted, and unmarks those that come back', async () => {
      if (!get().config.capabilities.destination.deletes.includes('soft')) return;
      const schema = items();
      const ask = { write: 'upsert', deletes: 'soft' } as const;
      await writeAll(get(), schema, start, ask);
      expect(await writeAll(get(), schema, changes, { ...ask, chunk: { operations } })).toMatchObject({ written: 3, deleted: 3 });
      const columns = [...schema.columns, column('_deleted_at', { kind: 'timestamp', fraction: 6, zoned: true })];
      const marked = (await get().read(schema.name, columns)).map(([id, label, at]) => [String(id), label, at === null]).sort();
      expect(marked).toEqual([
        ['1', 'one', false],
        ['2', 'changed', true],
        ['3', 'back', true],
        ['4', 'new', true],
      ]);
      const gone = chunkOf([['4', null]], { operations: Uint8Array.from([Operation.delete]) });
      await using open = await openWriter(get(), schema, ask);
      await open.writer.write(gone);
      await open.writer.commit(batchOf('gone'));
      await writeAll(get(), schema, [['4', 'again']], ask);
      const last = (await get().read(schema.name, columns)).find(([id]) => String(id) === '4');
      expect(last?.slice(1)).toEqual(['again', null]);
    });
  });

  it('takes rows of 5 MB', { timeout: 60_000 }, async () => {
    const schema: Schema = { name: freshName('huge'), columns: [column('id', 'int64', false), column('data', 'string'), column('raw', 'bytes')], key: ['id'] };
    const text = 'é5 MB '.repeat(700_000);
    const raw = new Uint8Array(1_000_000).map((_, i) => i % 251);
    if (get().refusesLargeRows === true) {
      await failure(() => writeAll(get(), schema, [['1', text, raw]]), 'TOO_LARGE', schema.name, 'id=1');
      return;
    }
    await writeAll(get(), schema, [['1', text, raw]]);
    await writeAll(
      get(),
      schema,
      [
        ['1', `${text}!`, raw],
        ['2', text, null],
      ],
      { write: 'upsert' },
    );
    const rows = await get().read(schema.name, schema.columns);
    const byId = new Map(rows.map((row) => [String(row[0]), row]));
    expect(byId.get('1')?.[1] === `${text}!`).toBe(true);
    expect(byId.get('2')?.[1] === text).toBe(true);
    expect(Buffer.from((byId.get('1')?.[2] ?? '') as Uint8Array).equals(raw)).toBe(true);
  });
}
