import type { Claim, Cursor, Destination, Source, Target, Writer } from '../connectors/connector.ts';
import type { HeldLock } from '../coordination/contract.ts';
import { SyncError } from '../errors.ts';
import type { Schema } from '../values/types.ts';
import { isOfAnotherPass, isStaged, type Origin, originOf } from './batch-id.ts';
import type { EngineDeps, Opened } from './deps.ts';
import { knownClaim, knownState } from './known-state.ts';
import { compileMasks } from './mask.ts';
import { destinationRequest, sourceRequest } from './open-ends.ts';
import { outputSchema } from './output-schema.ts';
import { chooseRawFormat } from './path.ts';
import { destinationMaximum } from './position.ts';
import { reconcile, type Start } from './reconcile.ts';
import type { Run } from './run-sync.ts';
import { Transfer, type TransferEnd } from './transfer.ts';

export type AttemptEnd = Extract<TransferEnd, { kind: 'caughtUp' | 'stopped' }>;

export interface AttemptContext {
  readonly ends: readonly [Opened, Opened];
  readonly lock: HeldLock;
  readonly abort: AbortSignal;
}

interface Open {
  readonly run: Run;
  readonly deps: EngineDeps;
  readonly context: AttemptContext;
  readonly source: Source;
  readonly destination: Destination;
  readonly shard: string;
}

/** Opens both ends, claims, reconciles and transfers; once more after each change of the source's columns. Throws what has to be retried or told. */
export async function runAttempt(run: Run, deps: EngineDeps, context: AttemptContext): Promise<AttemptEnd> {
  const { definition, options } = run;
  const { abort } = context;
  const shard = options.shard ?? '0';
  const [from, to] = context.ends;
  run.progress('connecting');
  await using source = await from.connector.openSource(from.connection, sourceRequest(definition, to.system), abort);
  await using destination = await to.connector.openDestination(to.connection, destinationRequest(definition, shard, { from, to }), abort);
  for (;;) {
    const end = await claimAndTransfer({ run, deps, context, source, destination, shard });
    if (end.kind === 'caughtUp' || end.kind === 'stopped') return end;
  }
}

async function claimAndTransfer(open: Open): Promise<TransferEnd> {
  const { run, deps, context, source, destination, shard } = open;
  const { definition, options } = run;
  const { lock } = context;
  const { checkpoints } = deps.coordination;
  const schema = outputSchema(source.schema, definition);
  const stored = await checkpoints.load(definition.name, shard);
  let epoch = await deps.coordination.epoch.get();
  const state = await knownState(destination, stored);
  const identity = await deps.coordination.identity.get();
  const reconciled = (target: Target): Start =>
    reconcile({
      definition,
      state,
      checkpoint: stored,
      target,
      epoch,
      fence: lock.fence,
      origin: originOf(definition, { store: identity, table: target.schema.name }),
      existing: options.existing ?? 'refuse',
    });
  // Looked at before it is made: a table that a refused run had made would pass for the one that is missing
  if (state !== null && state.cursor !== null) reconciled(await destination.prepare(schema, { dryRun: true }));
  const target = await destination.prepare(schema);
  const found = reconciled(target);
  // The user's choice holds until it is stored, although the reason for it may be gone: an attempt before has made the table, or the first checkpoint
  const start = found.kind === 'resume' && run.unseeded !== null ? run.unseeded : found;
  run.unseeded = start.kind === 'seed' ? start : null;
  if (start.kind === 'seed' && start.raiseEpoch && state !== null) epoch = await deps.coordination.epoch.raise(state.epoch + 1n);
  const enforced = options.fencing ?? true;
  const claim = { sync: definition.name, shard, epoch, fence: lock.fence, enforced, ...knownClaim(destination, stored) };
  if (start.kind === 'seed' && start.choice === 'replace') await clear(open, target, claim);
  // Before the claim: a state row without any checkpoint then means that the store was wiped, and nothing else.
  let revision = stored?.revision ?? 0n;
  if (stored === null) {
    const first = { epoch, fence: lock.fence, seq: 0n, batchId: '', cursor: null, at: new Date().toISOString() };
    revision = await checkpoints.save(definition.name, shard, { checkpoint: first, expected: 0n, lock });
  }
  await using writer = await destination.open(target, claim);
  const { cursor, batchId } = writer.committed;
  const origin = originOf(definition, { store: identity, table: target.schema.name });
  const isMisplaced = cursor !== null && (run.anew || isStaged(batchId) !== (definition.write === 'replace') || isOfAnotherPass(batchId, definition, origin));
  run.anew = false;
  const at = isMisplaced ? null : await position(open, { start, writer, schema, target: target.schema, stored: stored?.cursor ?? null });
  // Awaited here: the writer is disposed of where this scope ends.
  return await transfer(open, { writer, schema, target, epoch, origin, revision, from: at, seed: start.kind === 'seed', isMisplaced });
}

