import type { Column } from '../../lib/values/types.ts';
import { typeName } from '../../lib/values/types.ts';
import { describeDestination } from '../conformance/destination.ts';
import type { Harness } from '../conformance/harness.ts';
import { describeSource } from '../conformance/source.ts';
import { documentOf } from '../pairs/json-document.ts';
import { describeWith } from '../support/servers.ts';
import { readManifest, s3World } from './s3-harness.ts';

/** The suites of tables, as far as objects are like tables: a path is a table, and who reads goes by the manifest. What is left out, and why, stands in the connector's README. */
async function tableHarness(): Promise<Harness> {
  const world = await s3World();
  let columns: readonly Column[] = [];
  return {
    system: 's3',
    connector: world.connector,
    config: world.config,
    connection: world.connection,
    appends: true,
    source: (table) => world.source(`${table}/`, { fields: Object.fromEntries(columns.map(({ name, type }) => [name, typeName(type)])) }),
    destination: (table) => world.destination(table),
    create: async (schema, rows) => {
      columns = schema.columns;
      if (rows.length > 0) await world.put(`${schema.name}/a.jsonl`, rows.map((row) => `${documentOf(columns, row)}\n`).join(''));
    },
    append: (schema, row) => world.put(`${schema.name}/${String(row[0])}.jsonl`, `${documentOf(schema.columns, row)}\n`),
    read: (table, columns) => readManifest(world, `${table}/`, columns),
    columns: () => Promise.reject(new Error('objects have no catalogue')),
    cannotHold: { 'JSON null': 'a line of JSON has one null for both' },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

await describeWith(['s3'], 's3', () => {
  describeSource('s3', tableHarness, { without: ['schema and modes', 'cursors', 'refusals'] });
  describeDestination('s3', tableHarness, { without: ['tables', 'names'] });
});
