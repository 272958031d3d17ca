/**
 * The few operations of etcd's key-value model that the protocol needs, so that leader, locks, checkpoints and schedule are written once and run over etcd and over the
 * embedded store alike.
 *
 * Revisions are etcd's: one counter for the store, raised by each transaction that writes. `createRevision` is the revision that made the key since it was last absent, `modRevision` the one
 * that wrote it last. Absent keys compare as 0.
 *
 * Every call has a deadline. A transaction that writes is sent once; what may be repeated without harm (reads, grants, renewals, revocations) a store may send again within that deadline.
 * A call that throws `STORE_UNAVAILABLE` may have taken effect all the same: whoever writes must be able to read the outcome back.
 */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  /** Id of the lease that the key hangs on; '0' for none. */
  readonly lease: string;
}

export interface Compare {
  readonly key: string;
  readonly target: 'create' | 'mod';
  readonly equals: bigint;
}

export type Op =
  | { readonly op: 'put'; readonly key: string; readonly value: string; readonly lease?: string }
  | { readonly op: 'delete'; readonly key: string }
  /** `key` alone: that key. With `prefix: true` all keys that begin with it, in the order of their bytes. */
  | { readonly op: 'get'; readonly key: string; readonly prefix?: boolean; readonly limit?: number };

/** The names of the branches are etcd's; `then` would make of it what `await` takes for a promise. */
export interface Txn {
  readonly compare: readonly Compare[];
  /** Runs if every compare holds. */
  readonly success: readonly Op[];
  /** Runs if one of them does not. */
  readonly failure?: readonly Op[];
}

export interface TxnResult {
  readonly succeeded: boolean;
  /** One entry for each op of the branch that ran; empty arrays for put and delete. */
  readonly results: readonly (readonly KeyValue[])[];
  /** The store's revision after the transaction. */
  readonly revision: bigint;
}

export interface KvStore extends AsyncDisposable {
  /** For messages: `etcd 10.0.0.1:2379`, `.idra/state.db`. */
  readonly name: string;
  txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult>;
  /** A new lease; the keys put with it vanish when it is not kept alive for `ttlSeconds`. Nothing renews it by itself. */
  grant(ttlSeconds: number, signal?: AbortSignal): Promise<string>;
  /** Renews once; the seconds it now has, or 0 where the lease is gone. */
  keepAlive(lease: string, signal?: AbortSignal): Promise<number>;
  /** Ends the lease and deletes its keys. A lease that is already gone is no error. */
  revoke(lease: string, signal?: AbortSignal): Promise<void>;
}
