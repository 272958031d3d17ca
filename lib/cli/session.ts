/** What most commands need: the definitions, the store and connections that open when they are asked for. */
import { stat } from 'node:fs/promises';
import type { Definitions, SyncDefinition } from '../config/definition.ts';
import type { DefinitionsError } from '../config/faults.ts';
import { defaultFiles, loadDefinitions } from '../config/load.ts';
import { redactor } from '../config/redactor.ts';
import { fromStored, type StoredDefinitions, type StoredText } from '../config/store.ts';
import { hint } from '../config/suggest.ts';
import { createOpener } from '../connectors/open.ts';
import { type Coordination, defaultStatePath, openCoordination } from '../coordination/coordination.ts';
import type { EngineDeps } from '../engine/deps.ts';
import { SyncError } from '../errors.ts';
import type { CommonFlags } from './flags.ts';
import { Output } from './output.ts';

export function openOutput(flags: { readonly json?: boolean }): Output {
  return new Output({ json: flags.json === true, redact: (text) => redactor.redact(text) });
}

/** The embedded store or etcd: flags before the environment, and only one of the two. */
export async function openStore(flags: Pick<CommonFlags, 'state' | 'etcd'>): Promise<Coordination> {
  if (flags.state !== undefined && flags.etcd !== undefined) {
    throw new SyncError('CONFIG_INVALID', '--state and --etcd exclude each other: locks and checkpoints are kept in one place.');
  }
  const hosts = hostsOf(flags);
  if (hosts === undefined || hosts === '') return openCoordination({ path: flags.state ?? defaultStatePath });
  const { etcdFromEnvironment } = await import('../coordination/etcd/environment.ts');
  return openCoordination({ etcd: await etcdFromEnvironment(hosts, process.env) });
}

function hostsOf(flags: Pick<CommonFlags, 'state' | 'etcd'>): string | undefined {
  return flags.etcd ?? (flags.state === undefined ? process.env.IDRA_ETCD_HOSTS : undefined);
}

export function isEtcd(flags: Pick<CommonFlags, 'state' | 'etcd'>): boolean {
  return Boolean(hostsOf(flags));
}

/** For commands that only look: a state file that is not there is not made, an empty store in memory stands for it. */
export async function openStoreToRead(flags: Pick<CommonFlags, 'state' | 'etcd'>): Promise<Coordination> {
  const path = flags.state ?? defaultStatePath;
  if (isEtcd(flags) || (await isThere(path))) return openStore(flags);
  return { ...(await openCoordination({ path: ':memory:' })), name: `${path} (not there yet)` };
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

export interface Session extends AsyncDisposable {
  readonly definitions: Definitions;
  /** Stored definitions that are wrong, by sync: each stops itself alone. A file is right as a whole or refused. */
  readonly broken: ReadonlyMap<string, DefinitionsError>;
  readonly deps: EngineDeps;
  readonly coordination: Coordination;
}

/** Definitions are read from the file; where none is named, none of the default names is there and the store is etcd, from etcd. */
export async function openSession(file: string | undefined, flags: CommonFlags, open = openStore): Promise<Session> {
  if (file === undefined && isEtcd(flags) && !(await hasDefaultFile())) return stored(await open(flags));
  const definitions = await loadDefinitions(file);
  return sessionOf({ definitions, broken: new Map() }, await open(flags));
}

async function stored(coordination: Coordination): Promise<Session> {
  try {
    const texts = await storedTexts(coordination);
    if (texts.length === 0) {
      const missing = `There is no ${defaultFiles.join(', ')} in this folder, and ${coordination.name} holds no definitions: name a file, or store one with \`idra syncs apply\`.`;
      throw new SyncError('CONFIG_INVALID', missing);
    }
    return sessionOf(fromStored(texts, coordination.name), coordination);
  } catch (error) {
    await coordination[Symbol.asyncDispose]();
    throw error;
  }
}

export async function storedTexts({ definitions }: Coordination): Promise<StoredText[]> {
  const [connections, syncs] = await Promise.all([definitions.list('connections'), definitions.list('syncs')]);
  return [...connections.map((found) => ({ kind: 'connections' as const, ...found })), ...syncs.map((found) => ({ kind: 'syncs' as const, ...found }))];
}

function sessionOf({ definitions, broken }: StoredDefinitions, coordination: Coordination): Session {
  return {
    definitions,
    broken,
    coordination,
    deps: { open: createOpener(definitions), coordination },
    [Symbol.asyncDispose]: () => coordination[Symbol.asyncDispose](),
  };
}

async function hasDefaultFile(): Promise<boolean> {
  for (const file of defaultFiles) if (await isThere(file)) return true;
  return false;
}

/** The named syncs, in the order of the file; all where none is named. */
export function selectSyncs({ definitions, broken }: Pick<Session, 'definitions' | 'broken'>, names: readonly string[] | undefined): readonly SyncDefinition[] {
  if (names === undefined) return definitions.syncs;
  for (const name of names) if (!broken.has(name)) findSync({ definitions, broken }, name);
  return definitions.syncs.filter((sync) => names.includes(sync.name));
}

export function findSync({ definitions, broken }: Pick<Session, 'definitions' | 'broken'>, name: string): SyncDefinition {
  const found = definitions.syncs.find((sync) => sync.name === name);
  if (found) return found;
  const fault = broken.get(name);
  if (fault) throw fault;
  const known = [...definitions.syncs.map((sync) => sync.name), ...broken.keys()];
  throw new SyncError('CONFIG_INVALID', `${definitions.origin} has no sync "${name}"${hint(name, known)}`, { sync: name, file: definitions.origin });
}
