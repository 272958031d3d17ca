import { expect, it } from 'vitest';
import type { Schema } from '../../lib/values/types.ts';
import { column, destinationOf, failure, freshName, openWriter, writeAll } from './drive.ts';
import type { Harness } from './harness.ts';
import { comparableRows } from './same.ts';

function people(more: Partial<Schema> = {}): Schema {
  return { name: freshName('people'), columns: [column('id', 'int64', false), column('name', { kind: 'string', maxLength: 50 })], key: ['id'], ...more };
}

export function destinationPrepare(get: () => Harness): void {
  it('creates a table that is missing, once', async () => {
    const schema = people();
    await using destination = await destinationOf(get(), schema.name);
    expect(await destination.state()).toBeNull();
    const made = await destination.prepare(schema);
    expect(made).toMatchObject({ existed: false, hasRows: false });
    expect(made.schema.columns.map(({ name }) => name)).toEqual(['id', 'name']);
    if (get().schemaless !== true) expect(await get().columns(schema.name)).toEqual(['id', 'name']);
    expect(await destination.prepare(schema)).toMatchObject({ existed: true, hasRows: false });
    await writeAll(get(), schema, [['1', 'one']]);
    await using later = await destinationOf(get(), schema.name);
    expect(await later.prepare(schema)).toMatchObject({ existed: true, hasRows: true });
  });

  it('changes nothing in a dry run', async () => {
    const schema = people();
    await using destination = await destinationOf(get(), schema.name);
    expect(await destination.prepare(schema, { dryRun: true })).toMatchObject({ existed: false, hasRows: false });
    expect(await get().columns(schema.name)).toEqual([]);
    expect(await destination.state()).toBeNull();
    await get().create(schema, [['1', 'one']]);
    const wider = { ...schema, columns: [...schema.columns, column('age', 'int32')] };
    await using again = await destinationOf(get(), schema.name);
    expect(await again.prepare(wider, { dryRun: true })).toMatchObject({ existed: true, hasRows: true });
    expect(await get().columns(schema.name)).toEqual(['id', 'name']);
  });

  it('adds columns that appear later', async () => {
    const schema = people();
    await writeAll(get(), schema, [['1', 'one']]);
    const wider: Schema = { ...schema, columns: [column('age', 'int32'), ...schema.columns, column('born', 'date')] };
    await writeAll(get(), wider, [[7, '2', 'two', '2020-02-02']]);
    expect([...(await get().columns(schema.name))].sort()).toEqual(['age', 'born', 'id', 'name']);
    const rows = await get().read(schema.name, wider.columns);
    const expected = [
      [null, '1', 'one', null],
      [7, '2', 'two', '2020-02-02'],
    ];
    expect(comparableRows(rows, wider.columns)).toEqual(comparableRows(expected, wider.columns));
    // And a source that lost a column leaves it NULL
    await writeAll(get(), schema, [['3', 'three']]);
    expect(await get().read(schema.name, wider.columns)).toHaveLength(3);
  });

  it('adds no column under freeze', async () => {
    const schema = people();
    await get().create(schema, [['1', 'one']]);
    const wider = { ...schema, columns: [...schema.columns, column('age', 'int32')] };
    await using destination = await destinationOf(get(), schema.name, { schema: 'freeze' });
    await failure(() => destination.prepare(wider), 'SCHEMA_MISMATCH', schema.name, 'age');
    await failure(() => destination.prepare(wider, { dryRun: true }), 'SCHEMA_MISMATCH', 'age');
    expect(await get().columns(schema.name)).toEqual(['id', 'name']);
    await destination.prepare(schema);
  });

  it('refuses types that do not fit, naming table and column', async () => {
    if (get().schemaless === true) return;
    for (const [there, held, incoming] of [
      ['int64', '1', 'bytes'],
      ['bytes', new Uint8Array([1]), 'string'],
      ['float64', 0.5, 'decimal'],
      ['date', '2024-01-01', 'int64'],
      [{ kind: 'timestamp', fraction: 6, zoned: true }, '2024-01-01 00:00:00+00:00', 'timestamp'],
      ['timestamp', '2024-01-01 00:00:00', { kind: 'timestamp', fraction: 6, zoned: true }],
    ] as const) {
      const harness = get();
      const name = freshName('misfit');
      const existing = column('v', there);
      if (harness.untyped?.includes(existing.type.kind)) continue;
      await harness.create({ name, columns: [column('id', 'int64', false), existing], key: ['id'] }, [['1', held]]);
      const schema: Schema = { name, columns: [column('id', 'int64', false), column('v', incoming)], key: ['id'] };
      await using destination = await destinationOf(harness, name);
      await failure(() => destination.prepare(schema), 'SCHEMA_MISMATCH', name, 'v');
    }
  });

  it('refuses a table that needs a column which the source has not', async () => {
    if (get().schemaless === true) return;
    const schema = people();
    await get().create({ ...schema, columns: [...schema.columns, column('needed', 'int32', false)] }, []);
    await using destination = await destinationOf(get(), schema.name);
    await failure(() => destination.prepare(schema), 'SCHEMA_MISMATCH', schema.name, 'needed');
  });

  it('refuses an upsert without a unique key', async () => {
    const schema = people();
    await get().create({ ...schema, key: [] }, []);
    for (const key of [['id'], []]) {
      await using destination = await destinationOf(get(), schema.name, { write: 'upsert' });
      await failure(() => destination.prepare({ ...schema, key }), ['KEY_REQUIRED', 'SCHEMA_MISMATCH'], schema.name);
    }
  });

  it('writes into a table that has more columns, in another order', async () => {
    const schema = people();
    const there: Schema = { ...schema, columns: [column('extra', 'int32'), column('name', { kind: 'string', maxLength: 50 }), column('id', 'int64', false)] };
    await get().create(there, []);
    await using open = await openWriter(get(), schema);
    expect(open.target.existed).toBe(true);
    await open[Symbol.asyncDispose]();
    await writeAll(get(), schema, [['1', 'one']], { write: 'upsert' });
    expect(comparableRows(await get().read(schema.name, there.columns), there.columns)).toEqual(comparableRows([[null, 'one', '1']], there.columns));
  });
}
