/** What the parts of the coordination suite share. */
import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import type { Checkpoint, HeldLock, LockManager, LockRequest } from '../../lib/coordination/contract.ts';
import type { CoordinationOptions } from '../../lib/coordination/coordination.ts';
import type { KvStore, Txn, TxnResult } from '../../lib/coordination/kv.ts';
import { SyncError } from '../../lib/errors.ts';

export interface StoreUnderTest {
  /** One more client of the same keys, as another process would have it. */
  open(): Promise<KvStore>;
  /** For processes that open it themselves. */
  readonly options: CoordinationOptions;
}

/** A store that remembers what was asked of it, and fails where it is told to. */
export class WatchedStore implements KvStore {
  readonly name: string;
  readonly granted: string[] = [];
  readonly renewals: string[] = [];
  readonly #store: KvStore;
  /** Runs before each call; throws to lose the request. */
  before: (method: keyof KvStore, txn?: Txn) => void | Promise<void> = () => undefined;
  /** Runs after each call that succeeded; throws to lose the reply. */
  after: (method: keyof KvStore, txn?: Txn) => void | Promise<void> = () => undefined;

  constructor(store: KvStore) {
    this.#store = store;
    this.name = store.name;
  }

  async txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult> {
    return this.#around('txn', () => this.#store.txn(txn, signal), txn);
  }

  async grant(ttlSeconds: number, signal?: AbortSignal): Promise<string> {
    return this.#around('grant', async () => {
      const lease = await this.#store.grant(ttlSeconds, signal);
      this.granted.push(lease);
      return lease;
    });
  }

  async keepAlive(lease: string, signal?: AbortSignal): Promise<number> {
    this.renewals.push(lease);
    return this.#around('keepAlive', () => this.#store.keepAlive(lease, signal));
  }

  async revoke(lease: string, signal?: AbortSignal): Promise<void> {
    return this.#around('revoke', () => this.#store.revoke(lease, signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]();
  }

  /** Leases that were granted through this store and live. Asking renews them. */
  async alive(): Promise<string[]> {
    const alive = [];
    for (const lease of this.granted) if ((await this.#store.keepAlive(lease)) > 0) alive.push(lease);
    return alive;
  }

  async #around<T>(method: keyof KvStore, call: () => Promise<T>, txn?: Txn): Promise<T> {
    await this.before(method, txn);
    const result = await call();
    await this.after(method, txn);
    return result;
  }
}

/** As a store fails whose reply was lost. */
export function lost(): never {
  throw new SyncError('STORE_UNAVAILABLE', 'the reply was lost', { retry: 'backoff' });
}

/** A function that fails with a lost reply the first `times` times that its condition holds. */
export function losing(condition: (method: keyof KvStore, txn?: Txn) => boolean, times = 1): (method: keyof KvStore, txn?: Txn) => void {
  let left = times;
  return (method, txn) => {
    if (left === 0 || !condition(method, txn)) return;
    left -= 1;
    lost();
  };
}

export function writes(txn: Txn | undefined, prefix: string): boolean {
  return txn?.success.some(({ op, key }) => op !== 'get' && key.startsWith(prefix)) ?? false;
}

/** Names that no other test uses. */
export function unique(name: string): string {
  return `${name}-${randomUUID().slice(0, 8)}`;
}

export function request(resource: string, change: Partial<LockRequest> = {}): LockRequest {
  return { resource, mode: 'exclusive', waitMs: 0, ttlSeconds: 20, runId: randomUUID(), ...change };
}

/** Acquires, and fails the test where it was refused. */
export async function hold(locks: LockManager, resource: string, change: Partial<LockRequest> = {}): Promise<HeldLock> {
  const outcome = await locks.acquire(request(resource, change));
  if (!outcome.held) expect.fail(`${resource} is held by ${outcome.holders.join(', ')}`);
  return outcome.lock;
}

export function release(lock: HeldLock): Promise<void> {
  return lock[Symbol.asyncDispose]() as Promise<void>;
}

export function checkpoint(fence: bigint, change: Partial<Checkpoint> = {}): Checkpoint {
  return { epoch: 0n, fence, seq: 1n, batchId: randomUUID(), cursor: '{"v":1,"id":"9223372036854775807"}', at: '2026-01-01T00:00:00.000Z', ...change };
}

/** Throws what the promise gave instead, so that a test that expects an error cannot pass without one. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await errorOf(promise)).code;
}

export async function errorOf(promise: Promise<unknown>): Promise<SyncError> {
  try {
    expect.fail(`no error, but ${String(await promise)}`);
  } catch (error) {
    if (error instanceof SyncError) return error;
    throw error;
  }
}
