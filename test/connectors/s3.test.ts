import { afterAll, beforeAll, describe } from 'vitest';
import type { Column } from '../../lib/values/types.ts';
import { typeName } from '../../lib/values/types.ts';
import { destinationFences } from '../conformance/destination-fences.ts';
import { destinationLetters } from '../conformance/destination-letters.ts';
import { destinationState } from '../conformance/destination-state.ts';
import { destinationValues } from '../conformance/destination-values.ts';
import { destinationWrites } from '../conformance/destination-writes.ts';
import type { Harness } from '../conformance/harness.ts';
import { sourceLimits } from '../conformance/source-limits.ts';
import { sourceValues } from '../conformance/source-values.ts';
import { documentOf } from '../pairs/json-document.ts';
import { describeWith } from '../support/servers.ts';
import { readManifest, type S3World, s3World } from './s3-harness.ts';

/** The suites of tables, as far as objects are like tables: a path is a table, and who reads goes by the manifest. What is left out, and why, stands in the connector's README. */
function tableHarness(world: S3World): Harness {
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
  let world: S3World;
  let harness: Harness;
  beforeAll(async () => {
    world = await s3World();
    harness = tableHarness(world);
  });
  afterAll(() => world[Symbol.asyncDispose]());
  const get = (): Harness => harness;
  describe('as a source', () => {
    describe('limits', () => sourceLimits(get));
    describe('values', () => sourceValues(get));
  });
  describe('as a destination', () => {
    describe('writes', () => destinationWrites(get));
    describe('state', () => destinationState(get));
    describe('fences', () => destinationFences(get));
    describe('dead letters', () => destinationLetters(get));
    describe('values', () => destinationValues(get));
  });
});
