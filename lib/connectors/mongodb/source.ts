import type { Collection, Document, Filter } from 'mongodb';
import { SyncError } from '../../errors.ts';
import type { Schema, Value } from '../../values/types.ts';
import type { Chunk, Cursor, ReadOptions, Remaining, Source, SourceRequest } from '../connector.ts';
import { BsonType, elements } from './bson-reader.ts';
import type { BsonValue } from './bson-value.ts';
import { Chunker } from './chunker.ts';
import { connect, type MongodbConnection, type Session } from './client.ts';
import { openCollection, parseFilter, rawDocuments, refuseUnordered, type SourceOptions, sampleColumns } from './collection.ts';
import { type Columns, keyText } from './columns.ts';
import { type CursorShape, decodeKeyset, encodeKeyset, positionValue } from './cursor.ts';
import { encoderFor, Unfit } from './encode.ts';
import { mongoError } from './errors.ts';
import { jsonAt, NoJson } from './json-text.ts';
import { after, and, upTo } from './keyset.ts';
import { ChangeReader } from './stream.ts';

export async function openSource(connection: MongodbConnection, request: SourceRequest): Promise<Source> {
  const session = await connect(connection);
  const options = request.options as SourceOptions;
  try {
    const collection = await openCollection(session, options.collection);
    const columns = await sampleColumns(collection, options, request);
    return request.mode === 'stream'
      ? new StreamSource(session, { collection, columns, request })
      : new KeysetSource(session, { collection, columns, request });
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw mongoError(error, `open ${options.collection}`, { table: options.collection });
  }
}

interface Opened {
  readonly collection: Collection<Document>;
  readonly columns: Columns;
  readonly request: SourceRequest;
}

class StreamSource implements Source {
  readonly system = 'mongodb';
  readonly ordersUuids = true;
  readonly #session: Session;
  readonly #columns: Columns;
  readonly #reader: ChangeReader;
  readonly #name: string;

  constructor(session: Session, { collection, columns, request }: Opened) {
    this.#session = session;
    this.#columns = columns;
    this.#name = collection.collectionName;
    const table = this.#name;
    if (request.where !== undefined)
      throw new SyncError(
        'UNSUPPORTED',
        `Mode stream of ${table} takes no where: a document that stops matching could not be told from one that was never there.`,
        { table, field: 'where' },
      );
    if (!columns.schema.key.includes('_id'))
      throw new SyncError(
        'CONFIG_INVALID',
        `Mode stream of ${table} needs the field _id: deletes have nothing else. Take it out of columns.exclude, or into columns.include.`,
        { table, column: '_id' },
      );
    this.#reader = new ChangeReader(session, collection, columns);
  }

  get schema(): Schema {
    return this.#columns.schema;
  }

