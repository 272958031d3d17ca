/** Rows as messages: a JSON value, a key from the key columns, and for a delete a tombstone. */
import { type IHeaders, Partitioners } from 'kafkajs';
import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import { unrepresentable } from '../../values/fits.ts';
import { isJsonNull } from '../../values/json.ts';
import { rowToJson } from '../../values/row-json.ts';
import type { Column, Row, Schema } from '../../values/types.ts';
import { Operation, type RowChunk } from '../connector.ts';
import type { DestinationOptions } from './config.ts';

/** Header of a record batch, and at most what frames one record in it, see https://kafka.apache.org/documentation/#recordbatch. */
export const batchOverheadBytes = 61;
const recordOverheadBytes = 40;

export interface Encoded {
  readonly partition: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: IHeaders;
  /** At most what it takes in a batch that is not compressed. */
  readonly bytes: number;
}

export interface EncoderOptions {
  readonly schema: Schema;
  readonly options: DestinationOptions;
  readonly partitions: readonly number[];
  readonly maxMessageBytes: number;
}

interface Indexed {
  readonly column: Column;
  readonly index: number;
}

export class RowEncoder {
  readonly #o: EncoderOptions;
  readonly #key: readonly Indexed[];
  readonly #json: readonly Indexed[];
  readonly #headers: readonly (Indexed & { readonly header: string })[];
  readonly #partitionOf: (key: Buffer) => number;
  #turn = 0;

  constructor(options: EncoderOptions) {
    this.#o = options;
    const { schema, partitions } = options;
    const { topic, keyFormat, headers = {} } = options.options;
    this.#key = schema.key.map((name) => find(schema, topic, name));
    this.#json = schema.columns.map((column, index) => ({ column, index })).filter(({ column }) => column.type.kind === 'json');
    this.#headers = Object.entries(headers).map(([header, name]) => ({ header, ...find(schema, topic, name) }));
    if (keyFormat === 'text' && this.#key.length > 1)
      throw new SyncError('CONFIG_INVALID', `keyFormat text needs one key column, and topic ${topic} is keyed by ${schema.key.join(', ')}: use json.`, {
        table: topic,
        field: 'destination.keyFormat',
      });
    // The placement of Kafka's own clients (murmur2), so that other producers of the topic put the same key beside ours
    const place = Partitioners.DefaultPartitioner();
    const partitionMetadata = partitions.map((partitionId) => ({ partitionId, partitionErrorCode: 0, leader: 0, replicas: [], isr: [] }));
    this.#partitionOf = (key) => place({ topic, partitionMetadata, message: { key, value: null } });
  }

  /** All rows or an error that names the first that cannot go. */
  encode({ rows, operations }: RowChunk): Encoded[] {
    return rows.map((row, index) => this.#one(row, operations?.[index] === Operation.delete));
  }

  #one(row: Row, deleted: boolean): Encoded {
    const { schema, options, maxMessageBytes } = this.#o;
    const key = this.#keyOf(row);
    if (deleted && key === null)
      throw new SyncError('KEY_REQUIRED', `A delete from topic ${options.topic} needs a key: name its columns in key.`, { table: options.topic });
    if (!deleted) this.#checkJson(row);
    const value = deleted ? null : this.#bytes(rowToJson(schema.columns, row), row);
    const headers: IHeaders = {};
    let bytes = recordOverheadBytes + (key?.length ?? 0) + (value?.length ?? 0);
    for (const { header, column, index } of this.#headers) {
      const text = toText(row[index] ?? null, column.type);
      if (text === null) continue;
      const content = this.#bytes(text, row, column.name);
      headers[header] = content;
      bytes += content.length + Buffer.byteLength(header) + 10;
    }
    if (bytes + batchOverheadBytes > maxMessageBytes)
      throw new SyncError(
        'TOO_LARGE',
        `Topic ${options.topic} takes messages of up to ${maxMessageBytes} bytes, and the row with ${this.#named(row)} makes one of ${bytes + batchOverheadBytes}: raise the topic's max.message.bytes (and destination.maxMessageBytes where it is set).`,
        { table: options.topic, key: this.#named(row) },
      );
    return { partition: key === null ? this.#next() : this.#partitionOf(key), key, value, bytes, ...(this.#headers.length > 0 ? { headers } : {}) };
  }

  #checkJson(row: Row): void {
    const found = this.#json.find(({ index }) => isJsonNull(row[index]));
    if (found === undefined) return;
    const place = { table: this.#o.options.topic, column: found.column.name, key: this.#named(row), type: 'JSON' };
    throw unrepresentable('is the JSON null, which reads as NULL there', place);
  }

  #next(): number {
    const { partitions } = this.#o;
    this.#turn = (this.#turn + 1) % partitions.length;
    return partitions[this.#turn] ?? 0;
  }

  #keyOf(row: Row): Buffer | null {
    const [first] = this.#key;
    if (first === undefined) return null;
    const { topic, keyFormat } = this.#o.options;
    const empty = this.#key.find(({ index }) => row[index] === null || row[index] === undefined);
    if (empty !== undefined)
      throw new SyncError('ROW_REJECTED', `A row for topic ${topic} has NULL in its key column ${JSON.stringify(empty.column.name)}.`, {
        table: topic,
        column: empty.column.name,
      });
    if (keyFormat === 'text') return this.#bytes(toText(row[first.index] ?? null, first.column.type) ?? '', row, first.column.name);
    const columns = this.#key.map(({ column }) => column);
    return this.#bytes(
      rowToJson(
        columns,
        this.#key.map(({ index }) => row[index] ?? null),
      ),
      row,
    );
  }

  /** UTF-8 has no half surrogates: Node would put another character in their place. */
  #bytes(text: string, row: Row, column?: string): Buffer {
    if (text.isWellFormed()) return Buffer.from(text);
    const { topic } = this.#o.options;
    throw new SyncError(
      'VALUE_UNREPRESENTABLE',
      `The row with ${this.#named(row)} has half of a surrogate pair, which a message of topic ${topic} cannot hold.`,
      {
        table: topic,
        key: this.#named(row),
        ...(column === undefined ? {} : { column }),
      },
    );
  }

  #named(row: Row): string {
    if (this.#key.length === 0) return 'no key';
    return this.#key.map(({ column, index }) => `${column.name}=${toText(row[index] ?? null, column.type)?.toWellFormed()}`).join(', ');
  }
}

function find(schema: Schema, topic: string, name: string): Indexed {
  const index = schema.columns.findIndex((column) => column.name === name);
  const column = schema.columns[index];
  if (column === undefined)
    throw new SyncError('NOT_FOUND', `The rows for topic ${topic} have no column ${JSON.stringify(name)}, which its key or a header goes by.`, {
      table: topic,
      column: name,
    });
  return { column, index };
}
