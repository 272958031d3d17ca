/** Moves the position of a sync by hand: in the destination, which outranks the store, and in the store. */
import { randomUUID } from 'node:crypto';
import type { SyncDefinition } from '../config/definition.ts';
import type { Cursor } from '../connectors/connector.ts';
import { SyncError } from '../errors.ts';
import { newBatchId, originOf } from './batch-id.ts';
import type { EngineDeps } from './deps.ts';
import { knownClaim, knownState } from './known-state.ts';
import { takeLocks } from './locks.ts';
import { destinationRequest, sourceRequest } from './open-ends.ts';
import { outputSchema } from './output-schema.ts';

/** How long somebody at a terminal waits for a turn on a connection with `maxConcurrent`; of a deadline, waiting may take half. */
const turnWaitMs = 30_000;

export interface SetPosition {
  /** Null: the next run begins at the beginning. */
  readonly cursor: Cursor | null;
  readonly signal: AbortSignal;
}

/** `seq` of the batch without rows that moved the position; null where the destination had none. */
export type PositionSet = { readonly set: true; readonly seq: bigint | null } | { readonly set: false; readonly reason: string };

/**
 * Under the sync's own lock and fence, as a batch without rows. Refuses a cursor that the source cannot read, and a beginning that would insert rows a second time.
 */
export async function setPosition(definition: SyncDefinition, deps: EngineDeps, { cursor, signal }: SetPosition): Promise<PositionSet> {
  const { name: sync } = definition;
  if (cursor !== null && definition.write === 'replace') {
    throw new SyncError('UNSUPPORTED', `Sync ${sync} replaces: the rows before the position would be missing from what takes the place of the old ones.`, {
      sync,
    });
  }
  if (cursor !== null && (definition.mode === 'lastDestinationId' || definition.mode === 'lastDestinationTimestamp')) {
    throw new SyncError('UNSUPPORTED', `Sync ${sync} has mode ${definition.mode}: it starts after the destination's maximum, and keeps no position to set.`, {
      sync,
    });
  }
  const { source: reads, destination: writes } = definition;
  const [from, to] = [await deps.open(reads.connection), await deps.open(writes.connection)];
  const ends = [[reads.connection, from] as const, [writes.connection, to] as const];
  const outcome = await takeLocks(deps.coordination.locks, definition, {
    runId: randomUUID(),
    ends,
    options: { signal, deadline: Date.now() + 2 * turnWaitMs },
  });
  if (!outcome.held) return { set: false, reason: outcome.reason };
  await using locks = outcome.locks;
  const lock = locks.primary;
  await using source = await from.connector.openSource(from.connection, sourceRequest(definition, to.system), signal);
  await using destination = await to.connector.openDestination(to.connection, destinationRequest(definition, '0', { from, to }), signal);
  const { checkpoints } = deps.coordination;
  const stored = await checkpoints.load(sync, '0');
  const schema = outputSchema(source.schema, definition);
  if (cursor === null) {
    const found = await destination.prepare(schema, { dryRun: true });
    const state = await knownState(destination, stored);
    if (definition.write === 'insert' && found.hasRows) {
      throw new SyncError(
        'UNSUPPORTED',
        `Sync ${sync} inserts, and ${found.schema.name} holds rows: from the beginning it would insert them a second time. Empty the table first, give the sync \`write: upsert\`, or set a cursor ` +
          'with `idra checkpoint set`.',
        { sync, table: found.schema.name },
      );
    }
    if (state === null) {
      await checkpoints.reset(sync);
      return { set: true, seq: null };
    }
  } else {
    // The source alone can read it, and says CURSOR_INVALID where it is none of its own.
    await source.remaining?.(cursor);
  }
  const target = await destination.prepare(schema);
  const epoch = await deps.coordination.epoch.get();
  const at = () => new Date().toISOString();
  let revision = stored?.revision ?? 0n;
  if (revision === 0n) {
    // As a run does: a state row without any checkpoint means that the store was wiped, and nothing else.
    const first = { epoch, fence: lock.fence, seq: 0n, batchId: '', cursor: null, at: at() };
    revision = await checkpoints.save(sync, '0', { checkpoint: first, expected: 0n, lock });
  }
  await using writer = await destination.open(target, { sync, shard: '0', epoch, fence: lock.fence, enforced: true, ...knownClaim(destination, stored) });
  const origin = originOf(definition, { store: await deps.coordination.identity.get(), table: target.schema.name });
  const batchId = newBatchId({ staged: false, origin });
  const { seq } = await writer.commit({ batchId, cursor });
  await checkpoints.save(sync, '0', { checkpoint: { epoch, fence: lock.fence, seq, batchId, cursor, at: at() }, expected: revision, lock });
  return { set: true, seq };
}
