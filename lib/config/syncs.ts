/** The section `syncs`: each parsed, defaults filled in that depend on more than one field, then checked against what its two connectors can do. */
import type { DeleteMode, Mode, WriteMode } from '../connectors/connector.ts';
import { checkSync } from './checks.ts';
import type { Collector } from './collector.ts';
import { isObject, type ParsedConnection, walkText } from './connections.ts';
import type { EndDefinition, ScheduleDefinition, SyncDefinition } from './definition.ts';
import { findings } from './issues.ts';
import { hasReference } from './references.ts';
import { type ParsedSync, syncSchema } from './schema.ts';
import { hint } from './suggest.ts';

/** A sync as far as it could be read. */
export interface Draft {
  readonly index: number;
  readonly parsed: ParsedSync;
  /** Top-level fields that have a fault already: nothing is concluded from them. */
  readonly tainted: ReadonlySet<string>;
  readonly source: ParsedConnection | undefined;
  readonly destination: ParsedConnection | undefined;
  readonly definition: SyncDefinition;
}

export interface SyncContext {
  readonly index: number;
  readonly connections: ReadonlyMap<string, ParsedConnection>;
  readonly collector: Collector;
}

/** Stands for a field that is needed to go on and could not be read; it is tainted then. */
const placeholders = { name: 'unnamed', source: { connection: '' }, destination: { connection: '' } };

export function parseSync(raw: unknown, context: SyncContext): Draft | undefined {
  const { index, collector } = context;
  const tainted = new Set<string>();
  const fault = (path: readonly (string | number)[], message: string, at?: 'key' | 'value') => {
    tainted.add(String(path[0] ?? ''));
    collector.fault(['syncs', index, ...path], message, at);
  };
  walkText(raw, [], (text, path) => {
    if (hasReference(text)) fault(path, 'references to the environment and to secrets work in connections alone');
  });
  let result = syncSchema.safeParse(raw);
  if (!result.success) {
    for (const finding of findings(syncSchema, raw, result.error.issues)) {
      fault(finding.path, finding.message, finding.at);
      // A mistyped name was meant to be another field: that one is not known either.
      const meant = finding.at === 'key' ? /did you mean "(\w+)"/.exec(finding.message)?.[1] : undefined;
      if (meant !== undefined) tainted.add(String(finding.path.length > 1 ? finding.path[0] : meant));
    }
    if (!isObject(raw)) return undefined;
    const rest = Object.entries(raw).filter(([name]) => !tainted.has(name));
    result = syncSchema.safeParse({ ...placeholders, ...Object.fromEntries(rest) });
  }
  if (!result.success) return undefined;
  const ends = {
    source: readEnd('source', result.data, { ...context, tainted, fault }),
    destination: readEnd('destination', result.data, { ...context, tainted, fault }),
  };
  const draft: Draft = {
    index,
    parsed: result.data,
    tainted,
    source: ends.source.connection,
    destination: ends.destination.connection,
    definition: define(result.data, ends),
  };
  checkSync(draft, collector);
  return draft;
}

interface ReadEnd {
  readonly end: EndDefinition;
  readonly connection: ParsedConnection | undefined;
}

interface EndContext extends SyncContext {
  readonly tainted: ReadonlySet<string>;
  readonly fault: (path: readonly (string | number)[], message: string, at?: 'key' | 'value') => void;
}

function readEnd(side: 'source' | 'destination', parsed: ParsedSync, { connections, tainted, fault }: EndContext): ReadEnd {
  const { connection: name, ...options } = parsed[side];
  const unread = { end: { connection: name, options }, connection: undefined };
  if (tainted.has(side)) return unread;
  const connection = connections.get(name);
  if (connection === undefined) {
    fault([side, 'connection'], `there is no connection "${name}"${hint(name, [...connections.keys()])}`);
    return unread;
  }
  const schema = connection.config?.[side];
  if (schema === undefined) return { ...unread, connection };
  const result = schema.safeParse(options);
  if (result.success && isObject(result.data)) return { end: { connection: name, options: result.data }, connection };
  for (const finding of findings(schema, options, result.error?.issues ?? [])) fault([side, ...finding.path], finding.message, finding.at);
  return { ...unread, connection };
}

function define(parsed: ParsedSync, ends: Record<'source' | 'destination', ReadEnd>): SyncDefinition {
  const { columns, where, cursor, lock } = parsed;
  const cursorKey = cursor.key ?? [];
  return {
    name: parsed.name,
    enabled: parsed.enabled,
    schedule: schedule(parsed),
    source: ends.source.end,
    destination: ends.destination.end,
    columns: {
      ...(columns.include === undefined ? {} : { include: columns.include }),
      ...(columns.exclude === undefined ? {} : { exclude: columns.exclude }),
      rename: columns.rename,
    },
    ...(where === undefined ? {} : { where }),
    mask: parsed.mask,
    mode: parsed.mode,
    cursor: { ...(cursor.column === undefined ? {} : { column: cursor.column }), key: cursorKey, lookbackSeconds: cursor.lookback / 1000, nulls: cursor.nulls },
    key: parsed.key ?? [],
    write: parsed.write ?? defaultWrite(parsed, ends.destination.connection),
    deletes: parsed.deletes ?? defaultDeletes(parsed.mode, ends.source.connection, ends.destination.connection),
    softDeleteColumn: parsed.softDeleteColumn ?? '_deleted_at',
    schema: parsed.schema,
    batch: parsed.batch,
    lock: { mode: lock.mode, waitMs: lock.wait, resource: lock.resource ?? parsed.name, ttlSeconds: lock.ttl / 1000 },
    onError: parsed.onError,
  };
}

function schedule({ every, cron, timezone = 'UTC' }: ParsedSync): ScheduleDefinition | null {
  if (every !== undefined) return { everyMs: every };
  return cron === undefined ? null : { cron, timezone };
}

function defaultWrite(parsed: ParsedSync, destination: ParsedConnection | undefined): WriteMode {
  const able = destination?.config?.capabilities.destination.writes.includes('upsert') ?? true;
  return parsed.mode === 'timestamp' && able ? 'upsert' : 'insert';
}

/** Queries find what is there: deletions come with changes alone. A destination that has no place for them is no hindrance elsewhere. */
function defaultDeletes(mode: Mode, source: ParsedConnection | undefined, destination: ParsedConnection | undefined): DeleteMode {
  const reported = (mode === 'stream' || mode === 'cdc') && (source?.config?.capabilities.source.deletes ?? false);
  return reported && (destination?.config?.capabilities.destination.deletes.includes('hard') ?? false) ? 'hard' : 'ignore';
}
