/** What a definitions file means once it is read: defaults filled in, units converted, references to secrets still references. */
import type { CursorSpec, DeleteMode, Mode, WriteMode } from '../connectors/connector.ts';

/** `sha256`: hex digest of the canonical text. `redact`: `***` (or an empty value of the type where that is not text). `null`: NULL. `partial`: all but the last four characters. */
export const maskRules = ['sha256', 'redact', 'null', 'partial'] as const;
export type MaskRule = (typeof maskRules)[number];

export interface ConnectionDefinition {
  readonly name: string;
  readonly type: string;
  /** As written, `type` included, `maxConcurrent` not: `${env:…}`, `${ssm:…}` and `${secret:…}` unresolved. */
  readonly fields: Readonly<Record<string, unknown>>;
  readonly maxConcurrent?: number;
}

export type ScheduleDefinition = { readonly everyMs: number } | { readonly cron: string; readonly timezone: string };

export interface EndDefinition {
  /** Name of the connection. */
  readonly connection: string;
  /** The other fields, parsed by the connector's `source` or `destination` schema. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface SyncDefinition {
  readonly name: string;
  readonly enabled: boolean;
  readonly schedule: ScheduleDefinition | null;
  readonly source: EndDefinition;
  readonly destination: EndDefinition;
  readonly columns: { readonly include?: readonly string[]; readonly exclude?: readonly string[]; readonly rename: Readonly<Record<string, string>> };
  readonly where?: string;
  /** By the source's column names. */
  readonly mask: Readonly<Record<string, MaskRule>>;
  readonly mode: Mode;
  readonly cursor: CursorSpec;
  /** What an upsert goes by, in the source's names, as `key` says; empty: see `outputSchema`. */
  readonly key: readonly string[];
  readonly write: WriteMode;
  readonly deletes: DeleteMode;
  readonly softDeleteColumn: string;
  readonly schema: 'evolve' | 'freeze';
  readonly batch: { readonly rows: number; readonly bytes: number };
  readonly lock: { readonly mode: 'exclusive' | 'shared'; readonly waitMs: number; readonly resource: string; readonly ttlSeconds: number };
  readonly onError: 'stop' | 'deadLetter';
}

export interface Definitions {
  /** Where they came from, for messages. */
  readonly origin: string;
  readonly connections: Readonly<Record<string, ConnectionDefinition>>;
  readonly syncs: readonly SyncDefinition[];
}
