import { expect, it } from 'vitest';
import type { Row, Schema } from '../../lib/values/types.ts';
import { column, failure, freshName, openSource, readAll, readTable } from './drive.ts';
import type { Harness } from './harness.ts';

function table(): Schema {
  return {
    name: freshName('refused'),
    columns: [column('id', 'int64', false), column('at', 'timestamp'), column('label', { kind: 'string', maxLength: 20 })],
    key: ['id'],
  };
}

export function sourceRefusals(get: () => Harness): void {
  it('names a table that is missing', async () => {
    const harness = get();
    const options = harness.source('no_such_table_here');
    await failure(() => openSource(harness, 'no_such_table_here', { options }), 'NOT_FOUND', 'no_such_table_here');
  });

  it('names a column that is missing', async () => {
    const schema = table();
    await get().create(schema, []);
    for (const ask of [{ include: ['id', 'labell'] }, { exclude: ['labell'] }])
      await failure(() => openSource(get(), schema.name, ask), 'NOT_FOUND', 'labell', schema.name);
    for (const cursor of [
      { column: 'labell', key: ['id'] },
      { column: 'at', key: ['labell'] },
    ])
      await failure(() => readTable(get(), schema.name, { mode: 'timestamp', cursor }), 'NOT_FOUND', 'labell');
  });

  it('refuses NULL in a cursor column unless it is included, and in a key', async () => {
    const schema = table();
    await get().create(schema, [
      ['1', '2024-01-01 00:00:00', 'a'],
      ['2', null, null],
    ]);
    await failure(() => readTable(get(), schema.name, { mode: 'timestamp', cursor: { column: 'at', key: ['id'] } }), 'CURSOR_NULL', schema.name, 'at');
    await failure(() => readTable(get(), schema.name, { mode: 'id', cursor: { column: 'id', key: ['label'] } }), 'CURSOR_NULL', schema.name, 'label');
  });

  it('refuses a cursor of another table, mode, key or maker', async () => {
    const schema = table();
    const other = table();
    const rows: Row[] = [['1', '2024-01-01 00:00:00', 'a']];
    await get().create(schema, rows);
    await get().create(other, rows);
    const cursorFrom = async (name: string, ask: Parameters<typeof readTable>[2]): Promise<string> =>
      (await readTable(get(), name, ask)).boundaries.at(-1)?.cursor ?? '';
    const byId = { mode: 'id', cursor: { key: ['id'] } } as const;
    const foreign = [
      await cursorFrom(other.name, byId),
      await cursorFrom(schema.name, { mode: 'timestamp', cursor: { column: 'at', key: ['id'] } }),
      await cursorFrom(schema.name, { mode: 'id', cursor: { column: 'label', key: ['id'] } }),
      'not a cursor',
      '{"v":1}',
      '"text"',
      'null',
    ];
    for (const from of foreign) {
      expect(from).not.toBe('');
      await failure(() => readTable(get(), schema.name, { ...byId, read: { from } }), 'CURSOR_INVALID');
    }
  });

  it('refuses mode timestamp without a column, and mode id without a key', async () => {
    if (get().schemaless === true) return;
    const schema: Schema = { ...table(), key: [] };
    await get().create(schema, []);
    await failure(() => readTable(get(), schema.name, { mode: 'timestamp' }), ['CONFIG_INVALID', 'KEY_REQUIRED'], 'cursor');
    await failure(() => readTable(get(), schema.name, { mode: 'id' }), ['KEY_REQUIRED', 'CONFIG_INVALID'], schema.name);
  });

  it('refuses a where or a query that the database refuses, and goes on working', async () => {
    const harness = get();
    if (harness.schemaless === true) return;
    const schema = table();
    await harness.create(schema, [['1', null, 'a']]);
    if (harness.config.capabilities.source.where)
      await failure(() => readTable(harness, schema.name, { where: 'no_such_column_here = 1' }), ['CONFIG_INVALID', 'NOT_FOUND'], 'no_such_column_here');
    if (harness.query !== undefined && harness.quote !== undefined) {
      const { query, quote } = harness;
      const from = `FROM ${quote(schema.name)}`;
      await failure(() => readTable(harness, schema.name, { options: query(`SELECT nonsense ${from} WHERE`) }), ['CONFIG_INVALID', 'NOT_FOUND']);
      await failure(
        () => readTable(harness, schema.name, { options: query(`SELECT ${quote('id')} AS a, ${quote('at')} AS a ${from}`) }),
        'CONFIG_INVALID',
        'a',
      );
      await failure(() => readTable(harness, schema.name, { options: query(`DELETE ${from}`) }), ['CONFIG_INVALID', 'PERMISSION_DENIED', 'NOT_FOUND']);
    }
    await using source = await openSource(harness, schema.name);
    expect((await readAll(source)).rows).toHaveLength(1);
  });
}
