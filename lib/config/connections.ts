/** The section `connections`: each parsed by its connector's schema, references left as they are. */
import type { ConnectorConfig } from '../connectors/connector.ts';
import { connectorTypes, findConnector } from '../connectors/registry.ts';
import type { Collector } from './collector.ts';
import type { ConnectionDefinition } from './definition.ts';
import type { FieldPath } from './faults.ts';
import { findings } from './issues.ts';
import { literalSecrets } from './literal-secrets.ts';
import { redactor } from './redactor.ts';
import { hasReference, parseReferences } from './references.ts';
import { connectionSchema } from './schema.ts';
import { hint } from './suggest.ts';

export interface ParsedConnection {
  readonly definition: ConnectionDefinition;
  /** Absent where the type is unknown: what depends on it is not checked then. */
  readonly config: ConnectorConfig | undefined;
}

export function parseConnection(name: string, raw: unknown, collector: Collector): ParsedConnection {
  const path: FieldPath = ['connections', name];
  const common = connectionSchema.safeParse(raw);
  for (const finding of findings(connectionSchema, raw, common.error?.issues ?? [])) collector.fault([...path, ...finding.path], finding.message, finding.at);
  const { maxConcurrent, ...fields }: Record<string, unknown> = isObject(raw) ? raw : {};
  const type = typeof fields.type === 'string' ? fields.type : '';
  const config = findConnector(type)?.config;
  if (config !== undefined) checkFields(path, fields, { config, collector });
  else if (type !== '') collector.fault([...path, 'type'], `no connector has the type "${type}"${hint(type, connectorTypes)}`);
  const definition = { name, type, fields };
  return { definition: typeof maxConcurrent === 'number' ? { ...definition, maxConcurrent } : definition, config };
}

function checkFields(path: FieldPath, fields: Record<string, unknown>, { config, collector }: { config: ConnectorConfig; collector: Collector }): void {
  walkText(fields, [], (text, at) => {
    const { fault } = parseReferences(text);
    if (fault !== undefined) collector.fault([...path, ...at], fault);
  });
  const parsed = config.connection.safeParse(fields);
  for (const finding of findings(config.connection, fields, parsed.error?.issues ?? [])) {
    // The value is known at run time alone, and parsed again then.
    if (finding.at === 'value' && isReference(fields, finding.path)) continue;
    collector.fault([...path, ...finding.path], finding.message, finding.at);
  }
  for (const field of literalSecrets(fields, config)) {
    walkText(fields[field], [], (text) => redactor.add(text));
    collector.warn(
      [...path, field],
      'holds a secret in plain text: put it into the environment, Parameter Store or Secrets Manager and refer to it, as in ${env:NAME}',
    );
  }
}

/** Calls `visit` for every text within a value. */
export function walkText(value: unknown, path: FieldPath, visit: (text: string, path: FieldPath) => void): void {
  if (typeof value === 'string') visit(value, path);
  else if (Array.isArray(value)) for (const [index, item] of value.entries()) walkText(item, [...path, index], visit);
  else if (isObject(value)) for (const [name, item] of Object.entries(value)) walkText(item, [...path, name], visit);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function isReference(fields: unknown, path: FieldPath): boolean {
  let current = fields;
  for (const segment of path) {
    if (current === null || typeof current !== 'object') return false;
    current = (current as Record<string | number, unknown>)[segment];
  }
  return typeof current === 'string' && hasReference(current);
}
