/** `idra syncs`: definitions in the store, so that a change of them is no deployment. */
import type { SyncDefinition } from '../../config/definition.ts';
import { loadDefinitions } from '../../config/load.ts';
import { fromStored, toStored } from '../../config/store.ts';
import { hint } from '../../config/suggest.ts';
import { SyncError } from '../../errors.ts';
import { exitCodes } from '../exit-codes.ts';
import type { CommonFlags } from '../flags.ts';
import { counted, table } from '../format.ts';
import { isEtcd, openOutput, openStore, openStoreToRead, storedTexts } from '../session.ts';

/** Only the functions and `run --etcd` read stored definitions: in a state file nobody would find them. */
function refuseFile(flags: CommonFlags): void {
  if (!isEtcd(flags)) throw new SyncError('CONFIG_INVALID', 'Definitions are stored in etcd: name its hosts with --etcd or IDRA_ETCD_HOSTS.');
}

export async function apply(file: string | undefined, flags: CommonFlags): Promise<number> {
  refuseFile(flags);
  const output = openOutput(flags);
  const definitions = await loadDefinitions(file);
  const texts = toStored(definitions);
  await using coordination = await openStore(flags);
  const { written } = await coordination.definitions.apply(texts);
  const content = { connections: Object.keys(definitions.connections).length, syncs: definitions.syncs.length };
  if (output.json) output.data({ store: coordination.name, ...content, written });
  const what = `${counted(content.connections, 'connection')} and ${counted(content.syncs, 'sync')} of ${definitions.origin}`;
  output.line(
    `${output.colors.green('✔')} ${what} are in ${coordination.name}; ${written === 0 ? 'nothing was new' : `${counted(written, 'definition')} new or changed`}`,
  );
  return exitCodes.succeeded;
}

export async function list(flags: CommonFlags): Promise<number> {
  refuseFile(flags);
  const output = openOutput(flags);
  await using coordination = await openStoreToRead(flags);
  const { definitions, broken } = fromStored(await storedTexts(coordination), coordination.name);
  if (output.json) {
    for (const sync of definitions.syncs) output.data({ ...summary(sync), error: null });
    for (const [sync, { code, message }] of broken) output.data({ sync, error: { code, message } });
  }
  const rows = definitions.syncs.map((sync) => {
    const { sync: name, enabled, schedule, mode, source, destination } = summary(sync);
    return [name, `${source} → ${destination}`, mode, schedule ?? 'no schedule', enabled ? '' : 'disabled'];
  });
  for (const line of table(rows)) output.line(line);
  for (const [name, error] of broken) output.line(`${output.colors.red('✖')} ${name}  ${error.message}`);
  output.line(output.colors.dim(`${counted(definitions.syncs.length + broken.size, 'sync')} in ${coordination.name}`));
  return exitCodes.succeeded;
}

function summary({ name, enabled, schedule, mode, source, destination }: SyncDefinition) {
  const when = schedule === null ? null : 'cron' in schedule ? `cron ${schedule.cron} ${schedule.timezone}` : `every ${schedule.everyMs / 1000} s`;
  return { sync: name, enabled, schedule: when, mode, source: source.connection, destination: destination.connection };
}

export async function remove(names: readonly string[], flags: CommonFlags): Promise<number> {
  refuseFile(flags);
  const output = openOutput(flags);
  await using coordination = await openStore(flags);
  const known = (await coordination.definitions.list('syncs')).map(({ name }) => name);
  for (const name of names) {
    if (!known.includes(name)) throw new SyncError('CONFIG_INVALID', `${coordination.name} has no sync "${name}"${hint(name, known)}`, { sync: name });
  }
  const { removed } = await coordination.definitions.apply(names.map((name) => ({ kind: 'syncs', name, text: null })));
  if (output.json) output.data({ store: coordination.name, removed });
  output.line(`${output.colors.green('✔')} ${counted(removed, 'sync')} removed from ${coordination.name}; checkpoints and rows stay`);
  return exitCodes.succeeded;
}
