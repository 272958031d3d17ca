import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from 'kafkajs';
import { SyncError } from '../../errors.ts';
import type { Row, Schema } from '../../values/types.ts';
import {
  type Chunk,
  type Cursor,
  Operation,
  type ReadOptions,
  type Rejected,
  type Remaining,
  type RowChunk,
  type Source,
  type SourceRequest,
} from '../connector.ts';
import { createClient, disconnect, openCluster } from './client.ts';
import type { KafkaConnection, SourceOptions } from './config.ts';
import { decodeCursor, encodeCursor, type Witness } from './cursor.ts';
import { decode } from './decode.ts';
import { kafkaError, protocolError } from './errors.ts';
import type { Fields } from './fields.ts';
import { rangeFrom } from './positions.ts';
import { readRange } from './range.ts';
import { sample } from './sample.ts';
import { unlessAborted } from './unless-aborted.ts';

/** Rows of a chunk live only until it is taken over: larger ones are promoted by the garbage collector. */
const chunkBytes = 256 * 1024;
const maxAttempts = 10;
/** The first use of a group makes a broker load it; leaders move. */
const coordinatorMoves = new Set(['NOT_COORDINATOR_FOR_GROUP', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'GROUP_LOAD_IN_PROGRESS', 'REQUEST_TIMED_OUT']);

export async function openSource(connection: KafkaConnection, request: SourceRequest, signal: AbortSignal): Promise<Source> {
  const options = request.options as SourceOptions;
  const { topic } = options;
  let cluster: Cluster | null = null;
  try {
    cluster = await openCluster(createClient(connection), signal);
    const fields = await unlessAborted(sample(cluster, { request, options, signal }), signal);
    if (fields.list.length === 0 || (fields.schema.key.length === 0 && fields.empty))
      throw new SyncError(
        'NOT_FOUND',
        `Topic ${topic} holds no message yet to tell its columns from: name them in source.fields, or run again when there are messages.`,
        { table: topic },
      );
    return new KafkaSource(cluster, request, fields);
  } catch (error) {
    await disconnect(cluster);
    if (signal.aborted) throw signal.reason;
    throw kafkaError(error, `open topic ${topic}`, { table: topic });
  }
}

class KafkaSource implements Source {
  readonly system = 'kafka';
  readonly #cluster: Cluster;
  readonly #options: SourceOptions;
  readonly #group: string;
  readonly #fields: Fields;

  constructor(cluster: Cluster, request: SourceRequest, fields: Fields) {
    this.#cluster = cluster;
    this.#options = request.options as SourceOptions;
    this.#group = this.#options.group ?? `idra-${request.sync}`;
    this.#fields = fields;
  }

  get schema(): Schema {
    return this.#fields.schema;
  }

  async *read(options: ReadOptions, signal: AbortSignal): AsyncIterable<Chunk> {
    const { topic } = this.#options;
    try {
      signal.throwIfAborted();
      yield* this.#read(options, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (protocolError(error) === 'OFFSET_OUT_OF_RANGE')
        throw new SyncError(
          'RESYNC_REQUIRED',
          `Messages of topic ${topic} were removed by retention while they were to be read. Reset the position (idra checkpoint reset) to read what is there.`,
          {
            table: topic,
            cause: error,
          },
        );
      throw kafkaError(error, `read topic ${topic}`, { table: topic });
    }
  }

