/** Rows as write operations. Knows nothing of transactions. */
import { type AnyBulkWriteOperation, BSON, type Document, Timestamp } from 'mongodb';
import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import { unrepresentable } from '../../values/fits.ts';
import type { Row, Schema } from '../../values/types.ts';
import { type DeleteMode, Operation, type RowChunk } from '../connector.ts';
import type { BsonValue } from './bson-value.ts';
import { type EncodeOptions, encoderFor, Unfit, type ValueEncoder } from './encode.ts';

/** Limit of a document, https://www.mongodb.com/docs/manual/reference/limits/ */
const maxDocumentBytes = 16 * 1024 * 1024;

export interface OperationOptions extends EncodeOptions {
  readonly collection: string;
  readonly schema: Schema;
  /** `insert`: a key that is there fails. `upsert`: by key. */
  readonly write: 'insert' | 'upsert';
  readonly deletes: DeleteMode;
  readonly softDeleteColumn: string;
}

export interface Encoded {
  readonly operation: AnyBulkWriteOperation<Document>;
  /** Equality on the key; null where there is none. */
  readonly key: Document | null;
  readonly keyText: string;
  readonly deleted: boolean;
}

export class Operations {
  readonly #o: OperationOptions;
  readonly #encoders: readonly ValueEncoder[];
  readonly #keyIndexes: readonly number[];
  /** Columns that may bring any type of BSON; an _id is never changed by the server. */
  readonly #jsonNames: readonly string[];
  #seen = 0;

  constructor(options: OperationOptions) {
    this.#o = options;
    const { schema } = options;
    this.#encoders = schema.columns.map((column) => encoderFor(column, options));
    this.#jsonNames = schema.columns.filter(({ name, type }) => type.kind === 'json' && name !== '_id').map(({ name }) => name);
    this.#keyIndexes = schema.key.map((name) => schema.columns.findIndex((column) => column.name === name));
  }

  /** Throws row errors that name collection, field and key; rows are left as they are. */
  encode({ rows, operations }: RowChunk): Encoded[] {
    const encoded: Encoded[] = [];
    rows.forEach((row, i) => {
      this.#seen++;
      const one = operations?.[i] === Operation.delete ? this.#remove(row) : this.#put(row);
      if (one !== null) encoded.push(one);
    });
    return encoded;
  }

  #put(row: Row): Encoded {
    const { schema, write, deletes, softDeleteColumn } = this.#o;
    const keyText = this.#keyText(row);
    const document: Document = {};
    const unset: Document = {};
    schema.columns.forEach(({ name }, i) => {
      const value = this.#encoded(row, i);
      if (value === undefined) unset[name] = '';
      else define(document, name, value);
    });
    this.#refuseLarge(document, keyText);
    const key = this.#key(row);
    if (write === 'insert' || key === null) this.#refuseEmptyTimestamps(document, keyText);
    if (write === 'insert' || key === null) return { operation: { insertOne: { document } }, key, keyText, deleted: false };
    if (deletes === 'soft' && !schema.columns.some(({ name }) => name === softDeleteColumn)) unset[softDeleteColumn] = '';
    for (const name of schema.key) delete document[name];
    const update = { ...(Object.keys(document).length > 0 ? { $set: document } : {}), ...(Object.keys(unset).length > 0 ? { $unset: unset } : {}) };
    // A key that is all there is: nothing to set, and no update without an operator
    const change =
      Object.keys(update).length > 0
        ? update
        : { $setOnInsert: Object.fromEntries(schema.key.map((name, i) => [name, this.#encoded(row, this.#keyIndexes[i] ?? -1)])) };
    return { operation: { updateOne: { filter: equal(key), update: change, upsert: true } }, key, keyText, deleted: false };
  }

  #remove(row: Row): Encoded | null {
    const { collection, deletes, softDeleteColumn } = this.#o;
    if (deletes === 'ignore') return null;
    const key = this.#key(row);
    if (key === null)
      throw new SyncError(
        'KEY_REQUIRED',
        `${collection} has no key in this sync, so a deleted row cannot be found: name the key in the definition, or set deletes: ignore.`,
        { table: collection },
      );
    const filter = equal(key);
    const operation: AnyBulkWriteOperation<Document> =
      deletes === 'hard' ? { deleteOne: { filter } } : { updateOne: { filter, update: { $set: { [softDeleteColumn]: new Date() } } } };
    return { operation, key, keyText: this.#keyText(row), deleted: true };
  }

  #key(row: Row): Document | null {
    const { schema, collection } = this.#o;
    if (schema.key.length === 0) return null;
    const key: Document = {};
    schema.key.forEach((name, i) => {
      const value = this.#encoded(row, this.#keyIndexes[i] ?? -1);
      // A filter for null would find every document without the field
      if (value === null || value === undefined)
        throw new SyncError('ROW_REJECTED', `A row for ${collection} has NULL in its key ${name}: it would be taken for every document without the field.`, {
          table: collection,
          column: name,
          key: this.#keyText(row),
        });
      // An index over arrays is one over their items
      if (Array.isArray(value))
        throw new SyncError('ROW_REJECTED', `A row for ${collection} has an array in its key ${name}, which MongoDB cannot keep unique.`, {
          table: collection,
          column: name,
          key: this.#keyText(row),
        });
      define(key, name, value);
    });
    return key;
  }

  #encoded(row: Row, index: number): BsonValue | undefined {
    const { schema, collection } = this.#o;
    try {
      return this.#encoders[index]?.encode(row[index] ?? null);
    } catch (error) {
      if (!(error instanceof Unfit)) throw error;
      throw unrepresentable(error.message, {
        table: collection,
        column: schema.columns[index]?.name ?? '',
        key: this.#keyText(row),
        type: this.#encoders[index]?.type ?? '',
      });
    }
  }

  /** The server would put its own time in their place: https://www.mongodb.com/docs/manual/reference/bson-types/#timestamps. Only an insert does so, and only with the outermost fields. */
  #refuseEmptyTimestamps(document: Document, key: string): void {
    const { collection } = this.#o;
    for (const column of this.#jsonNames) {
      const value: unknown = document[column];
      if (value instanceof Timestamp && value.isZero())
        throw unrepresentable('is the empty Timestamp(0, 0), for which an insert puts the time of day; write mode upsert keeps it', {
          table: collection,
          column,
          key,
          type: 'timestamp of BSON',
        });
    }
  }

  #refuseLarge(document: Document, key: string): void {
    const { collection } = this.#o;
    if (BSON.calculateObjectSize(document) > maxDocumentBytes)
      throw new SyncError(
        'TOO_LARGE',
        `The row with key ${key} makes a document of more than 16 MB, which ${collection} cannot hold. Exclude its large columns, or set onError: deadLetter.`,
        { table: collection, key },
      );
  }

  #keyText(row: Row): string {
    const { schema } = this.#o;
    if (this.#keyIndexes.length === 0) return `row ${this.#seen} of the run`;
    return this.#keyIndexes.map((index) => toText(row[index] ?? null, schema.columns[index]?.type ?? { kind: 'string' }) ?? 'NULL').join(', ');
  }
}

/** `$eq` where the value is a document or a regular expression, so that it is a value and nothing else. */
export function equal(key: Document): Document {
  return Object.fromEntries(Object.entries(key).map(([name, value]) => [name, isPlain(value) ? value : { $eq: value }]));
}

function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Date) return true;
  return '_bsontype' in value && value._bsontype !== 'BSONRegExp';
}

function define(document: Document, name: string, value: unknown): void {
  Object.defineProperty(document, name, { value, enumerable: true, configurable: true, writable: true });
}
