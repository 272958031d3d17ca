/** Opens a connection by its name: references resolved, fields parsed, the driver loaded only now. */
import type { ConnectionDefinition, Definitions } from '../config/definition.ts';
import { pathText } from '../config/faults.ts';
import { findings } from '../config/issues.ts';
import { createResolver, type Resolver } from '../config/secrets.ts';
import { SyncError } from '../errors.ts';
import type { Capabilities, Connector } from './connector.ts';
import { type ConnectorEntry, findConnector } from './registry.ts';

export interface Opened {
  readonly connector: Connector;
  /** The connection's `type`. */
  readonly system: string;
  /** As the connector's own schema parses it, secrets included: never print it. */
  readonly connection: unknown;
  readonly capabilities: Capabilities;
  readonly maxConcurrent?: number;
}

export interface OpenOptions {
  /** Read secrets again, past the cache: after an authentication failure they may have been rotated. */
  readonly fresh?: boolean;
}

export type Open = (connectionName: string, options?: OpenOptions) => Promise<Opened>;

/** One for the process: its cache outlives an invocation. */
const processResolver = createResolver();

/** Throws CONFIG_INVALID where there is no such connection or a resolved field does not fit, SECRET_UNRESOLVED where a reference has no value. */
export function createOpener(definitions: Pick<Definitions, 'connections' | 'origin'>, { resolver = processResolver }: { resolver?: Resolver } = {}): Open {
  return async (name, { fresh = false } = {}) => {
    const definition = Object.hasOwn(definitions.connections, name) ? definitions.connections[name] : undefined;
    if (definition === undefined)
      throw new SyncError('CONFIG_INVALID', `There is no connection "${name}" in ${definitions.origin}.`, { file: definitions.origin });
    const entry = findConnector(definition.type);
    if (entry === undefined)
      throw new SyncError('CONFIG_INVALID', `Connection "${name}" has the type "${definition.type}", which no connector has.`, { connection: name });
    const fields = await resolveFields(definition, entry, { resolver, fresh });
    const connection = parse(definition, fields, entry);
    const { connector } = await entry.load();
    const { type: system, maxConcurrent } = definition;
    return { connector, connection, capabilities: entry.config.capabilities, system, ...(maxConcurrent === undefined ? {} : { maxConcurrent }) };
  };
}

interface Resolving {
  readonly resolver: Resolver;
  readonly fresh: boolean;
}

async function resolveFields(definition: ConnectionDefinition, entry: ConnectorEntry, { resolver, fresh }: Resolving): Promise<Record<string, unknown>> {
  const { secretFields } = entry.config;
  const resolve = async (field: string, value: unknown, secret: boolean): Promise<unknown> => {
    if (typeof value === 'string') {
      const text = await resolver.resolve(value, { fresh, secret }).catch((error: unknown) => {
        if (!(error instanceof SyncError)) throw error;
        const { code, retry, message } = error;
        throw new SyncError(code, `Connection "${definition.name}", ${field}: ${message}`, {
          retry,
          cause: error,
          connection: definition.name,
          field: `connections.${definition.name}.${field}`,
        });
      });
      if (secret) resolver.redactor.add(text);
      return text;
    }
    if (Array.isArray(value)) return Promise.all(value.map((item, index) => resolve(`${field}[${index}]`, item, secret)));
    if (value === null || typeof value !== 'object') return value;
    const entries = Object.entries(value).map(async ([name, item]) => [name, await resolve(`${field}.${name}`, item, secret)] as const);
    return Object.fromEntries(await Promise.all(entries));
  };
  const resolved = Object.entries(definition.fields).map(async ([field, value]) => [field, await resolve(field, value, secretFields.includes(field))] as const);
  return Object.fromEntries(await Promise.all(resolved));
}

function parse(definition: ConnectionDefinition, fields: Record<string, unknown>, entry: ConnectorEntry): unknown {
  const schema = entry.config.connection;
  const first = schema.safeParse(fields);
  if (first.success) return first.data;
  // A number or a switch that came from the environment is text there.
  const second = schema.safeParse(withTypes(fields, first.error.issues));
  if (second.success) return second.data;
  const reasons = findings(schema, fields, second.error.issues).map(({ path, message }) => (path.length === 0 ? message : `${pathText(path)} ${message}`));
  throw new SyncError('CONFIG_INVALID', `Connection "${definition.name}" does not fit once its references are resolved: ${reasons.join('; ')}.`, {
    connection: definition.name,
    field: `connections.${definition.name}`,
  });
}

function withTypes(
  fields: Record<string, unknown>,
  issues: readonly { readonly code?: string; readonly path: readonly PropertyKey[] }[],
): Record<string, unknown> {
  const typed = { ...fields };
  for (const { code, path } of issues) {
    const [field, ...more] = path;
    if (code !== 'invalid_type' || typeof field !== 'string' || more.length > 0) continue;
    const value = fields[field];
    if (typeof value !== 'string') continue;
    if (/^-?\d{1,15}$/.test(value)) typed[field] = Number(value);
    else if (value === 'true' || value === 'false') typed[field] = value === 'true';
  }
  return typed;
}
