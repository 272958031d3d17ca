/** The definitions file as JSON Schema, for completion and checks in editors: `npm run schema` writes it to syncs.schema.json. */
import * as z from 'zod';
import type { ConnectorConfig } from '../connectors/connector.ts';
import { registry } from '../connectors/registry.ts';
import { connectionSchema, fileFields, namePattern, syncSchema } from './schema.ts';

export type JsonSchema = { [key: string]: unknown };

/** Where a value may come from the environment or a secret. */
const reference: JsonSchema = {
  type: 'string',
  pattern: '\\$\\{(env|ssm|secret):[^}]+\\}',
  description: 'A reference: ${env:NAME}, ${ssm:/path} or ${secret:name#key}.',
};

export function definitionsSchema(): JsonSchema {
  const connectors: [string, ConnectorConfig][] = Object.entries(registry).map(([type, { config }]) => [type, config]);
  const sync = convert(syncSchema);
  const properties = object(sync.properties);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Idra sync definitions',
    description: 'Connections, and what is moved between them.',
    type: 'object',
    properties: {
      $schema: convert(fileFields.$schema),
      connections: {
        description: fileFields.connections.description,
        type: 'object',
        propertyNames: { pattern: namePattern.source },
        additionalProperties: {
          type: 'object',
          required: ['type'],
          properties: { type: { description: 'Type of the connector.', enum: connectors.map(([type]) => type) } },
          // if/then rather than oneOf: an editor then tells the faults of the one type that is meant.
          allOf: connectors.map(([type, config]) => ({
            if: { required: ['type'], properties: { type: { const: type } } },
            // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
            then: connection(config),
          })),
        },
      },
      syncs: {
        description: fileFields.syncs.description,
        type: 'array',
        items: {
          ...sync,
          properties: {
            ...properties,
            source: end(
              properties.source,
              connectors.map(([type, config]) => [type, config.source]),
            ),
            destination: end(
              properties.destination,
              connectors.map(([type, config]) => [type, config.destination]),
            ),
          },
        },
      },
    },
    patternProperties: { '^x-': { description: 'Free: a place for YAML anchors.' } },
    additionalProperties: false,
  };
}

function convert(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return rest;
}

function object(value: unknown): Record<string, JsonSchema> {
  return value as Record<string, JsonSchema>;
}

/** The connector's own fields, each of which may be a reference, and those that every connection has. */
function connection(config: ConnectorConfig): JsonSchema {
  const schema = convert(config.connection);
  const { maxConcurrent } = object(convert(connectionSchema).properties);
  const fields = Object.entries(object(schema.properties)).map(([name, field]) => [name, name === 'type' ? field : orReference(field)]);
  return { ...schema, properties: { ...Object.fromEntries(fields), maxConcurrent } };
}

function orReference(field: JsonSchema): JsonSchema {
  const anyText = field.type === 'string' && field.pattern === undefined && field.enum === undefined && field.format === undefined;
  if (anyText) return field;
  const { description, ...rest } = field;
  return { ...(description === undefined ? {} : { description }), anyOf: [rest, reference] };
}

/** Which connector is meant shows in `connections` alone, so that any connector's fields will do. */
function end(common: JsonSchema | undefined, ends: readonly (readonly [type: string, schema: z.ZodType])[]): JsonSchema {
  const own = object(common?.properties).connection;
  const branches = new Map<string, JsonSchema>();
  const titles = new Map<string, string>();
  for (const [type, schema] of ends) {
    const { required, properties, ...rest } = convert(schema);
    const branch = { ...rest, properties: { connection: own, ...object(properties) }, required: ['connection', ...(Array.isArray(required) ? required : [])] };
    const key = JSON.stringify(branch);
    branches.set(key, branch);
    titles.set(key, titles.has(key) ? `${titles.get(key)}, ${type}` : type);
  }
  return { description: common?.description, type: 'object', anyOf: [...branches].map(([key, branch]) => ({ title: titles.get(key), ...branch })) };
}
