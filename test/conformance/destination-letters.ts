import { expect, it } from 'vitest';
import type { DeadLetter } from '../../lib/connectors/connector.ts';
import { isRowError } from '../../lib/errors.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, column, destinationOf, freshName, openWriter, writeAll } from './drive.ts';
import type { Harness } from './harness.ts';
import { comparableRows } from './same.ts';

function letter(place: string, more: Partial<DeadLetter> = {}): DeadLetter {
  return { place, code: 'VALUE_UNREPRESENTABLE', reason: `row ${place} does not fit`, row: `{"id":"${place}"}`, kind: 'row', ...more };
}

function strict(): { schema: Schema; sync: string } {
  return { schema: { name: freshName('letters'), columns: [column('id', 'int64', false), column('v', 'int32', false)], key: ['id'] }, sync: freshName('sync') };
}

export function destinationLetters(get: () => Harness): void {
  const stored = async (table: string, sync: string): Promise<(Omit<DeadLetter, 'code'> & { id: string; at: string; sync: string })[]> => {
    await using destination = await destinationOf(get(), table, { sync });
    return (await destination.deadLetters?.()) ?? [];
  };

  it('stores dead letters in the transaction, and removes those that are resolved', async () => {
    if (!get().config.capabilities.destination.deadLetter) return;
    const { schema, sync } = strict();
    expect(await stored(schema.name, sync)).toEqual([]);
    const claim = { sync, shard: '0', epoch: 0n, fence: 1n, enforced: true };
    const odd = letter('k\'e"y; é', { reason: 'quote \' and "double" \\ back', row: JSON.stringify({ id: "1'", text: 'a\0b\ud800 😀' }) });
    const raw = letter('file.jsonl line 7', { code: 'ROW_MALFORMED', row: '{"id": 1, broken \0 \ud800', kind: 'raw' });
    await writeAll(get(), schema, [['1', 1]], { sync, claim, onError: 'deadLetter', batch: { deadLetters: [letter('a'), odd, raw] } });
    const found = await stored(schema.name, sync);
    expect(found.map(({ id: _id, at: _at, sync: _sync, ...rest }) => rest).sort((a, b) => (a.place < b.place ? -1 : 1))).toEqual(
      [letter('a'), odd, raw].sort((a, b) => (a.place < b.place ? -1 : 1)),
    );
    for (const { at, sync: of } of found) {
      expect(of).toBe(sync);
      expect(Math.abs(Date.parse(at) - Date.now())).toBeLessThan(120_000);
    }
    expect(await stored(schema.name, `${sync} other`)).toEqual([]);
    const gone = found.find(({ place }) => place === 'a');
    await writeAll(get(), schema, [['2', 2]], { sync, claim, onError: 'deadLetter', batch: { resolved: [gone?.id ?? ''] } });
    expect((await stored(schema.name, sync)).map(({ place }) => place).sort()).toEqual(['file.jsonl line 7', odd.place].sort());
  });

  it('stores none where the batch is not committed', async () => {
    if (!get().config.capabilities.destination.deadLetter) return;
    const { schema, sync } = strict();
    const claim = { sync, shard: '0', epoch: 0n, fence: 2n, enforced: true };
    await writeAll(get(), schema, [], { sync, claim });
    const stale = { ...claim, fence: 2n };
    await using open = await openWriter(get(), schema, { sync, claim: stale, onError: 'deadLetter' });
    await writeAll(get(), schema, [], { sync, claim: { ...claim, fence: 3n } });
    await expect(open.writer.commit(batchOf('x', { deadLetters: [letter('lost')] }))).rejects.toThrow();
    expect(await stored(schema.name, sync)).toEqual([]);
  });

  it('keeps what earlier attempts applied when one fails, and nothing of that one', async () => {
    const harness = get();
    if (!harness.config.capabilities.destination.deadLetter) return;
    for (const write of ['insert', 'upsert'] as const) {
      const { schema, sync } = strict();
      const claim = { sync, shard: '0', epoch: 0n, fence: 1n, enforced: true };
      await using open = await openWriter(harness, schema, { sync, claim, write, onError: 'deadLetter' });
      const { writer } = open;
      const attempt = async (rows: Row[]): Promise<unknown> => {
        const chunk = chunkOf(rows);
        const before = JSON.stringify(chunk.rows);
        try {
          await writer.attempt?.(chunk);
          return 'applied';
        } catch (error) {
          if (!isRowError(error)) throw error;
          return error.code;
        } finally {
          expect(JSON.stringify(chunk.rows)).toBe(before);
        }
      };
      expect(writer.attempt).toBeDefined();
      // Documents may have NULL anywhere
      const misfit = harness.schemaless === true ? 'no number' : null;
      // Messages and objects may have any value anywhere, only no row without its key
      const [misfitRow, largeRow]: readonly Row[] =
        harness.appends === true
          ? [
              [null, 4],
              [null, 5],
            ]
          : [
              ['4', misfit],
              ['9223372036854775808', 5],
            ];
      expect(
        await attempt([
          ['1', 1],
          ['2', 2],
        ]),
      ).toBe('applied');
      expect(await attempt([['3', 3], misfitRow ?? []])).toBe(misfit === null ? 'ROW_REJECTED' : 'VALUE_UNREPRESENTABLE');
      expect(await attempt([['3', 3]])).toBe('applied');
      expect(['VALUE_UNREPRESENTABLE', 'ROW_REJECTED']).toContain(await attempt([largeRow ?? [], ['6', 6]]));
      expect(await attempt([['6', 6]])).toBe('applied');
      if (write === 'insert' && harness.insertReplaces !== true && harness.appends !== true)
        expect(
          await attempt([
            ['7', 7],
            ['1', 1],
          ]),
        ).toBe('ROW_REJECTED');
      expect(await writer.commit(batchOf('done', { deadLetters: [letter('4')] }))).toMatchObject({ written: 4, deleted: 0 });
      const rows = await harness.read(schema.name, schema.columns);
      expect(comparableRows(rows, schema.columns)).toEqual(
        comparableRows(
          [
            ['1', 1],
            ['2', 2],
            ['3', 3],
            ['6', 6],
          ],
          schema.columns,
        ),
      );
    }
  });
}
