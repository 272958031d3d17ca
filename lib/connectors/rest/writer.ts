import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import { unrepresentable } from '../../values/fits.ts';
import { isJsonNull } from '../../values/json.ts';
import { rowToJson } from '../../values/row-json.ts';
import { isWellFormed } from '../../values/text.ts';
import type { Row, Schema } from '../../values/types.ts';
import { type Batch, type Chunk, type Claim, type Committed, type DestinationState, Operation, type Writer } from '../connector.ts';
import type { RestClient } from './client.ts';
import type { RestDestinationOptions } from './config.ts';
import { failuresOf } from './failures.ts';
import type { PathTemplate } from './template.ts';

/** Records of one call wait for each other up to this size. */
const maxCallBytes = 4_194_304;

export interface WriterSetup {
  readonly client: RestClient;
  readonly options: RestDestinationOptions;
  readonly schema: Schema;
  readonly claim: Claim;
  /** What the coordination store knows; the service keeps nothing. */
  readonly committed: DestinationState;
  readonly path: PathTemplate;
  readonly remove: PathTemplate | null;
}

interface Waiting {
  readonly json: string;
  readonly key: string;
}

/** Sends each record as it comes: a service has no transaction, so that what was sent before a failure stays, and is sent again with the same keys. */
export class RestWriter implements Writer {
  readonly pipelined = false;
  readonly #setup: WriterSetup;
  readonly #method: 'POST' | 'PUT' | 'PATCH';
  #committed: DestinationState;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  /** Calls of this batch so far: part of the idempotency key. */
  #calls = 0;
  #counts = { written: 0, deleted: 0 };
  #broken = false;

  constructor(setup: WriterSetup) {
    const { options, path, committed } = setup;
    this.#setup = setup;
    this.#committed = committed;
    this.#method = options.method ?? (path.names.length > 0 ? 'PUT' : 'POST');
  }

  get committed(): DestinationState {
    return this.#committed;
  }

  async write(chunk: Chunk): Promise<void> {
    if (chunk.kind === 'raw') throw new SyncError('INTERNAL', 'REST speaks no raw format.');
    await this.#guard(async () => {
      for (const [index, row] of chunk.rows.entries()) {
        if (chunk.operations?.[index] === Operation.delete) await this.#remove(row);
        else await this.#put(row);
      }
    });
  }

  async commit({ batchId, cursor }: Batch): Promise<Committed> {
    await this.#guard(() => this.#send());
    const { epoch, fence } = this.#setup.claim;
    const seq = this.#committed.seq + 1n;
    this.#committed = { epoch, fence, seq, batchId, cursor };
    const done = { seq, ...this.#counts };
    this.#reset();
    return done;
  }

  async discard(): Promise<void> {
    this.#reset();
    this.#broken = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }

  #reset(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#calls = 0;
    this.#counts = { written: 0, deleted: 0 };
  }

  async #put(row: Row): Promise<void> {
    const { schema, options, path } = this.#setup;
    const key = this.#keyOf(row);
    this.#check(row, key);
    const json = rowToJson(schema.columns, row);
    if (options.recordsPerCall > 1) {
      if (this.#waitingBytes + json.length > maxCallBytes) await this.#send();
      this.#waiting.push({ json, key });
      this.#waitingBytes += json.length;
      if (this.#waiting.length >= options.recordsPerCall) await this.#send();
      return;
    }
    await this.#call(path.fill(row, key), [{ json, key }]);
  }

  /** Deletes keep their place among the writes. */
  async #remove(row: Row): Promise<void> {
    const { client, remove } = this.#setup;
    if (remove === null) throw new SyncError('INTERNAL', 'A delete came although none is configured.');
    await this.#send();
    const key = this.#keyOf(row);
    const what = `DELETE ${this.#setup.options.delete?.path ?? ''} (${key})`;
    await client.send({
      method: 'DELETE',
      url: client.address(remove.fill(row, key)),
      headers: this.#idempotency('', ++this.#calls),
      what,
      accept: [404, 410],
    });
    this.#counts.deleted += 1;
  }

  async #send(): Promise<void> {
    const records = this.#waiting;
    if (records.length === 0) return;
    this.#waiting = [];
    this.#waitingBytes = 0;
    await this.#call(this.#setup.options.path, records);
  }

  async #call(path: string, records: readonly Waiting[]): Promise<void> {
    const { client, options } = this.#setup;
    const list = options.recordsPerCall > 1 ? `[${records.map(({ json }) => json).join(',')}]` : (records[0]?.json ?? 'null');
    const body = options.wrap === undefined ? list : `{${JSON.stringify(options.wrap)}:${list}}`;
    const first = records[0]?.key ?? '';
    const what = `${this.#method} ${options.path} (${records.length === 1 ? first : `${records.length} records from ${first}`})`;
    const answer = await client.send({ method: this.#method, url: client.address(path), headers: this.#idempotency(body, ++this.#calls), body, what });
    const failed = failuresOf(answer, { path: options.failures, count: records.length, what });
    const [one] = failed;
    if (one !== undefined) {
      const key = records[one.index]?.key ?? `record ${one.index + 1} of the call`;
      const more = failed.length > 1 ? ` and ${failed.length - 1} more` : '';
      throw new SyncError(
        'ROW_REJECTED',
        `${what}: the service refused ${key}${more}${one.status === null ? '' : ` with ${one.status}`}. The other records of the call may have been taken. Change the record, or exclude it.`,
        { table: options.path, key },
      );
    }
    this.#counts.written += records.length;
  }

  /**
   * The same for the same call of the same batch sent again. The body is part of it: where the source has changed meanwhile, another record never goes by under a key that the service has seen,
   * which would lose it.
   */
  #idempotency(body: string, call: number): Record<string, string> {
    const { claim, committed, options } = { ...this.#setup, committed: this.#committed };
    const parts = [claim.sync, claim.shard, String(committed.seq + 1n), String(call), body];
    return { [options.idempotencyHeader.toLowerCase()]: createHash('sha256').update(JSON.stringify(parts)).digest('hex') };
  }

  /** JSON has no NaN, no half surrogates and one null for NULL and its own; what stood in their place would be another value. */
  #check(row: Row, key: string): void {
    const { schema, options } = this.#setup;
    for (const [index, { name, type }] of schema.columns.entries()) {
      const value = row[index] ?? null;
      const refuse = (reason: string): SyncError => unrepresentable(reason, { table: options.path, column: name, key, type: 'JSON' });
      if ((type.kind === 'float64' || type.kind === 'decimal') && /^(NaN|-?Infinity)$/.test(String(value)))
        throw refuse('is NaN or infinite, which JSON has no number for');
      if (typeof value === 'string' && !isWellFormed(value)) throw refuse('has half of a surrogate pair');
      if (type.kind === 'json' && isJsonNull(value)) throw refuse('is the JSON null, which reads as NULL there');
    }
  }

  #keyOf(row: Row): string {
    const { schema } = this.#setup;
    const parts = schema.key.map((name) => {
      const index = schema.columns.findIndex((column) => column.name === name);
      return `${name}=${toText(row[index] ?? null, schema.columns[index]?.type ?? { kind: 'string' })}`;
    });
    return parts.length > 0 ? parts.join(', ') : `record ${this.#counts.written + this.#counts.deleted + this.#waiting.length + 1} of the batch`;
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    if (this.#broken) throw new SyncError('INTERNAL', 'The writer was used after an error without a discard.');
    try {
      await work();
    } catch (error) {
      this.#broken = true;
      throw error;
    }
  }
}
