/** Rows that `onError: deadLetter` has set aside: listed, and written again once their cause is gone. */
import type { SyncDefinition } from '../config/definition.ts';
import type { Destination, RowChunk, StoredDeadLetter, Writer } from '../connectors/connector.ts';
import type { HeldLock } from '../coordination/contract.ts';
import { isRowError, SyncError, toSyncError } from '../errors.ts';
import { rowFromText } from '../values/row-json.ts';
import type { Schema } from '../values/types.ts';
import { originOf, sameBatchOrigin } from './batch-id.ts';
import type { EngineDeps, Opened, RunOptions } from './deps.ts';
import { takeLocks } from './locks.ts';
import { destinationRequest, sourceRequest } from './open-ends.ts';
import { outputSchema } from './output-schema.ts';
import type { Report } from './report.ts';
import { Run } from './run-sync.ts';

/** Letters written again in one transaction. */
const replayBatch = 500;

async function lettersOf(destination: Destination, definition: SyncDefinition): Promise<StoredDeadLetter[]> {
  if (destination.deadLetters === undefined) {
    throw new SyncError('UNSUPPORTED', `The destination of sync ${definition.name} keeps no dead letters.`, { sync: definition.name });
  }
  return destination.deadLetters();
}

export async function listDeadLetters(definition: SyncDefinition, deps: EngineDeps, signal: AbortSignal): Promise<StoredDeadLetter[]> {
  const from = await deps.open(definition.source.connection);
  const to = await deps.open(definition.destination.connection);
  await using destination = await to.connector.openDestination(to.connection, destinationRequest(definition, '0', { from, to }), signal);
  // Awaited here: the destination is closed as this returns
  return await lettersOf(destination, definition);
}

/** Letters that are still refused stay where they are; returns the ids of those that were taken. */
async function attemptLetters(writer: Writer, letters: readonly StoredDeadLetter[], schema: Schema): Promise<string[]> {
  const attempt = writer.attempt?.bind(writer);
  if (attempt === undefined) throw new SyncError('UNSUPPORTED', 'The destination cannot take single rows back.');
  const taken: string[] = [];
  for (const letter of letters) {
    if (letter.kind !== 'row') continue;
    const row = rowFromText(schema.columns, letter.row);
    // A letter of columns that have changed their name or type since stays: it is counted as still refused.
    if (row === null) continue;
    const chunk: RowChunk = { kind: 'rows', rows: [row], bytes: letter.row.length, boundary: null };
    try {
      await attempt(chunk);
      taken.push(letter.id);
    } catch (error) {
      if (!isRowError(error)) throw error;
    }
  }
  return taken;
}

interface Replay {
  readonly from: Opened;
  readonly to: Opened;
  readonly lock: HeldLock;
}

async function replayUnder(run: Run, deps: EngineDeps, { from, to, lock }: Replay): Promise<{ readonly left: number }> {
  const { definition, options } = run;
  if (definition.write === 'replace') {
    throw new SyncError('UNSUPPORTED', `Sync ${definition.name} replaces: its next run reads every row again, those that were set aside too.`, {
      sync: definition.name,
    });
  }
  await using source = await from.connector.openSource(from.connection, sourceRequest(definition, to.system), options.signal);
  await using destination = await to.connector.openDestination(to.connection, destinationRequest(definition, '0', { from, to }), options.signal);
  const schema = outputSchema(source.schema, definition);
  const letters = await lettersOf(destination, definition);
  // A table that were made here would pass for the one that is missing, and the next run would go on behind rows that are gone
  const { existed, schema: found } = await destination.prepare(schema, { dryRun: true });
  if (letters.length > 0 && !existed) {
    throw new SyncError(
      'RESYNC_REQUIRED',
      `${found.name} is not there: the rows beside those that were set aside are gone with it. Run the sync first; it names the choices.`,
      {
        sync: definition.name,
        table: found.name,
      },
    );
  }
  const target = await destination.prepare(schema);
  const epoch = await deps.coordination.epoch.get();
  const origin = originOf(definition, { store: await deps.coordination.identity.get(), table: target.schema.name });
  await using writer = await destination.open(target, { sync: definition.name, shard: '0', epoch, fence: lock.fence, enforced: true });
  const { checkpoints } = deps.coordination;
  let revision = (await checkpoints.load(definition.name, '0'))?.revision ?? 0n;
  // The rows were passed by the cursor when they were set aside: it stays where it is.
  const { cursor } = writer.committed;
  run.cursor = cursor;
  let left = letters.length;
  for (let start = 0; start < letters.length && !options.signal.aborted; start += replayBatch) {
    const resolved = await attemptLetters(writer, letters.slice(start, start + replayBatch), schema);
    if (resolved.length === 0) {
      await writer.discard();
      continue;
    }
    const batchId = sameBatchOrigin(writer.committed.batchId, origin);
    const committed = await writer.commit({ batchId, cursor, resolved });
    run.tally.add({ read: resolved.length, filtered: 0, deadLettered: 0, bytes: 0 }, committed, definition.name);
    const checkpoint = { epoch, fence: lock.fence, seq: committed.seq, batchId, cursor, at: new Date().toISOString() };
    revision = await checkpoints.save(definition.name, '0', { checkpoint, expected: revision, lock });
    left -= resolved.length;
  }
  return { left };
}

/** Writes the stored rows of a sync again, under its lock and fence; each leaves the store in the transaction that takes it. `deadLettered` of the report is what is still refused. */
export async function replayDeadLetters(definition: SyncDefinition, deps: EngineDeps, options: RunOptions): Promise<Report> {
  const run = new Run(definition, options);
  try {
    const { source, destination } = definition;
    const [from, to] = [await deps.open(source.connection), await deps.open(destination.connection)];
    const connections = [[source.connection, from] as const, [destination.connection, to] as const];
    const outcome = await takeLocks(deps.coordination.locks, definition, { runId: run.id, ends: connections, options });
    if (!outcome.held) return run.report({ status: 'skipped', reason: outcome.reason, caughtUp: false, error: null });
    await using locks = outcome.locks;
    const { left } = await replayUnder(run, deps, { from, to, lock: locks.primary });
    const reason = left === 0 ? null : `${left} dead letters are still refused`;
    return run.report({ status: 'succeeded', reason, caughtUp: left === 0, error: null });
  } catch (thrown) {
    const { code, message } = toSyncError(thrown);
    return run.report({ status: 'failed', reason: null, caughtUp: false, error: { code, message } });
  }
}
