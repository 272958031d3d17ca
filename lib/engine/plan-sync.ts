/** What a run would do. Opens both ends and reads catalogues and states; writes nothing anywhere. */
import type { SyncDefinition } from '../config/definition.ts';
import type { Cursor, Destination, DestinationState, Mode, Source, Target, WriteMode } from '../connectors/connector.ts';
import { toSyncError } from '../errors.ts';
import { type Schema, typeName } from '../values/types.ts';
import { originOf } from './batch-id.ts';
import type { EngineDeps } from './deps.ts';
import { knownState } from './known-state.ts';
import { destinationRequest, sourceRequest } from './open-ends.ts';
import { outputSchema } from './output-schema.ts';
import { chooseRawFormat } from './path.ts';
import { destinationMaximum } from './position.ts';
import { reconcile } from './reconcile.ts';

export interface Plan {
  readonly sync: string;
  readonly mode: Mode;
  readonly write: WriteMode;
  readonly path: 'raw' | 'rows';
  readonly rawFormat: string | null;
  readonly from: Cursor | null;
  /** Rows that would be read; null where the source cannot tell. */
  readonly rows: number | null;
  readonly rowsExact: boolean;
  readonly table: { readonly name: string; readonly exists: boolean; readonly create: boolean; readonly addColumns: readonly string[] };
  readonly columns: readonly { readonly source: string; readonly destination: string; readonly type: string }[];
  readonly lockHolder: string | null;
  /** Why a run would be refused or skipped, and what a user may not expect. */
  readonly warnings: readonly string[];
}

interface Planned {
  readonly definition: SyncDefinition;
  readonly deps: EngineDeps;
  readonly source: Source;
  readonly destination: Destination;
  readonly schema: Schema;
  readonly target: Target;
  readonly state: DestinationState | null;
  readonly warnings: string[];
}

async function startOf(planned: Planned): Promise<Cursor | null> {
  const { definition, deps, source, destination, schema, target, state, warnings } = planned;
  const checkpoint = await deps.coordination.checkpoints.load(definition.name, '0');
  const epoch = await deps.coordination.epoch.get();
  const identity = await deps.coordination.identity.peek();
  try {
    // The run's own fence is not known before it holds the lock; it will be above every fence of a store that has not gone back.
    const fence = state !== null && state.epoch === epoch ? state.fence : 0n;
    reconcile({
      definition,
      state,
      checkpoint,
      target,
      epoch,
      fence,
      origin: identity === null ? null : originOf(definition, { store: identity, table: target.schema.name }),
      existing: 'refuse',
    });
  } catch (error) {
    warnings.push(toSyncError(error).message);
  }
  if (definition.mode === 'lastDestinationId' || definition.mode === 'lastDestinationTimestamp') {
    return target.existed ? destinationMaximum({ definition, source, destination, schema, target: target.schema }) : null;
  }
  return state?.cursor ?? null;
}

/** A cursor column whose ticks are long enough for a row to change twice within one, where no look-back makes up for it. */
function coarseClock(source: Source, { mode, cursor }: SyncDefinition): { readonly column: string; readonly counts: string } | null {
  if (mode !== 'timestamp' || cursor.lookbackSeconds > 0) return null;
  const column = source.schema.columns.find(({ name }) => name === cursor.column);
  if (column?.type.kind === 'date') return { column: column.name, counts: 'days' };
  if (column?.type.kind !== 'timestamp' || column.type.fraction >= 3) return null;
  return { column: column.name, counts: ['seconds', 'tenths of a second', 'hundredths of a second'][column.type.fraction] ?? 'seconds' };
}

/** Throws the same errors that a run would fail with, where the ends cannot be opened or do not fit. */
export async function planSync(definition: SyncDefinition, deps: EngineDeps, signal: AbortSignal): Promise<Plan> {
  const from = await deps.open(definition.source.connection);
  const to = await deps.open(definition.destination.connection);
  await using source = await from.connector.openSource(from.connection, sourceRequest(definition, to.system), signal);
  await using destination = await to.connector.openDestination(to.connection, destinationRequest(definition, '0', { from, to }), signal);
  const warnings: string[] = [];
  const schema = outputSchema(source.schema, definition);
  const before = await destination.prepare(schema, { dryRun: true });
  const state = await knownState(destination, await deps.coordination.checkpoints.load(definition.name, '0'));
  const cursor = await startOf({ definition, deps, source, destination, schema, target: before, state, warnings });
  if (definition.mode === 'full' && definition.write === 'insert' && state !== null && state.seq > 0n && state.cursor === null)
    warnings.push('The rows are there from an earlier run, and would be added once more: with mode full, write replace or upsert keeps one copy.');
  const tick = coarseClock(source, definition);
  if (tick !== null)
    warnings.push(
      `${tick.column} counts ${tick.counts}: a row that changes again within the same one after it was read is not read again, and one that comes later with a smaller key neither. Set cursor.lookback to more than that.`,
    );
  const [holder] = await deps.coordination.locks.queue(definition.name);
  const remaining = await source.remaining?.(cursor);
  const raw = chooseRawFormat(definition, source, before);
  const present = new Set(before.existingColumns ?? before.schema.columns.map((column) => column.name));
  if (holder !== undefined) warnings.push(`A run now would be skipped or wait: the lock is held by ${holder.value}.`);
  return {
    sync: definition.name,
    mode: definition.mode,
    write: definition.write,
    path: raw === null ? 'rows' : 'raw',
    rawFormat: raw?.name ?? null,
    from: cursor,
    rows: remaining?.rows ?? null,
    rowsExact: remaining?.exact ?? false,
    table: {
      name: before.schema.name,
      exists: before.existed,
      create: !before.existed,
      addColumns: before.existed ? schema.columns.map((column) => column.name).filter((name) => !present.has(name)) : [],
    },
    columns: source.schema.columns.map((column, index) => {
      const arrives = before.schema.columns[index];
      return { source: column.name, destination: arrives?.name ?? column.name, type: arrives?.native?.type ?? typeName(arrives?.type ?? column.type) };
    }),
    lockHolder: holder?.value ?? null,
    warnings,
  };
}