  async *#read({ from, maxRows, maxBytes }: ReadOptions, signal: AbortSignal): AsyncGenerator<Chunk> {
    const { topic } = this.#options;
    const position = from === null ? null : decodeCursor(from, topic);
    const range = await unlessAborted(rangeFrom(this.#cluster, this.#options, position), signal);
    const offsets = new Map(range.from);
    let witness: Witness | null = position?.witness ?? null;
    const boundary = (): Cursor => encodeCursor({ topic, offsets, witness });
    let told = boundary();
    const building = new Building();
    const hand = (): RowChunk => {
      told = boundary();
      return building.take(told);
    };
    // `latest` has to be the latest of this run, not of the next
    if (from === null) yield hand();
    const limit = Math.min(maxBytes, chunkBytes);
    for await (const { partition, items, at } of readRange(this.#cluster, range, signal)) {
      for (const { message, after } of items) {
        const bytes = (message.key?.length ?? 0) + (message.value?.length ?? 0) + 16;
        if (building.count > 0 && (building.count >= maxRows || building.bytes + bytes > limit)) yield hand();
        let decoded = decode(message, { topic, partition, fields: this.#fields });
        if (decoded.kind === 'widened') {
          if (building.count > 0) yield hand();
          yield { kind: 'rows', rows: [], bytes: 0, boundary: told, schema: this.schema };
          signal.throwIfAborted();
          decoded = decode(message, { topic, partition, fields: this.#fields });
        }
        if (decoded.kind === 'rejected') {
          // What stands before it is delivered even where the run stops at it
          if (building.count > 0) yield hand();
          building.reject({ error: decoded.error, raw: decoded.raw }, bytes);
        } else if (decoded.kind === 'row') building.add(decoded.row, decoded.deleted, bytes);
        offsets.set(partition, after);
        witness = { partition, offset: Number(message.offset), timestamp: message.timestamp };
      }
      offsets.set(partition, at);
      if (building.count > 0) yield hand();
      signal.throwIfAborted();
    }
    // Control records at the end are passed as well
    if (boundary() !== told) yield hand();
  }

  /** For lag tools alone: Idra's own position is in the checkpoint. */
  async acknowledge(cursor: Cursor): Promise<void> {
    const { topic } = this.#options;
    const { offsets } = decodeCursor(cursor, topic);
    const partitions = [...offsets].map(([partition, offset]) => ({ partition, offset: String(offset) }));
    for (let attempt = 1; ; attempt++) {
      try {
        const coordinator = await this.#cluster.findGroupCoordinator({ groupId: this.#group });
        await coordinator.offsetCommit({ groupId: this.#group, groupGenerationId: -1, memberId: '', topics: [{ topic, partitions }] });
        return;
      } catch (error) {
        if (attempt >= maxAttempts || !coordinatorMoves.has(protocolError(error) ?? ''))
          throw kafkaError(error, `commit the offsets of topic ${topic} to group ${this.#group}`, { table: topic });
        await sleep(100 * attempt);
      }
    }
  }

  async remaining(from: Cursor | null): Promise<Remaining> {
    try {
      const range = await rangeFrom(this.#cluster, this.#options, from === null ? null : decodeCursor(from, this.#options.topic));
      let rows = 0;
      for (const [partition, end] of range.ends) rows += Math.max(0, end - (range.from.get(partition) ?? end));
      return { rows, exact: false };
    } catch (error) {
      throw kafkaError(error, `look at topic ${this.#options.topic}`, { table: this.#options.topic });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disconnect(this.#cluster);
  }
}

/** The chunk that is being filled. */
class Building {
  #rows: Row[] = [];
  #operations: Operation[] = [];
  #rejected: Rejected[] = [];
  #deletes = false;
  bytes = 0;

  get count(): number {
    return this.#rows.length + this.#rejected.length;
  }

  add(row: Row, deleted: boolean, bytes: number): void {
    this.#rows.push(row);
    this.#operations.push(deleted ? Operation.delete : Operation.insert);
    this.#deletes ||= deleted;
    this.bytes += bytes;
  }

  reject(thing: Omit<Rejected, 'before'>, bytes: number): void {
    this.#rejected.push({ ...thing, before: this.#rows.length });
    this.bytes += bytes;
  }

  take(boundary: Cursor): RowChunk {
    const chunk: RowChunk = {
      kind: 'rows',
      rows: this.#rows,
      bytes: this.bytes,
      boundary,
      ...(this.#deletes ? { operations: Uint8Array.from(this.#operations) } : {}),
      ...(this.#rejected.length > 0 ? { rejected: this.#rejected } : {}),
    };
    this.#rows = [];
    this.#operations = [];
    this.#rejected = [];
    this.#deletes = false;
    this.bytes = 0;
    return chunk;
  }
}
