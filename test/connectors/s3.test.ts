import { afterAll, beforeAll, describe } from 'vitest';
import { destinationFences } from '../conformance/destination-fences.ts';
import { destinationState } from '../conformance/destination-state.ts';
import { destinationValues } from '../conformance/destination-values.ts';
import type { Harness } from '../conformance/harness.ts';
import { describeWith } from '../support/servers.ts';
import { readManifest, type S3World, s3World } from './s3-harness.ts';

/** The suites of tables, as far as objects are like tables: a path is a table, and who reads goes by the manifest. */
function tableHarness(world: S3World): Harness {
  return {
    system: 's3',
    connector: world.connector,
    config: world.config,
    connection: world.connection,
    source: (table) => world.source(`${table}/`),
    destination: (table) => world.destination(table),
    create: () => Promise.reject(new Error('tables are not made beforehand')),
    read: (table, columns) => readManifest(world, `${table}/`, columns),
    columns: () => Promise.reject(new Error('objects have no catalogue')),
    cannotHold: { 'JSON null': 'a line of JSON has one null for both' },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

await describeWith(['s3'], 's3 as a destination', () => {
  let world: S3World;
  let harness: Harness;
  beforeAll(async () => {
    world = await s3World();
    harness = tableHarness(world);
  });
  afterAll(() => world[Symbol.asyncDispose]());
  describe('state', () => destinationState(() => harness));
  describe('fences', () => destinationFences(() => harness));
  describe('values', () => destinationValues(() => harness));
});
