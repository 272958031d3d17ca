import type { Database, Statement } from 'better-sqlite3';
import { SyncError } from '../../errors.ts';
import type { KeyValue, KvStore, Op, Txn, TxnResult } from '../kv.ts';
import { prefixEnd, writesTwice } from '../kv-rules.ts';
import { throwIfCancelled } from '../wait.ts';
import { untilFree } from './busy.ts';
import { openFile, shortenLeases } from './file.ts';

export interface EmbeddedOptions {
  /** Milliseconds that one call may take while other processes have the file; default 5,000. */
  readonly timeoutMs?: number;
}

/** SQLite waits for a lock without letting go of the event loop: only for so long at a time, so that renewals and cancellation go on. */
const busySliceMs = 50;

interface Stored {
  key: string;
  value: string;
  create_revision: bigint;
  mod_revision: bigint;
  lease: bigint | null;
}

/** Keys whose lease has run out are gone for every reader, though their rows stay until somebody writes. */
const liveKeys = `
  select key, value, create_revision, mod_revision, kv.lease as lease from kv left join leases on leases.id = kv.lease
  where (kv.lease is null or leases.expires_at > @now)`;

/** The key-value store in a SQLite file: for several processes on one machine. Leases run by the wall clock, and end lazily. */
export class EmbeddedStore implements KvStore {
  readonly name: string;
  readonly #database: Database;
  readonly #timeoutMs: number;
  readonly #statements = new Map<string, Statement>();

  private constructor(path: string, database: Database, timeoutMs: number) {
    this.name = path;
    this.#database = database;
    this.#timeoutMs = timeoutMs;
  }

  /** Throws PERMISSION_DENIED, CONFIG_INVALID, DISK_FULL or STORE_UNAVAILABLE, each naming the path. */
  static async open(path: string, { timeoutMs = 5_000 }: EmbeddedOptions = {}): Promise<EmbeddedStore> {
    const database = await untilFree(() => openFile(path, busySliceMs), { path, timeoutMs });
    return new EmbeddedStore(path, database, timeoutMs);
  }

  async txn(txn: Txn, signal?: AbortSignal): Promise<TxnResult> {
    const branches = [txn.success, txn.failure ?? []];
    for (const ops of branches) {
      const twice = writesTwice(ops);
      if (twice !== null) throw new SyncError('INTERNAL', `One transaction writes the key ${twice} twice.`);
    }
    const writes = branches.some((ops) => ops.some(({ op }) => op !== 'get'));
    return this.#run(writes, (now) => this.#apply(txn, now), signal);
  }

  async grant(ttlSeconds: number, signal?: AbortSignal): Promise<string> {
    const ttl = BigInt(Math.ceil(ttlSeconds * 1000));
    const result = await this.#run(
      true,
      (now) => this.#sql('insert into leases (ttl_ms, expires_at) values (@ttl, @now + @ttl) returning id').get({ ttl, now }) as { id: bigint },
      signal,
    );
    return String(result.id);
  }

  async keepAlive(lease: string, signal?: AbortSignal): Promise<number> {
    const renew = 'update leases set expires_at = @now + ttl_ms where id = @lease returning ttl_ms';
    const row = await this.#run(true, (now) => this.#sql(renew).get({ now, lease: BigInt(lease) }) as { ttl_ms: bigint } | undefined, signal);
    return row === undefined ? 0 : Number(row.ttl_ms) / 1000;
  }

  async revoke(lease: string, signal?: AbortSignal): Promise<void> {
    await this.#run(true, () => this.#end('id = @lease', { lease: BigInt(lease) }), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
  }

  async #run<T>(writes: boolean, body: (now: bigint) => T, signal?: AbortSignal): Promise<T> {
    throwIfCancelled(signal);
    const transaction = this.#database.transaction(() => {
      const now = BigInt(Date.now());
      if (writes) {
        this.#sql(shortenLeases).run({ now });
        this.#end('expires_at <= @now', { now });
      }
      return body(now);
    });
    const attempt = writes ? transaction.immediate : transaction.deferred;
    return untilFree(() => attempt(), { path: this.name, timeoutMs: this.#timeoutMs, ...(signal && { signal }) });
  }

  /** Deletes leases with their keys; a transaction of its own in etcd, and so a revision of its own here. */
  #end(where: string, values: Record<string, bigint>): void {
    const keys = this.#sql(`delete from kv where lease in (select id from leases where ${where})`).run(values);
    if (keys.changes > 0) this.#nextRevision();
    this.#sql(`delete from leases where ${where}`).run(values);
  }

  #apply(txn: Txn, now: bigint): TxnResult {
    const succeeded = txn.compare.every(({ key, target, equals }) => {
      const found = this.#get(key, now);
      return (found === undefined ? 0n : target === 'create' ? found.create_revision : found.mod_revision) === equals;
    });
    let written: bigint | null = null;
    const revision = (): bigint => {
      written ??= this.#nextRevision();
      return written;
    };
    const results = (succeeded ? txn.success : (txn.failure ?? [])).map((op) => this.#operate(op, now, revision));
    return { succeeded, results, revision: written ?? this.#revision() };
  }

  #operate(op: Op, now: bigint, revision: () => bigint): KeyValue[] {
    if (op.op === 'get') return this.#range(op, now).map(keyValue);
    if (op.op === 'delete') {
      if (this.#get(op.key, now) !== undefined) {
        this.#sql('delete from kv where key = @key').run({ key: op.key });
        revision();
      }
      return [];
    }
    const lease = op.lease === undefined || op.lease === '0' ? null : BigInt(op.lease);
    if (lease !== null && this.#sql('select 1 from leases where id = @lease').get({ lease }) === undefined) {
      throw new SyncError('LOCK_LOST', `The lease that ${op.key} was to hang on has ended.`, { retry: 'now' });
    }
    this.#sql(
      `insert into kv (key, value, create_revision, mod_revision, lease) values (@key, @value, @revision, @revision, @lease)
       on conflict (key) do update set value = excluded.value, mod_revision = excluded.mod_revision, lease = excluded.lease`,
    ).run({ key: op.key, value: op.value, revision: revision(), lease });
    return [];
  }

  #get(key: string, now: bigint): Stored | undefined {
    return this.#sql(`${liveKeys} and key = @key`).get({ key, now }) as Stored | undefined;
  }

  #range(op: Extract<Op, { op: 'get' }>, now: bigint): Stored[] {
    if (op.prefix !== true) return [this.#get(op.key, now)].filter((row) => row !== undefined);
    // 0 is no limit to etcd, and no rows to SQL.
    const values = { from: op.key, end: prefixEnd(op.key), limit: op.limit || -1, now };
    return this.#sql(`${liveKeys} and key >= @from and (@end is null or key < @end) order by key limit @limit`).all(values) as Stored[];
  }

  #nextRevision(): bigint {
    return (this.#sql('update counter set revision = revision + 1 returning revision').get({}) as { revision: bigint }).revision;
  }

  #revision(): bigint {
    return (this.#sql('select revision from counter').get({}) as { revision: bigint }).revision;
  }

  #sql(text: string): Statement {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = this.#database.prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }
}

function keyValue(row: Stored): KeyValue {
  return { key: row.key, value: row.value, createRevision: row.create_revision, modRevision: row.mod_revision, lease: String(row.lease ?? 0) };
}
