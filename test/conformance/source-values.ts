import { expect, it } from 'vitest';
import type { Row, Schema } from '../../lib/values/types.ts';
import { column, freshName, readTable } from './drive.ts';
import type { Harness } from './harness.ts';
import { comparable } from './same.ts';
import { caseGroups } from './values.ts';

export function sourceValues(get: () => Harness): void {
  for (const group of caseGroups()) {
    it(`reads ${group.name} in canonical form`, async () => {
      const harness = get();
      const held = group.cases.filter(({ name }) => !Object.hasOwn(harness.cannotHold, name));
      if (held.length === 0) return;
      const schema: Schema = { name: freshName(`read_${group.name}`), columns: [column('id', 'int32', false), column('v', group.type)], key: ['id'] };
      await harness.create(
        schema,
        held.map(({ value }, i): Row => [i, value]),
      );
      const { rows, chunks } = await readTable(harness, schema.name);
      expect(chunks.flatMap((chunk) => chunk.rejected ?? []).map(({ error }) => error.message)).toEqual([]);
      const found = Object.fromEntries(rows.map(([id, value]) => [held[Number(id)]?.name, comparable(value ?? null, group.type)]));
      expect(found).toEqual(Object.fromEntries(held.map(({ name, value }) => [name, comparable(value, group.type)])));
      for (const [id, value] of rows) expect(formFault(value, group.type.kind), held[Number(id)]?.name).toBe(null);
    });
  }
}

/** What is wrong with the form of a value (types.ts); the text itself is compared elsewhere. */
function formFault(value: Row[number] | undefined, kind: string): string | null {
  if (value === null) return null;
  const forms: Readonly<Record<string, readonly string[]>> = {
    boolean: ['boolean'],
    int32: ['string', 'number'],
    int64: ['string', 'bigint', 'number'],
    uint64: ['string', 'bigint', 'number'],
    float64: ['string', 'number'],
  };
  if (kind === 'bytes') return value instanceof Uint8Array ? null : `bytes as ${typeof value}`;
  if (!(forms[kind] ?? ['string']).includes(typeof value)) return `${kind} as ${typeof value}`;
  if (typeof value === 'number' && kind !== 'float64' && !Number.isSafeInteger(value)) return 'an integer that is not safe';
  if (kind === 'timestamp' && typeof value === 'string' && /T|Z$/.test(value)) return `not canonical: ${value}`;
  return null;
}
