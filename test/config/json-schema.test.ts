import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { definitionsSchema, type JsonSchema } from '../../lib/config/json-schema.ts';
import { connectorTypes } from '../../lib/connectors/registry.ts';

const folder = join(import.meta.dirname, '../../lib/config');

describe('the JSON Schema', () => {
  it('is the one in the repository: npm run schema writes it', async () => {
    expect(JSON.parse(await readFile(join(folder, 'syncs.schema.json'), 'utf8'))).toEqual(JSON.parse(JSON.stringify(definitionsSchema())));
  });

  it('describes every field, and every connector', () => {
    const bare: string[] = [];
    const visit = (node: unknown, path: string): void => {
      if (node === null || typeof node !== 'object') return;
      const properties = (node as JsonSchema).properties;
      if (properties !== undefined && !path.endsWith('.if')) {
        for (const [name, field] of Object.entries(properties as Record<string, JsonSchema>))
          if (typeof field.description !== 'string') bare.push(`${path}.${name}`);
      }
      for (const [name, item] of Object.entries(node)) visit(item, `${path}.${name}`);
    };
    visit(definitionsSchema(), '');
    expect(bare).toEqual([]);
    for (const type of connectorTypes) expect(JSON.stringify(definitionsSchema())).toContain(`{"type":{"const":"${type}"}}`);
  });

  it('takes the example, and no mistake in it', async () => {
    const items = (definitionsSchema() as { properties: { syncs: { items: JsonSchema } } }).properties.syncs.items;
    const sync = z.fromJSONSchema(items as Parameters<typeof z.fromJSONSchema>[0]);
    const example = parse(await readFile(join(import.meta.dirname, 'fixtures/full.yaml'), 'utf8')).syncs[0];
    expect(sync.safeParse(example).error).toBeUndefined();
    for (const mistake of [
      { evry: '5m' },
      { mode: 'timestmp' },
      { every: 5 },
      { cursor: { colum: 'x' } },
      { batch: { rows: 0 } },
      { source: { connection: 'a', tabel: 't' } },
    ]) {
      expect(sync.safeParse({ ...example, ...mistake }).success, JSON.stringify(mistake)).toBe(false);
    }
  });

  it.each([
    [{ type: 'postgres', url: '${env:X}' }, true],
    [{ type: 'postgres', host: 'h', port: '${env:P}', maxConcurrent: 3 }, true],
    [{ type: 'postgres', hots: 'h' }, false],
    [{ type: 'postgres', host: 'h', port: 'x' }, false],
  ])('of a connection takes %j: %j', (connection, fits) => {
    const { additionalProperties } = (
      definitionsSchema() as { properties: { connections: { additionalProperties: { allOf: { if: JsonSchema; then: JsonSchema }[] } } } }
    ).properties.connections;
    const postgres = additionalProperties.allOf.find((branch) => JSON.stringify(branch.if).includes('"postgres"'));
    expect(z.fromJSONSchema(postgres?.then as Parameters<typeof z.fromJSONSchema>[0]).safeParse(connection).success).toBe(fits);
  });
});
