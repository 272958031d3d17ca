/** A cursor that repeats: a position never stands between values that PostgreSQL takes for equal, although they are written differently. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { failure, freshName, openSource, readTable } from '../conformance/drive.ts';
import { postgresHarness, quote } from './postgres-harness.ts';

let harness: Awaited<ReturnType<typeof postgresHarness>>;
beforeAll(async () => {
  harness = await postgresHarness();
});
afterAll(async () => harness[Symbol.asyncDispose]());

async function table(type: string, values: readonly string[]): Promise<string> {
  const name = freshName('group');
  await harness.client.query(`CREATE TABLE ${quote(name)} (n ${type}, v int)`);
  for (const [index, value] of values.entries()) await harness.client.query(`INSERT INTO ${quote(name)} VALUES ('${value}', ${index})`);
  return name;
}

it.each([
  ['numeric', ['1.0', '1.00', '1', '2']],
  ['float8', ['-0', '0', '0', '2.5']],
])('%s', async (type, values) => {
  const name = await table(type, values);
  await using source = await openSource(harness, name, { mode: 'id', cursor: { column: 'n' } });
  const after: number[] = [];
  let rows = 0;
  for await (const chunk of source.read({ from: null, maxRows: 1, maxBytes: 1_000 }, new AbortController().signal)) {
    rows += chunk.kind === 'rows' ? chunk.rows.length : 0;
    if (chunk.boundary !== null) after.push(rows);
  }
  expect(after).toEqual([3, 4]);
});

it.each(
  ['numeric', 'float8', 'float4', 'date'].flatMap((type) =>
    (type === 'date' ? ['infinity'] : ['NaN', 'Infinity']).flatMap((value) => [false, true].map((unique) => [type, value, unique] as const)),
  ),
)('%s %s is no position: no later row would be found (unique: %s)', async (type, value, unique) => {
  const name = await table(type, type === 'date' ? ['2024-01-01', value] : ['1', value]);
  if (unique) await harness.client.query(`ALTER TABLE ${quote(name)} ADD PRIMARY KEY (n)`);
  await failure(() => readTable(harness, name, { mode: 'id', cursor: { column: 'n' } }), 'CURSOR_INVALID', name, value);
  expect((await readTable(harness, name, { mode: 'id', cursor: { column: 'n' }, where: `n <> '${value}'` })).rows.length).toBe(1);
  expect((await readTable(harness, name)).rows.length).toBe(2);
});

it.each([
  ['interval', ['1 day', '24 hours']],
  ['char(3)', ['a', 'b']],
])('%s is refused without a unique tiebreak', async (type, values) => {
  const name = await table(type, values);
  await failure(() => openSource(harness, name, { mode: 'id', cursor: { column: 'n' } }), 'UNSUPPORTED', 'n');
  await harness.client.query(`ALTER TABLE ${quote(name)} ADD UNIQUE (n, v), ALTER n SET NOT NULL, ALTER v SET NOT NULL`);
  await using source = await openSource(harness, name, { mode: 'id', cursor: { column: 'n', key: ['v'] } });
  expect(source.schema.key).toEqual(['n', 'v']);
});
