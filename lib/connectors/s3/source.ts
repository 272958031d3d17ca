import { setImmediate as nextTurn } from 'node:timers/promises';
import { SyncError } from '../../errors.ts';
import { type Row, type Schema, typeName } from '../../values/types.ts';
import type { Chunk, Cursor, ReadOptions, Rejected, Source, SourceRequest } from '../connector.ts';
import { type Bucket, openBucket, type S3Connection } from './client.ts';
import { Columns, type Misfit } from './columns.ts';
import { type Half, type ListedObject, type Listing, noCursor, type ParsedCursor, Progress, placeOf, readCursor } from './cursor.ts';
import { compressionOf, type FormatOptions, readerFor } from './formats.ts';
import { backlog, listObjects, type Prefix } from './listing.ts';
import { isFault, Malformed, type ObjectToRead, type ReadRecord, type RecordReader, start } from './records.ts';

export interface SourceOptions extends FormatOptions {
  readonly path: string;
  readonly suffix?: string;
  readonly order: 'modified' | 'key';
  readonly delimiter: string;
  readonly header: boolean;
  readonly fields?: Readonly<Record<string, string>>;
}

/** How far behind the newest object another may appear: an upload of several parts is dated by its beginning. */
const settleMs = 24 * 3_600_000;
/** What the columns are inferred from: this many records of this many objects. */
const sampleRecords = 1_000;
const sampleObjects = 3;

export async function openSource(connection: S3Connection, request: SourceRequest, signal: AbortSignal): Promise<Source> {
  const bucket = openBucket(connection);
  try {
    const source = new S3Source(bucket, request);
    await source.sample(signal);
    return source;
  } catch (error) {
    bucket[Symbol.dispose]();
    throw error;
  }
}

/** What is read of one object: rows, a thing that is no row, or columns that have to be wider first. */
type Part =
  | { readonly kind: 'rows'; readonly rows: Row[]; readonly bytes: number; readonly end: Half['at'] }
  | { readonly kind: 'rejected'; readonly rejected: Rejected; readonly bytes: number; readonly end: Half['at'] | null }
  | { readonly kind: 'schema' };

class S3Source implements Source {
  readonly system = 's3';
  readonly #bucket: Bucket;
  readonly #options: SourceOptions;
  readonly #prefix: Prefix;
  readonly #listing: Listing;
  readonly #columns: Columns;