  async *read(options: ReadOptions, signal: AbortSignal): AsyncIterable<Chunk> {
    signal.throwIfAborted();
    try {
      yield* this.#reader.read(options, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw mongoError(error, `read the changes of ${this.#name}`, { table: this.#name });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}

/** A part of a read: rows that `filter` finds, in the order of the cursor. `fixed`: the position stays there (rows before it, read again). */
interface Pass {
  readonly filter: Filter<Document>;
  readonly fixed: Cursor | null;
}

class KeysetSource implements Source {
  readonly system = 'mongodb';
  readonly ordersUuids = true;
  readonly #session: Session;
  readonly #collection: Collection<Document>;
  readonly #columns: Columns;
  readonly #request: SourceRequest;
  readonly #shape: CursorShape;
  readonly #where: Filter<Document> | null;
  /** Looked at once: the cursor's fields hold nothing that has no order. */
  #ordered: Promise<void> | null = null;

  constructor(session: Session, { collection, columns, request }: Opened) {
    this.#session = session;
    this.#collection = collection;
    this.#columns = columns;
    this.#request = request;
    this.#shape = shapeOf(collection.collectionName, request);
    this.#where = parseFilter(request.where, collection.collectionName);
    if (columns.schema.columns.length > 1) for (const field of this.#shape.fields) columns.known(field, collection.collectionName);
  }

  get schema(): Schema {
    return this.#columns.schema;
  }

  async *read(options: ReadOptions, signal: AbortSignal): AsyncIterable<Chunk> {
    signal.throwIfAborted();
    const { family, collection } = this.#shape;
    // Before the first request: a foreign cursor is told at once
    const from = options.from === null ? null : decodeKeyset(this.#shape, options.from);
    try {
      this.#ordered ??= refuseUnordered(this.#collection, this.#shape.fields);
      await this.#ordered;
      if (family !== 'full') await this.#refuseNulls();
      const last = await this.#last();
      if (last === null) return;
      for (const pass of this.#passes(from, options.from, last.value)) {
        if (yield* this.#readPass(pass, options, signal)) return;
      }
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw mongoError(error, `read ${collection}`, { table: collection });
    }
  }

  cursorAfter(values: readonly Value[]): Cursor {
    const { fields, collection } = this.#shape;
    return encodeKeyset(
      this.#shape,
      fields.map((field, i) => {
        const column = this.#columns.column(field);
        try {
          return encoderFor(column, { timestamps: 'auto', objectIds: [] }).json(values[i] ?? null);
        } catch (error) {
          if (!(error instanceof Unfit)) throw error;
          throw new SyncError('CURSOR_INVALID', `The largest value of ${field} in the destination ${error.message}, so it is no position in ${collection}.`, {
            table: collection,
            column: field,
          });
        }
      }),
    );
  }

  async remaining(from: Cursor | null): Promise<Remaining> {
    const { collection } = this.#shape;
    try {
      if (from === null && this.#where === null) return { rows: await this.#collection.estimatedDocumentCount(), exact: false };
      const filter = and([
        ...(this.#where === null ? [] : [this.#where]),
        ...(from === null ? [] : [after(this.#shape.fields, decodeKeyset(this.#shape, from))]),
      ]);
      return { rows: await this.#collection.countDocuments(filter), exact: true };
    } catch (error) {
      throw mongoError(error, `count the documents of ${collection}`, { table: collection });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  #with(...filters: Filter<Document>[]): Filter<Document> {
    return and([...(this.#where === null ? [] : [this.#where]), ...filters]);
  }

  async #refuseNulls(): Promise<void> {
    const { cursor } = this.#request;
    const { fields, collection } = this.#shape;
    for (const field of fields) {
      if (field === '_id' || (field === cursor.column && cursor.nulls === 'include')) continue;
      const found = await this.#collection.findOne(this.#with({ [field]: null }), { projection: { _id: 1 } });
      if (found === null) continue;
      const advice =
        field === cursor.column ? 'Set cursor.nulls to include, exclude such documents with where, or choose another field.' : 'Choose _id as the tiebreak.';
      throw new SyncError('CURSOR_NULL', `${collection}.${field} is null or missing in some documents, so they would be skipped silently. ${advice}`, {
        table: collection,
        column: field,
      });
    }
  }

  /** The largest value of the first field now: what comes later is the next run's. Null where nothing is there. */
  async #last(): Promise<{ readonly value: BsonValue } | null> {
    const [field = '_id'] = this.#shape.fields;
    for await (const document of this.#collection.find(this.#with(), { raw: true, sort: { [field]: -1 }, limit: 1, allowDiskUse: true })) {
      const [text] = this.#position(document as unknown as Buffer, [field]);
      return { value: positionValue(text ?? 'null', this.#shape.collection) };
    }
    return null;
  }

  #passes(from: BsonValue[] | null, cursor: Cursor | null, last: BsonValue): Pass[] {
    const { fields, family, collection } = this.#shape;
    const [field = '_id'] = fields;
    const bound = upTo(field, last);
    if (from === null) return [{ filter: this.#with(bound), fixed: null }];
    const rest: Pass = { filter: this.#with(after(fields, from), bound), fixed: null };
    const { lookbackSeconds } = this.#request.cursor;
    const [first] = from;
    if (family !== 'timestamp' || lookbackSeconds === 0 || first === null) return [rest];
    if (!(first instanceof Date))
      throw new SyncError('UNSUPPORTED', `cursor.lookback of ${collection} needs a field of type Date: ${field} holds something else.`, {
        table: collection,
        column: field,
      });
    const start = new Date(first.getTime() - lookbackSeconds * 1000);
    return [{ filter: this.#with({ [field]: { $gt: start } }, { $nor: [after(fields, from)] }), fixed: cursor }, rest];
  }

  /** Whether the columns changed, which ends the read. */
  async *#readPass(pass: Pass, options: ReadOptions, signal: AbortSignal): AsyncGenerator<Chunk, boolean> {
    const { fields } = this.#shape;
    const chunker = new Chunker(options);
    let boundary: Cursor | null = null;
    // Rows went out without a boundary: the next one is told as soon as it comes
    let owed = false;
    for await (const document of rawDocuments(this.#collection, { filter: pass.filter, fields }, signal)) {
      const next: Cursor = pass.fixed ?? encodeKeyset(this.#shape, this.#position(document, fields));
      // A view, a time series or a key taken at its word may repeat a position: what shares one has to be committed together
      const end = next === boundary && pass.fixed === null ? null : boundary;
      if (chunker.full(document.length) || (owed && end !== null)) {
        owed = end === null;
        yield chunker.take(end);
      }
      if (this.#columns.learn(document)) {
        if (!chunker.empty) yield chunker.take(end);
        this.#columns.settle();
        yield { kind: 'rows', rows: [], bytes: 0, boundary: end, schema: this.#columns.schema };
        return true;
      }
      chunker.add(this.#columns.row(document), document.length);
      boundary = next;
    }
    signal.throwIfAborted();
    if (!chunker.empty) yield chunker.take(boundary);
    return false;
  }

  /** The document's cursor values as JSON text; a field that is not there sorts as null. */
  #position(document: Buffer, fields: readonly string[]): string[] {
    const texts = fields.map(() => 'null');
    for (const { name, type, bytes, at } of elements(document)) {
      const index = fields.indexOf(name);
      if (index < 0) continue;
      const { collection } = this.#shape;
      const place = { table: collection, column: name, key: keyText(document) };
      if (type === BsonType.array)
        throw new SyncError(
          'ROW_MALFORMED',
          `${collection}.${name} of the document with _id ${place.key} is an array, which has no place in the order of a cursor. Choose another field.`,
          place,
        );
      try {
        texts[index] = jsonAt(type, bytes, at);
      } catch (error) {
        if (!(error instanceof NoJson)) throw error;
        throw new SyncError(
          'ROW_MALFORMED',
          `${collection}.${name} of the document with _id ${place.key} ${error.message}, so it cannot be a position. Choose another field.`,
          place,
        );
      }
    }
    return texts;
  }
}

function shapeOf(collection: string, { mode, cursor }: SourceRequest): CursorShape {
  const key = cursor.key.length > 0 ? cursor.key : ['_id'];
  switch (mode) {
    case 'full':
      return { family: 'full', collection, fields: ['_id'] };
    case 'timestamp':
    case 'lastDestinationTimestamp': {
      const { column } = cursor;
      if (column === undefined)
        throw new SyncError('CONFIG_INVALID', `Mode ${mode} needs cursor.column: the field of ${collection} that says when a document changed.`, {
          table: collection,
        });
      return { family: 'timestamp', collection, fields: [column, ...key.filter((name) => name !== column)] };
    }
    default: {
      const [first = '_id'] = cursor.column === undefined ? key : [cursor.column];
      // _id alone is unique and always there
      return { family: 'id', collection, fields: first === '_id' ? ['_id'] : [first, ...key.filter((name) => name !== first)] };
    }
  }
}
