/** The door to coordination: one store, and all that the protocol keeps in it. */
import { type Checkpoints, checkpointStore } from './checkpoint.ts';
import { type Continuations, continuationStore } from './continuations.ts';
import type { LockManager } from './contract.ts';
import { type DefinitionStore, definitionStore } from './definitions.ts';
import { type Epoch, epochStore } from './epoch.ts';
import type { EtcdOptions } from './etcd/options.ts';
import { type Identity, identityStore } from './identity.ts';
import type { KvStore } from './kv.ts';
import { type Leadership, leadership } from './leader.ts';
import { lockManager } from './lock.ts';
import { type Runs, runStore } from './runs.ts';
import { type Schedule, scheduleStore } from './schedule.ts';

export interface Coordination extends AsyncDisposable {
  /** Of the store, for messages: `etcd 10.0.0.1:2379`, `.idra/state.db`. */
  readonly name: string;
  readonly locks: LockManager;
  readonly leader: Leadership;
  readonly checkpoints: Checkpoints;
  readonly runs: Runs;
  readonly epoch: Epoch;
  readonly identity: Identity;
  readonly schedule: Schedule;
  readonly continuations: Continuations;
  readonly definitions: DefinitionStore;
}

/** A file for one machine, or etcd for many. */
export type CoordinationOptions = { readonly path: string } | { readonly etcd: EtcdOptions };

export const defaultStatePath = '.idra/state.db';

/** Opens the store and loads only the driver that it takes. Release every lock before disposal: it ends the connection, and leases run on until their TTL. */
export async function openCoordination(options: CoordinationOptions): Promise<Coordination> {
  return coordinationOver(await openStore(options));
}

async function openStore(options: CoordinationOptions): Promise<KvStore> {
  if ('path' in options) {
    const { EmbeddedStore } = await import('./embedded/store.ts');
    return EmbeddedStore.open(options.path);
  }
  const { EtcdStore } = await import('./etcd/store.ts');
  return EtcdStore.open(options.etcd);
}

/** Over a store that is open already; disposal closes it. */
export function coordinationOver(store: KvStore): Coordination {
  return {
    name: store.name,
    locks: lockManager(store),
    leader: leadership(store),
    checkpoints: checkpointStore(store),
    runs: runStore(store),
    epoch: epochStore(store),
    identity: identityStore(store),
    schedule: scheduleStore(store),
    continuations: continuationStore(store),
    definitions: definitionStore(store),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
