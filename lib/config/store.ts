/** Definitions as they are kept in the coordination store: one text for each connection and each sync, references in place of secrets. */
import { checkTogether } from './check-together.ts';
import { Collector } from './collector.ts';
import { type ParsedConnection, parseConnection } from './connections.ts';
import type { ConnectionDefinition, Definitions, SyncDefinition } from './definition.ts';
import { formatDuration } from './duration.ts';
import { DefinitionsError } from './faults.ts';
import { refuseLiteralSecrets } from './literal-secrets.ts';
import type { LoadedDefinitions } from './load.ts';
import { type Draft, parseSync } from './syncs.ts';

export interface StoredText {
  readonly kind: 'connections' | 'syncs';
  readonly name: string;
  readonly text: string;
}

/** Throws CONFIG_INVALID where a connection holds a secret in plain text. */
export function toStored(definitions: Definitions): StoredText[] {
  refuseLiteralSecrets(definitions);
  return [
    ...Object.values(definitions.connections).map((connection) => ({
      kind: 'connections' as const,
      name: connection.name,
      text: JSON.stringify(writeConnection(connection)),
    })),
    ...definitions.syncs.map((sync) => ({ kind: 'syncs' as const, name: sync.name, text: JSON.stringify(writeSync(sync)) })),
  ];
}

export interface StoredDefinitions {
  /** All that is sound. */
  readonly definitions: LoadedDefinitions;
  /** Sync → what is wrong with it or with a connection of it. A bad definition stops that sync alone. */
  readonly broken: ReadonlyMap<string, DefinitionsError>;
}

/** `origin` is what messages call the store. */
export function fromStored(texts: readonly StoredText[], origin: string): StoredDefinitions {
  const broken = new Map<string, DefinitionsError>();
  const connections = new Map<string, ParsedConnection>();
  const badConnections = new Map<string, DefinitionsError>();
  const warnings: LoadedDefinitions['warnings'][number][] = [];
  const ofKind = (kind: StoredText['kind']) => texts.filter((text) => text.kind === kind).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, text } of ofKind('connections')) {
    const { value, collector } = read(text, `${origin} connections/${name}`);
    if (collector.faults.length === 0) connections.set(name, parseConnection(name, value, collector));
    if (collector.faults.length > 0) badConnections.set(name, new DefinitionsError(collector.faults));
    warnings.push(...collector.warnings);
  }
  const drafts: { draft: Draft; collector: Collector; name: string }[] = [];
  for (const [index, { name, text }] of ofKind('syncs').entries()) {
    const { value, collector } = read(text, `${origin} syncs/${name}`);
    const draft = collector.faults.length === 0 ? parseSync(value, { index, connections, collector }) : undefined;
    if (draft !== undefined && draft.definition.name !== name) collector.fault(['syncs', index, 'name'], `has to be "${name}", under which it is stored`);
    const ends = draft === undefined ? [] : [draft.definition.source.connection, draft.definition.destination.connection];
    const unusable = ends.map((connection) => badConnections.get(connection)).find((error) => error !== undefined);
    if (unusable !== undefined) broken.set(name, unusable);
    else if (draft === undefined || collector.faults.length > 0) broken.set(name, new DefinitionsError(collector.faults));
    else drafts.push({ draft, collector, name });
    warnings.push(...collector.warnings);
  }
  const together = new Collector(origin, () => ({ line: 1, column: 1 }));
  checkTogether(
    drafts.map(({ draft }) => draft),
    together,
  );
  for (const fault of together.faults) {
    const index = Number(/^syncs\[(\d+)\]/.exec(fault.path)?.[1]);
    const of = drafts.find(({ draft }) => draft.index === index);
    if (of !== undefined)
      broken.set(of.name, new DefinitionsError([{ ...fault, file: `${origin} syncs/${of.name}`, path: fault.path.replace(/^syncs\[\d+\]\.?/, '') }]));
  }
  const sound = [...connections].filter(([name]) => !badConnections.has(name)).map(([name, { definition }]) => [name, definition] as const);
  const syncs = drafts.filter(({ name }) => !broken.has(name)).map(({ draft }) => draft.definition);
  return { definitions: { origin, connections: Object.fromEntries(sound), syncs, warnings }, broken };
}

/** Every text is one line that was written here, so that the path alone is the place of a fault: the reader of YAML, which knows places, is not loaded for it. Paths begin at the definition itself. */
function read(text: string, origin: string): { value: unknown; collector: Collector } {
  const collector = new Collector(
    origin,
    () => ({ line: 1, column: 1 }),
    (path) => path.slice(2),
  );
  try {
    return { value: JSON.parse(text) as unknown, collector };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    collector.fault([], 'is not the JSON that `idra syncs apply` writes: apply it again');
    return { value: undefined, collector };
  }
}

function writeConnection({ fields, maxConcurrent }: ConnectionDefinition): Record<string, unknown> {
  return maxConcurrent === undefined ? { ...fields } : { ...fields, maxConcurrent };
}

/** In the format of the definitions file, every default written out: a later version's defaults change nothing for what is stored. */
export function writeSync(sync: SyncDefinition): Record<string, unknown> {
  const { cursor, lock, schedule, source, destination } = sync;
  return {
    name: sync.name,
    enabled: sync.enabled,
    ...(schedule === null ? {} : 'cron' in schedule ? schedule : { every: formatDuration(schedule.everyMs) }),
    source: { connection: source.connection, ...source.options },
    destination: { connection: destination.connection, ...destination.options },
    columns: sync.columns,
    ...(sync.where === undefined ? {} : { where: sync.where }),
    mask: sync.mask,
    mode: sync.mode,
    cursor: {
      ...(cursor.column === undefined ? {} : { column: cursor.column }),
      ...(cursor.key.length === 0 ? {} : { key: cursor.key }),
      lookback: formatDuration(cursor.lookbackSeconds * 1000),
      nulls: cursor.nulls,
    },
    ...(sync.key.length === 0 ? {} : { key: sync.key }),
    write: sync.write,
    deletes: sync.deletes,
    ...(sync.deletes === 'soft' ? { softDeleteColumn: sync.softDeleteColumn } : {}),
    schema: sync.schema,
    batch: sync.batch,
    lock: { mode: lock.mode, wait: formatDuration(lock.waitMs), resource: lock.resource, ttl: formatDuration(lock.ttlSeconds * 1000) },
    onError: sync.onError,
  };
}
