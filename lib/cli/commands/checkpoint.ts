/** `idra checkpoint`: where a sync stands, put elsewhere or forgotten. */
import { setPosition } from '../../engine/set-position.ts';
import { SyncError } from '../../errors.ts';
import { cursorText } from '../cursor-text.ts';
import { exitCodes } from '../exit-codes.ts';
import type { CommonFlags } from '../flags.ts';
import { ago, table } from '../format.ts';
import { findSync, openOutput, openSession, openStoreToRead } from '../session.ts';
import { stopOnSignals } from '../stop.ts';

export interface CheckpointFlags extends CommonFlags {
  readonly yes?: boolean;
}

export async function show(sync: string, flags: CheckpointFlags): Promise<number> {
  const output = openOutput(flags);
  await using coordination = await openStoreToRead(flags);
  const found = await coordination.checkpoints.list(sync);
  if (found.length === 0)
    throw new SyncError('NOT_FOUND', `${coordination.name} has no checkpoint of ${sync}: it has not run with this store, or has another name.`, { sync });
  for (const { shard, checkpoint } of found) {
    const { epoch, fence, seq, batchId, cursor, at } = checkpoint;
    if (output.json) {
      output.data({ sync, shard, epoch, fence, seq, batchId, cursor, at });
      continue;
    }
    const facts = [
      ['stands at', cursorText(cursor)],
      ...(cursor === null || cursorText(cursor) === cursor ? [] : [['cursor', cursor]]),
      ['batch', `${seq}${batchId === '' ? '' : ` (${batchId})`}`],
      ['written', `${at} (${ago(at, Date.now())})`],
      ['fence', `${fence}, epoch ${epoch}`],
    ];
    output.line(output.colors.bold(shard === '0' ? sync : `${sync}, shard ${shard}`));
    for (const line of table(facts)) output.line(`  ${line}`);
  }
  return exitCodes.succeeded;
}

export async function set(sync: string, cursor: string, { file, flags }: { file: string | undefined; flags: CheckpointFlags }): Promise<number> {
  return move(sync, cursor, { file, flags });
}

export async function reset(sync: string, { file, flags }: { file: string | undefined; flags: CheckpointFlags }): Promise<number> {
  if (!flags.yes) {
    throw new SyncError('CONFIG_INVALID', `This makes the next run of ${sync} read everything again, from the beginning. Add --yes if that is what you want.`, {
      sync,
    });
  }
  return move(sync, null, { file, flags });
}

async function move(sync: string, cursor: string | null, { file, flags }: { file: string | undefined; flags: CheckpointFlags }): Promise<number> {
  const output = openOutput(flags);
  await using session = await openSession(file, flags);
  const definition = findSync(session, sync);
  using stop = stopOnSignals(() => undefined);
  const outcome = await setPosition(definition, session.deps, { cursor, signal: stop.signal });
  if (!outcome.set) throw new SyncError('LOCK_HELD', `${sync} cannot be moved now: ${outcome.reason}.`, { sync, retry: 'backoff' });
  if (output.json) output.data({ sync, cursor, seq: outcome.seq });
  output.line(`${output.colors.green('✔')} the next run of ${sync} reads ${cursor === null ? 'from the beginning' : `after ${cursorText(cursor)}`}`);
  return exitCodes.succeeded;
}
