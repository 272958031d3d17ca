import { expect, it } from 'vitest';
import { isRowError, SyncError } from '../../lib/errors.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, column, freshName, openWriter, writeAll } from './drive.ts';
import type { Harness } from './harness.ts';
import { comparable } from './same.ts';
import { caseGroups, type ValueCase } from './values.ts';

export function destinationValues(get: () => Harness): void {
  for (const group of caseGroups()) {
    const schemaFor = (): Schema => ({ name: freshName(`to_${group.name}`), columns: [column('id', 'int32', false), column('v', group.type)], key: ['id'] });
    const isRefused = ({ name }: ValueCase): boolean => Object.hasOwn(get().cannotHold, name);

    it(`holds ${group.name} exactly`, async () => {
      const held = group.cases.filter((each) => !isRefused(each));
      if (held.length === 0) return;
      for (const write of get().config.capabilities.destination.writes) {
        const schema = schemaFor();
        const rows = held.map(({ value }, i): Row => [i, value]);
        const batch = { cursor: null, final: true };
        await writeAll(get(), schema, rows, { write, batch });
        const found = await get().read(schema.name, schema.columns);
        const expected = held.map(({ name, value }, i) => [i, name, comparable(value, group.type)]);
        expect(
          found.map(([id, value]) => [Number(id), held[Number(id)]?.name, comparable(value ?? null, group.type)]).sort((a, b) => Number(a[0]) - Number(b[0])),
        ).toEqual(expected);
      }
    });

    it(`refuses what it cannot hold of ${group.name}, naming table, column and key`, async () => {
      const refused = group.cases.filter(isRefused);
      for (const { name, value } of refused) {
        const schema = schemaFor();
        const error = await refusal(get(), schema, [777, value]);
        expect(error, name).toBeInstanceOf(SyncError);
        if (!(error instanceof SyncError)) continue;
        expect([name, error.code === 'SCHEMA_MISMATCH' || error.code === 'UNSUPPORTED' || isRowError(error)]).toEqual([name, true]);
        expect({ name, table: error.message.includes(schema.name), column: error.place.column }).toEqual({ name, table: true, column: 'v' });
        if (isRowError(error)) expect({ name, key: error.place.key?.replace(/^id=/, '') }).toEqual({ name, key: '777' });
        if (typeof value === 'string' && value.length > 3 && group.type.kind === 'string') expect(error.message).not.toContain(value);
      }
    });
  }
}

async function refusal(harness: Harness, schema: Schema, row: Row): Promise<unknown> {
  try {
    await using open = await openWriter(harness, schema);
    await open.writer.write(chunkOf([[1, null], row]));
    await open.writer.commit(batchOf('refused'));
    return `took it: ${JSON.stringify((await harness.read(schema.name, schema.columns)).map(([, value]) => comparable(value ?? null, schema.columns[1]?.type ?? { kind: 'string' })))}`;
  } catch (error) {
    return error;
  }
}
