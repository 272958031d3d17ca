/** Secrets written out in a definition: tolerated in a local file with a warning, refused where definitions are stored for others to read. */
import type { ConnectorConfig } from '../connectors/connector.ts';
import { findConnector } from '../connectors/registry.ts';
import { SyncError } from '../errors.ts';
import type { Definitions } from './definition.ts';
import { passwordsInUrl } from './redactor.ts';
import { hasReference } from './references.ts';

/** Names of the fields of a connection that hold a secret and are no reference. */
export function literalSecrets(fields: Readonly<Record<string, unknown>>, config: Pick<ConnectorConfig, 'secretFields'>): string[] {
  return config.secretFields.filter((name) => holdsLiteral(name, fields[name]));
}

function holdsLiteral(name: string, value: unknown): boolean {
  if (typeof value === 'string') {
    if (name === 'url' || /^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return passwordsInUrl(value).some((password) => !hasReference(password));
    return value !== '' && !hasReference(value);
  }
  if (value === null || typeof value !== 'object') return typeof value === 'number';
  return Object.values(value).some((item) => holdsLiteral('', item));
}

/**
 * For definitions that leave this machine (`idra syncs apply`). Throws CONFIG_INVALID, naming every field that holds a secret which is no reference.
 */
export function refuseLiteralSecrets(definitions: Pick<Definitions, 'connections' | 'origin'>): void {
  const found = Object.values(definitions.connections).flatMap((connection) => {
    const config = findConnector(connection.type)?.config;
    return config === undefined ? [] : literalSecrets(connection.fields, config).map((field) => `connections.${connection.name}.${field}`);
  });
  const first = found[0];
  if (first === undefined) return;
  throw new SyncError(
    'CONFIG_INVALID',
    `${found.join(', ')}: ${found.length === 1 ? 'holds' : 'hold'} a secret in plain text, and definitions are stored with references alone. Put the secret into the environment, Parameter Store or Secrets Manager and write \${env:NAME}, \${ssm:/path} or \${secret:name} in its place.`,
    { file: definitions.origin, field: first },
  );
}
