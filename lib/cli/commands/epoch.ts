/** `idra epoch`: the number before every fence. */
import { exitCodes } from '../exit-codes.ts';
import type { CommonFlags } from '../flags.ts';
import { openOutput, openStore, openStoreToRead } from '../session.ts';

export async function show(flags: CommonFlags): Promise<number> {
  const output = openOutput(flags);
  await using coordination = await openStoreToRead(flags);
  const epoch = await coordination.epoch.get();
  if (output.json) output.data({ store: coordination.name, epoch });
  else output.line(`epoch ${epoch} in ${coordination.name}`);
  return exitCodes.succeeded;
}

export async function raise(to: bigint | undefined, flags: CommonFlags): Promise<number> {
  const output = openOutput(flags);
  await using coordination = await openStore(flags);
  const before = await coordination.epoch.get();
  const epoch = await coordination.epoch.raise(to ?? before + 1n);
  if (output.json) output.data({ store: coordination.name, before, epoch });
  else if (epoch === before) output.line(`epoch ${epoch} in ${coordination.name} stays: it is never lowered`);
  else output.line(`epoch ${epoch} in ${coordination.name} (it was ${before}): the next claims outrank every earlier writer`);
  return exitCodes.succeeded;
}
