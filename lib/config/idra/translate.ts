/**
 * Idra's own static file as definitions of this system. Every field is honoured, or refused by name; one that Idra itself reads on one side only
 * draws a warning where it says something else on the other.
 */
import type { Collector } from '../collector.ts';
import type { FieldPath } from '../faults.ts';
import { findings } from '../issues.ts';
import { hint } from '../suggest.ts';
import { type ConnectorKind, connectorKinds } from './connectors.ts';
import { Names } from './names.ts';
import { type IdraSync, idraSync } from './schema.ts';
import { translateSync } from './sync.ts';

export interface TranslatedFile {
  /** In the format of this system's own file. */
  readonly value: { readonly connections: Readonly<Record<string, unknown>>; readonly syncs: readonly unknown[] };
  /** Path in `value` → path in Idra's file. */
  origin(path: FieldPath): FieldPath;
}

export type Side = 'source' | 'destination';

export function translateIdra(items: readonly unknown[], collector: Collector): TranslatedFile {
  const origins = new Origins();
  const names = new Names();
  const connections: Record<string, unknown> = {};
  const syncs: unknown[] = [];
  for (const [index, item] of items.entries()) {
    const parsed = idraSync.safeParse(item);
    if (!parsed.success) {
      for (const finding of findings(idraSync, item, parsed.error.issues)) collector.fault([index, ...finding.path], finding.message, finding.at);
      continue;
    }
    const before = collector.faults.length;
    const name = syncName(parsed.data, names, (message) => collector.fault([index, 'sync_name'], message));
    const ends = {
      source: connect(parsed.data, 'source', { index, collector, names }),
      destination: connect(parsed.data, 'destination', { index, collector, names }),
    };
    const sync = translateSync(parsed.data, { index, collector, ends });
    if (collector.faults.length > before || ends.source === undefined || ends.destination === undefined) continue;
    for (const side of ['source', 'destination'] as const) {
      const end = ends[side];
      if (end === undefined) continue;
      connections[end.name] ??= end.fields;
      origins.add(['connections', end.name], [index, `${side}_connector`, 'connection_string']);
      origins.add(['connections', end.name, 'type'], [index, `${side}_connector`, 'connector_source_type']);
    }
    origins.add(['syncs', syncs.length], [index]);
    for (const [ours, theirs] of sync.origins) origins.add(['syncs', syncs.length, ...ours], [index, ...theirs]);
    syncs.push({ name, ...sync.value });
  }
  return { value: { connections, syncs }, origin: (path) => origins.find(path) };
}

export interface ConnectedEnd {
  readonly name: string;
  readonly kind: ConnectorKind;
  readonly fields: Readonly<Record<string, unknown>>;
  /** Fields of the source that reads by it. */
  readonly source: Readonly<Record<string, unknown>>;
}

interface Context {
  readonly index: number;
  readonly collector: Collector;
  readonly names: Names;
}

function connect(sync: IdraSync, side: Side, { index, collector, names }: Context): ConnectedEnd | undefined {
  const connector = sync[`${side}_connector`];
  const at = [index, `${side}_connector`];
  const type = connector.connector_source_type;
  const kind = Object.hasOwn(connectorKinds, type) ? connectorKinds[type] : undefined;
  if (kind === undefined) {
    collector.fault(
      [...at, 'connector_source_type'],
      type === '' ? 'is required' : `there is no connector type "${type}"${hint(type, Object.keys(connectorKinds))}`,
    );
    return undefined;
  }
  if (connector.connection_string === '') {
    collector.fault([...at, 'connection_string'], 'is required');
    return undefined;
  }
  const { fields, faults, notes, source = {} } = kind.connect(connector, side);
  const where = (message: string): string => (message.startsWith('the attribute') ? 'attributes' : 'connection_string');
  for (const fault of faults) collector.fault([...at, where(fault)], fault);
  for (const note of notes) collector.warn([...at, where(note)], note);
  if (Object.keys(connector.attributes).length > 0 && !kind.uses.includes('attributes'))
    collector.fault([...at, 'attributes'], `${type} has no use for it: leave it out`);
  // Such files fill every field in: what says nothing about this connector is told, and stands in nobody's way
  for (const field of ['token', 'database'] as const) {
    if (connector[field] !== '' && !kind.uses.includes(field)) collector.warn([...at, field], `has no effect on ${type}`);
  }
  return faults.length > 0 ? undefined : { name: names.connection(connector.connector_name || `${side}-${type}`, fields), kind, fields, source };
}

function syncName(sync: IdraSync, names: Names, fault: (message: string) => void): string {
  if (sync.sync_name === '') fault('is required');
  const name = names.sync(sync.sync_name, sync.id);
  if (name === undefined) fault('gives the same name as another sync of this file, and there is no id to tell them apart');
  return name ?? '';
}

/** The longest path that begins the one asked for decides. */
class Origins {
  readonly #known = new Map<string, FieldPath>();

  add(ours: FieldPath, theirs: FieldPath): void {
    const key = JSON.stringify(ours);
    if (!this.#known.has(key)) this.#known.set(key, theirs);
  }

  find(path: FieldPath): FieldPath {
    for (let length = path.length; length > 0; length--) {
      const theirs = this.#known.get(JSON.stringify(path.slice(0, length)));
      if (theirs !== undefined) return theirs;
    }
    return [];
  }
}