  constructor(bucket: Bucket, request: SourceRequest) {
    this.#bucket = bucket;
    this.#options = request.options as SourceOptions;
    const { path, suffix, order, fields } = this.#options;
    this.#prefix = { bucket, path, ...(suffix === undefined ? {} : { suffix }) };
    // A full pass reads what is there, which needs no order but one that it can go on in
    this.#listing = { order: request.mode === 'full' ? 'key' : order, place: placeOf({ bucket: bucket.name, path, suffix }) };
    const { include, exclude } = request;
    this.#columns = new Columns({
      ...(fields === undefined ? {} : { fields }),
      ...(include === undefined ? {} : { include }),
      ...(exclude === undefined ? {} : { exclude }),
    });
  }

  get schema(): Schema {
    return { name: `s3://${this.#bucket.name}/${this.#options.path}`, columns: this.#columns.columns, key: [] };
  }

  /** Infers the columns. Throws `NOT_FOUND` where there is nothing to infer them from and the definition names none. */
  async sample(signal: AbortSignal): Promise<void> {
    let objects = 0;
    let broken: SyncError | null = null;
    for await (const page of listObjects(this.#prefix, null, signal)) {
      // The first ones and the last of the page: fields are added over time
      const some = page.length <= sampleObjects ? page : [...page.slice(0, sampleObjects - 1), ...page.slice(-1)];
      for (const object of some) {
        objects++;
        broken = (await this.#learn(object, signal)) ?? broken;
      }
      if (objects > 0) break;
    }
    // Without a column there is nowhere to put what is read before the fault
    if (this.#columns.columns.length === 0 && broken !== null) throw broken;
    if (this.#columns.columns.length === 0)
      throw new SyncError(
        'NOT_FOUND',
        `There is no record under ${this.schema.name} to tell its columns${objects === 0 ? ' (no object)' : ''}: put an object there, or name the columns with source.fields.`,
        { table: this.schema.name },
      );
  }

  async *read(options: ReadOptions, signal: AbortSignal): AsyncIterable<Chunk> {
    signal.throwIfAborted();
    const from = options.from === null ? noCursor : readCursor(options.from, this.#listing);
    if (this.#listing.order === 'key') yield* this.#byKey(from, options, signal);
    else yield* this.#byTime(from, options, signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bucket[Symbol.dispose]();
  }

  async *#byKey(from: ParsedCursor, options: ReadOptions, signal: AbortSignal): AsyncGenerator<Chunk> {
    const progress = new Progress(this.#listing, { settleMs, from, kept: [] });
    if (from.half !== null) yield* this.#object(from.half, progress, { ...options, signal });
    const after = from.half?.key ?? from.front?.key ?? null;
    for await (const page of listObjects(this.#prefix, after, signal)) {
      for (const object of page) yield* this.#object({ ...object, at: start }, progress, { ...options, signal });
    }
  }

  async *#byTime(from: ParsedCursor, options: ReadOptions, signal: AbortSignal): AsyncGenerator<Chunk> {
    let known: ParsedCursor = from;
    for (let more = true; more; ) {
      const found = await backlog(this.#prefix, known, signal);
      const progress = new Progress(this.#listing, { settleMs, from: known, kept: found.kept });
      if (known.half !== null) yield* this.#object(known.half, progress, { ...options, signal });
      for (const object of found.objects) {
        if (known.half?.key === object.key && known.half.etag === object.etag) continue;
        yield* this.#object({ ...object, at: start }, progress, { ...options, signal });
      }
      more = found.more;
      known = readCursor(progress.cursor(), this.#listing);
    }
  }

  async *#object(half: Half, progress: Progress, options: ReadOptions & { signal: AbortSignal }): AsyncGenerator<Chunk> {
    const { at, ...object } = half;
    const inside = (end: Half['at']): Cursor => progress.cursor({ ...object, at: end });
    for await (const part of this.#parts(object, at, options)) {
      if (part.kind === 'schema') yield { kind: 'rows', rows: [], bytes: 0, boundary: null, schema: this.schema };
      else if (part.kind === 'rows') yield { kind: 'rows', rows: part.rows, bytes: part.bytes, boundary: inside(part.end) };
      else {
        if (part.end === null) progress.finish(object);
        yield { kind: 'rows', rows: [], bytes: part.bytes, boundary: part.end === null ? progress.cursor() : inside(part.end), rejected: [part.rejected] };
        if (part.end === null) return;
      }
    }
    progress.finish(object);
    yield { kind: 'rows', rows: [], bytes: 0, boundary: progress.cursor() };
  }

  async *#parts(object: ListedObject, from: Half['at'], options: ReadOptions & { signal: AbortSignal }): AsyncGenerator<Part> {
    const { maxRows, maxBytes } = options;
    const read = this.#toRead(object, from, options.signal);
    let last = from;
    let rows: Row[] = [];
    let bytes = 0;
    const gathered = (): Part => {
      const part: Part = { kind: 'rows', rows, bytes, end: last };
      rows = [];
      bytes = 0;
      return part;
    };
    try {
      if (object.bytes === 0) return;
      const reader = await readerFor(read, this.#options);
      if (reader.declared !== undefined && this.#columns.declare(await reader.declared(read))) yield { kind: 'schema' };
      for await (const piece of reader.read(read)) {
        // A range holds many pieces: the lease is renewed by a timer, which has to run between them
        await nextTurn();
        options.signal.throwIfAborted();
        for (const record of piece) {
          let row = this.#row(record, object, reader);
          if (row === null) {
            if (rows.length > 0) yield gathered();
            if (!isFault(record.cells) && this.#columns.learn(record.cells)) yield { kind: 'schema' };
            row = this.#row(record, object, reader);
          }
          if (row === null)
            throw new SyncError('INTERNAL', `${object.key} ${reader.unit} ${record.number} does not fit columns made for it.`, { key: object.key });
          if ('rejected' in row) {
            if (rows.length > 0) yield gathered();
            last = record.end;
            yield { kind: 'rejected', rejected: row.rejected, bytes: record.bytes, end: last };
            continue;
          }
          if (rows.length > 0 && (rows.length >= maxRows || bytes + record.bytes > maxBytes)) yield gathered();
          rows.push(row.row);
          bytes += record.bytes;
          last = record.end;
        }
        if (rows.length > 0) yield gathered();
      }
    } catch (error) {
      const reason = brokenBy(error);
      if (reason === null) throw error;
      if (rows.length > 0) yield gathered();
      const place = `${object.key} after row ${last.rows}`;
      const message = `${object.key} ${reason}; what stands before its ${last.rows === 0 ? 'beginning' : `row or line ${last.rows + 1}`} was read. Replace the object, or set it aside with onError: deadLetter.`;
      yield { kind: 'rejected', rejected: { error: new SyncError('ROW_MALFORMED', message, { key: place }), before: 0, raw: '' }, bytes: 0, end: null };
    }
  }

  #row(record: ReadRecord, object: ListedObject, { unit }: RecordReader): { row: Row } | { rejected: Rejected } | null {
    const { cells, number } = record;
    const place = `${object.key} ${unit} ${number}`;
    if (isFault(cells)) {
      const error = new SyncError('ROW_MALFORMED', `${place} ${cells.reason}.`, { key: place });
      return { rejected: { error, before: 0, raw: cells.raw } };
    }
    const row: Row | Misfit | null = this.#columns.row(cells);
    if (row === null || Array.isArray(row)) return row === null ? null : { row };
    const error = new SyncError('ROW_MALFORMED', `${place}: the value of ${row.column} is no ${typeName(row.type)}, which source.fields says it is.`, {
      key: place,
      column: row.column,
    });
    return { rejected: { error, before: 0, raw: rawRecord(cells) } };
  }

  /** Why the object cannot be read to its end, or null: told again when it is read, as far as there are columns. */
  async #learn(object: ListedObject, signal: AbortSignal): Promise<SyncError | null> {
    let broken: SyncError | null = null;
    if (object.bytes === 0) return broken;
    const read = this.#toRead(object, start, signal);
    const sampled: ReadRecord[] = [];
    try {
      const reader = await readerFor(read, this.#options);
      if (reader.declared !== undefined) {
        this.#columns.declare(await reader.declared(read));
        return broken;
      }
      for await (const piece of reader.read(read)) {
        sampled.push(...piece.slice(0, sampleRecords - sampled.length));
        if (sampled.length >= sampleRecords) break;
      }
    } catch (error) {
      const reason = brokenBy(error);
      if (reason === null) throw error;
      const { key } = object;
      broken = new SyncError(
        'ROW_MALFORMED',
        `${key} ${reason}. Replace the object, or name the columns with source.fields and set it aside with onError: deadLetter.`,
        {
          key,
        },
      );
    }
    // Once more where a wider type came late: values that fitted the narrower one may not fit it
    for (let changed = true; changed; ) {
      changed = false;
      for (const { cells } of sampled) if (!isFault(cells)) changed = this.#columns.learn(cells) || changed;
    }
    return broken;
  }

  #toRead(object: ListedObject, from: Half['at'], signal: AbortSignal): ObjectToRead {
    const { delimiter, header } = this.#options;
    const compression = compressionOf(object, this.#options);
    return { bucket: this.#bucket, object, compression, from, signal, delimiter: isTabbed(object.key) && delimiter === ',' ? '\t' : delimiter, header };
  }
}

function rawRecord(cells: Exclude<ReadRecord['cells'], { reason: string }>): string {
  const text = [...cells].map(
    ([name, cell]) => `${JSON.stringify(name)}:${'json' in cell ? cell.json : JSON.stringify('text' in cell ? cell.text : String(cell.value))}`,
  );
  return `{${text.join(',')}}`.slice(0, 64 * 1024);
}

/** `.tsv` says what stands between the values, unless `delimiter` says otherwise. */
const isTabbed = (key: string): boolean => /\.tsv(?:\.(?:gz|zst))?$/i.test(key);

/** Why the rest of an object cannot be read; null for what is not the object's fault. */
function brokenBy(error: unknown): string | null {
  if (error instanceof Malformed) return error.message;
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null;
  return /^(?:Z_|ZSTD_|ERR_ZSTD|ERR_ZLIB)/.test(error.code) ? `cannot be decompressed: it is damaged or was cut short (${error.code})` : null;
}
