/** One table with a column for each type of the round-trip set and a row for each value, moved by the engine. */
import { join } from 'node:path';
import type { SyncDefinition } from '../../lib/config/definition.ts';
import type { StoredDeadLetter } from '../../lib/connectors/connector.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { EngineDeps } from '../../lib/engine/deps.ts';
import type { Report } from '../../lib/engine/report.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import type { Column, LogicalType, Row } from '../../lib/values/types.ts';
import { column, destinationOf, freshName } from '../conformance/drive.ts';
import { caseGroups, type ValueCase } from '../conformance/values.ts';
import { definition } from '../engine/samples.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import type { End } from './ends.ts';

const groups = caseGroups();

export const columns: readonly Column[] = [column('id', 'int32', false), ...groups.map((group) => column(`c_${group.name}`, group.type))];

export interface Case extends ValueCase {
  /** Key of its row. */
  readonly id: number;
  /** Index of its column. */
  readonly index: number;
}

export const cases: readonly Case[] = groups.flatMap((group, g) => group.cases.map((each, i): Case => ({ ...each, id: (g + 1) * 100 + i, index: g + 1 })));

/** The cases that the source can hold itself. */
export function heldBy(source: End): Case[] {
  return cases.filter(({ name }) => !Object.hasOwn(source.cannotHold, name));
}

/** The type with which the source hands the case over. */
export function typeFrom(source: End, { type }: { readonly type: LogicalType }): LogicalType {
  return type.kind === 'json' && source.jsonIsText === true ? { kind: 'string' } : type;
}

/** Makes a source table with a row for each case. */
export async function fill(source: End, wanted: readonly Case[]): Promise<string> {
  const name = freshName('everything');
  const rows = wanted.map(({ id, index, value }): Row => columns.map((_, i) => (i === 0 ? id : i === index ? value : null)));
  await source.create({ name, columns, key: ['id'] }, rows);
  return name;
}

export interface Moved {
  readonly report: Report;
  /** Rows of the destination by key. */
  readonly rows: ReadonlyMap<number, Row>;
  readonly letters: readonly StoredDeadLetter[];
}

export async function move(source: End, destination: End, ask: { readonly table: string; readonly more: Partial<SyncDefinition> }): Promise<Moved> {
  await using folder = await temporaryFolder();
  await using coordination = await openCoordination({ path: join(folder.path, 'state.db') });
  const name = freshName(`from_${source.system}`);
  const ends = { source, destination };
  const deps: EngineDeps = {
    coordination,
    open: async (connection) => {
      const end = ends[connection as keyof typeof ends];
      return { connector: end.connector, system: end.system, connection: end.connection, capabilities: end.config.capabilities };
    },
  };
  const sync = definition({
    name,
    source: { connection: 'source', options: source.source(ask.table) as Record<string, unknown> },
    destination: { connection: 'destination', options: destination.destination(name) as Record<string, unknown> },
    mode: source.modes.whole,
    key: source.keyless === true ? ['id'] : [],
    cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' },
    lock: { mode: 'exclusive', waitMs: 0, resource: name, ttlSeconds: 30 },
    ...ask.more,
  });
  const report = await runSync(sync, deps, { signal: new AbortController().signal });
  const found =
    report.status === 'succeeded'
      ? await destination.read(
          name,
          columns.map((each) => ({ ...each, type: typeFrom(source, each) })),
          report.written,
        )
      : [];
  await using end = await destinationOf(destination, name, { sync: name });
  return { report, rows: new Map(found.map((row) => [Number(row[0]), row])), letters: (await end.deadLetters?.()) ?? [] };
}
