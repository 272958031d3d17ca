import { randomBytes } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { SyncError } from '../../errors.ts';
import type { KvStore, Txn, TxnResult } from '../kv.ts';
import { writesTwice } from '../kv-rules.ts';
import { EtcdClient, EtcdRefusal, type Request } from './client.ts';
import { Status } from './errors.ts';
import { type EtcdOptions, resolveEtcdOptions } from './options.ts';
import { txnRequest, txnResult, type WireTxnResponse } from './wire.ts';

/** etcd refuses requests above 1.5 MiB, with a code that also means other things. */
const maxRequestBytes = 1024 * 1024;

const closingTurns = 4;
/** For a lease that nobody will use, how long its end is waited for. */
const abandonMs = 1_000;

/** The key-value store in an etcd cluster. Nothing is renewed, watched or retried by itself; each call has a deadline. */
export class EtcdStore implements KvStore {
  readonly name: string;
  readonly #client: EtcdClient;
  readonly #prefix: string;
  readonly #abandoned = new Set<Promise<void>>();

  private constructor(client: EtcdClient, { name, prefix }: { name: string; prefix: string }) {
    this.#client = client;
    this.name = name;
    this.#prefix = prefix;
  }

  /** Connects with the first call. Throws CONFIG_INVALID. */
  static async open(options: EtcdOptions): Promise<EtcdStore> {
    const resolved = resolveEtcdOptions(options);
    return new EtcdStore(await EtcdClient.open(resolved), { name: `etcd ${resolved.addresses.join(',')}`, prefix: resolved.prefix });
  }

  async txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult> {
    const branches = [txn.success, txn.failure ?? []];
    for (const ops of branches) {
      const twice = writesTwice(ops);
      if (twice !== null) throw new SyncError('INTERNAL', `One transaction writes the key ${twice} twice.`);
    }
    refuseTooLarge(txn);
    const repeatable = branches.every((ops) => ops.every(({ op }) => op === 'get'));
    const response = await this.#call<WireTxnResponse>({ service: 'KV', method: 'txn', payload: txnRequest(txn, this.#prefix), repeatable, signal });
    return txnResult(response, this.#prefix);
  }

  /** The id is chosen here, so that a repetition after a lost reply finds the same lease and makes no second one. */
  async grant(ttlSeconds: number, signal?: AbortSignal): Promise<string> {
    const id = String(BigInt.asUintN(63, randomBytes(8).readBigUInt64BE()) || 1n);
    const payload = { TTL: Math.ceil(ttlSeconds), ID: id };
    try {
      await this.#client.call({ service: 'Lease', method: 'leaseGrant', payload, repeatable: true, signal });
    } catch (error) {
      if (refusedWith(error, Status.failedPrecondition)) return id;
      // Cancelled or not answered, it may have been granted all the same; what etcd refused was not
      if (!(error instanceof EtcdRefusal)) this.#abandon(id);
      throw await this.#translate(error, signal);
    }
    return id;
  }

  async keepAlive(lease: string, signal?: AbortSignal): Promise<number> {
    const request = { service: 'Lease', method: 'leaseKeepAlive', payload: { ID: lease }, stream: true, repeatable: true, signal } as const;
    return Number((await this.#call<{ TTL: string }>(request)).TTL);
  }

  async revoke(lease: string, signal?: AbortSignal): Promise<void> {
    try {
      await this.#client.call({ service: 'Lease', method: 'leaseRevoke', payload: { ID: lease }, repeatable: true, signal });
    } catch (error) {
      if (!refusedWith(error, Status.notFound)) throw await this.#translate(error, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#abandoned);
    this.#client.close();
    // The sockets are gone some turns of the event loop later; a process that is frozen before that would keep them.
    for (let turn = 0; turn < closingTurns; turn++) await nextTurn();
  }

  /** Beside the work, which has failed and waits for nothing. Where it fails too, the lease ends by itself, and no key hangs on it. */
  #abandon(lease: string): void {
    const ending = this.revoke(lease, AbortSignal.timeout(abandonMs))
      .catch(() => undefined)
      .finally(() => this.#abandoned.delete(ending));
    this.#abandoned.add(ending);
  }

  async #call<T>(request: Request): Promise<T> {
    try {
      return await this.#client.call<T>(request);
    } catch (error) {
      throw await this.#translate(error, request.signal);
    }
  }

  async #translate(error: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    return error instanceof EtcdRefusal ? this.#client.explain(error, signal) : error;
  }
}

function refusedWith(error: unknown, code: number): boolean {
  return error instanceof EtcdRefusal && error.failure.code === code;
}

function refuseTooLarge(txn: Txn): void {
  for (const op of [...txn.success, ...(txn.failure ?? [])]) {
    if (op.op !== 'put' || Buffer.byteLength(op.value) <= maxRequestBytes) continue;
    throw new SyncError('TOO_LARGE', `The value of ${op.key} has ${Buffer.byteLength(op.value)} bytes; etcd takes ${maxRequestBytes} in one request.`);
  }
}
