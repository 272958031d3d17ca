/** Type → connector. `config` is light and loaded with the definitions; `load` brings in the driver, for the connectors that a sync uses alone. */
import type { Connector, ConnectorConfig } from './connector.ts';
import { config as kafka } from './kafka/config.ts';
import { config as mongodb } from './mongodb/config.ts';
import { config as mysql } from './mysql/config.ts';
import { config as postgres } from './postgres/config.ts';
import { config as rest } from './rest/config.ts';
import { config as s3 } from './s3/config.ts';
import { config as sqlite } from './sqlite/config.ts';
import { config as sqlserver } from './sqlserver/config.ts';

export interface ConnectorEntry {
  readonly config: ConnectorConfig;
  load(): Promise<{ readonly connector: Connector }>;
}

export const registry = {
  postgres: { config: postgres, load: () => import('./postgres/index.ts') },
  mysql: { config: mysql, load: () => import('./mysql/index.ts') },
  rest: { config: rest, load: () => import('./rest/index.ts') },
  s3: { config: s3, load: () => import('./s3/index.ts') },
  kafka: { config: kafka, load: () => import('./kafka/index.ts') },
  sqlite: { config: sqlite, load: () => import('./sqlite/index.ts') },
  sqlserver: { config: sqlserver, load: () => import('./sqlserver/index.ts') },
  mongodb: { config: mongodb, load: () => import('./mongodb/index.ts') },
} satisfies Record<string, ConnectorEntry>;

export type ConnectorType = keyof typeof registry;

export const connectorTypes = Object.keys(registry) as ConnectorType[];

/** The connector's entry, or undefined where no connector has this type. */
export function findConnector(type: string): ConnectorEntry | undefined {
  return Object.hasOwn(registry, type) ? registry[type as ConnectorType] : undefined;
}