/** Under a claim: what stood frozen here while another run took over empties nothing. */
async function clear(open: Open, target: Target, claim: Claim): Promise<void> {
  if (open.destination.clear === undefined) {
    throw new SyncError('UNSUPPORTED', `${target.schema.name} cannot be emptied by Idra: empty it yourself, then use --existing adopt.`, {
      sync: open.run.definition.name,
    });
  }
  await (await open.destination.open(target, claim))[Symbol.asyncDispose]();
  await open.destination.clear(target, claim);
}

/** Where to read from. What the claim returned outranks what was read before it: a writer that was still at work may have committed in between. */
async function position(open: Open, found: { start: Start; writer: Writer; schema: Schema; target: Schema; stored: Cursor | null }): Promise<Cursor | null> {
  const { source, destination } = open;
  const { definition } = open.run;
  const { start, writer, schema, target, stored } = found;
  const ends = { definition, source, destination, schema, target };
  // Only what is staged counts: the rows of a table are all replaced, whatever stands in it and in the store
  if (definition.write === 'replace') return start.kind === 'seed' && start.choice === 'replace' ? null : writer.committed.cursor;
  if (definition.mode === 'lastDestinationId' || definition.mode === 'lastDestinationTimestamp') return destinationMaximum(ends);
  if (start.kind === 'resume' || start.choice === 'replace') return start.kind === 'resume' ? writer.committed.cursor : null;
  if (start.choice === 'max') return destinationMaximum(ends);
  return writer.committed.seq > 0n ? writer.committed.cursor : stored;
}

async function transfer(
  open: Open,
  at: {
    writer: Writer;
    schema: Schema;
    target: Target;
    epoch: bigint;
    origin: Origin;
    revision: bigint;
    from: Cursor | null;
    seed: boolean;
    isMisplaced: boolean;
  },
): Promise<TransferEnd> {
  const { run, deps, context, source, shard } = open;
  const { definition, options } = run;
  const { writer, schema, target, epoch, origin, revision, from } = at;
  run.cursor = from;
  if (options.onProgress !== undefined && run.totalRows === null) {
    const remaining = await source.remaining?.(from);
    run.totalRows = remaining?.rows === undefined ? null : remaining.rows + run.tally.read;
  }
  run.progress('reading');
  const work = new Transfer({
    definition,
    source,
    writer,
    schema,
    mask: compileMasks(source.schema.columns, definition.mask),
    rawFormat: chooseRawFormat(definition, source, target)?.name ?? null,
    from,
    lock: context.lock,
    epoch,
    origin,
    shard,
    checkpoints: deps.coordination.checkpoints,
    revision,
    tally: run.tally,
    stop: options.signal,
    abort: context.abort,
    deadline: options.deadline,
    onRows: (read, bytes) => run.progress('reading', read, bytes),
    onCommit: (cursor) => {
      run.cursor = cursor;
      run.progress('committing');
    },
  });
  if (at.seed || at.isMisplaced) await work.seed(from);
  run.unseeded = null;
  // Opened again, the stage of a pass that begins is empty
  if (at.isMisplaced) return { kind: 'beginsAnew' };
  return work.run();
}
