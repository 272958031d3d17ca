import { SyncError } from '../../errors.ts';
import type { Row, Schema, Value } from '../../values/types.ts';
import type { Chunk, Cursor, ReadOptions, Rejected, Remaining, Source, SourceRequest } from '../connector.ts';
import { RestClient } from './client.ts';
import type { RestConnection, RestSourceOptions } from './config.ts';
import { earlier, type ReadState, readCursor, startState, writeCursor } from './cursor.ts';
import { type Item, recordsOf } from './document.ts';
import { Inference, RecordReader } from './inference.ts';
import { type PageAnswer, Pages, refuseRepeated } from './pages.ts';
import { type Advance, Progress } from './progress.ts';

const maxRawBytes = 65_536;

interface Page extends PageAnswer {
  readonly items: readonly Item[];
}

interface Step extends Advance {
  readonly page: Page;
  readonly boundary: Cursor;
  /** Where the page has changed the columns. */
  readonly schema: Schema | null;
}

/** Asks for the first page, from which the columns are inferred. */
export async function openSource(connection: RestConnection, request: SourceRequest, signal: AbortSignal): Promise<Source> {
  const client = new RestClient(connection, signal);
  try {
    const source = new RestSource(client, request);
    await source.sample(signal);
    return source;
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

class RestSource implements Source {
  readonly system = 'rest';
  readonly #client: RestClient;
  readonly #request: SourceRequest;
  readonly #options: RestSourceOptions;
  readonly #pages: Pages;
  readonly #inference: Inference;
  readonly #progress: Progress;
  readonly #column: string | null;
  /** The first page, until a read has made use of it. */
  #sample: Page | null = null;

  constructor(client: RestClient, request: SourceRequest) {
    this.#client = client;
    this.#request = request;
    this.#options = request.options as RestSourceOptions;
    this.#pages = new Pages(client, this.#options);
    this.#progress = new Progress(request, this.#options);
    this.#column = this.#progress.column;
    const { include, exclude, cursor } = request;
    this.#inference = new Inference({
      fields: this.#options.fields,
      required: cursor.key,
      ...(include === undefined ? {} : { include }),
      ...(exclude === undefined ? {} : { exclude }),
    });
  }

  get schema(): Schema {
    const columns = this.#inference.columns();
    const { key } = this.#request.cursor;
    const whole = key.every((name) => columns.some((column) => column.name === name));
    return { name: this.#options.path === '' ? this.#client.base.host : this.#options.path, columns, key: whole ? [...key] : [] };
  }

  async sample(signal: AbortSignal): Promise<void> {
    this.#sample = await this.#fetch(startState(this.#column), signal);
    this.#inference.learn(this.#sample.items.flatMap(({ members }) => members ?? []));
    const missing = (this.#request.include ?? []).find((name) => !this.#inference.knows(name));
    if (missing !== undefined && this.#sample.items.length > 0) {
      throw new SyncError(
        'NOT_FOUND',
        `${this.#sample.what}: no record has the field "${missing}" that columns.include names. If it comes later, give its type in fields.`,
        { column: missing },
      );
    }
    if (this.schema.columns.length > 0) return;
    throw new SyncError(
      'NOT_FOUND',
      `${this.#sample.what} has no record to infer columns from. Give their types in fields, so that the sync can begin before there are records.`,
      { table: this.schema.name },
    );
  }

  async *read(options: ReadOptions, signal: AbortSignal): AsyncIterable<Chunk> {
    if (options.from !== null) this.#sample = null;
    let state = options.from === null ? startState(this.#column) : this.#begin(this.#stored(options.from));
    let previous: { readonly since: string | null; readonly text: string } | null = null;
    while (!state.end) {
      let step: Step;
      try {
        step = await this.#step(state, previous?.since === state.since ? previous.text : null, signal);
      } catch (error) {
        // What came before is committed first, so that the next attempt begins at the page that failed
        if (error instanceof SyncError && !signal.aborted)
          yield { kind: 'rows', rows: [], bytes: 0, boundary: null, rejected: [{ error, before: 0, raw: '' }] };
        throw error;
      }
      previous = { since: state.since, text: step.page.answer.text };
      yield* this.#chunks(step, options);
      if (step.done) return;
      state = step.next;
    }
  }

  async #step(state: ReadState, previous: string | null, signal: AbortSignal): Promise<Step> {
    const page = await this.#fetch(state, signal);
    const { what } = page;
    refuseRepeated({ previous, text: page.answer.text, count: page.count }, what);
    const advance = this.#progress.advance(state, page.items, { next: this.#pages.next(state.at, page), what });
    // Another value of the parameter is another list
    const before = advance.next.since === state.since ? state.trail : null;
    const next: ReadState = { ...advance.next, trail: this.#pages.trail(before, advance.next.at, what) };
    const boundary = writeCursor(next, { place: this.#pages.place, what });
    const changed = this.#inference.learn(page.items.flatMap(({ members }) => members ?? []));
    return { ...advance, next, page, boundary, schema: changed ? this.schema : null };
  }

  cursorAfter(values: readonly Value[]): Cursor {
    const since = this.#progress.written(values);
    return writeCursor({ ...startState(this.#column), since, max: since }, { place: this.#pages.place, what: this.#pages.title(null) });
  }

  /** Nothing is known of what remains; a position of another source is refused. */
  async remaining(from: Cursor | null): Promise<Remaining> {
    if (from !== null) this.#stored(from);
    return {};
  }

  #stored(from: Cursor): ReadState {
    const column = this.#column;
    return readCursor(from, { column, place: this.#pages.place, again: column !== null || this.#request.write === 'upsert' });
  }

  /**
   * A pass that begins anew goes back by the lookback; the largest value stays, so that the way back to it is no step back of the position. One that was stopped on that way goes on there:
   * otherwise a lookback longer than a run would never be through.
   */
  #begin(state: ReadState): ReadState {
    const { lookbackSeconds } = this.#request.cursor;
    const { since, max, at } = state;
    if (lookbackSeconds === 0 || since === null || at !== null || since !== max) return state;
    return { ...state, since: earlier(since, lookbackSeconds), seen: [], ties: [] };
  }

  async #fetch(state: ReadState, signal: AbortSignal): Promise<Page> {
    const { at, since } = state;
    const sample = this.#sample;
    if (sample !== null && at === null && since === null) {
      this.#sample = null;
      return sample;
    }
    signal.throwIfAborted();
    const what = this.#pages.title(at);
    const answer = await this.#client.send({ method: 'GET', url: this.#pages.address(at, since), what });
    const items = recordsOf(answer.text, this.#options.records, what);
    return { answer, items, count: items.length, what };
  }

  *#chunks({ items, boundary, schema, page: { what } }: Step, options: ReadOptions): Iterable<Chunk> {
    const reader = new RecordReader(this.schema.columns);
    let rows: Row[] = [];
    let rejected: Rejected[] = [];
    let bytes = 0;
    let first = true;
    const chunk = (at: Cursor | null): Chunk => {
      const made: Chunk = {
        kind: 'rows',
        rows,
        bytes,
        boundary: at,
        ...(rejected.length > 0 ? { rejected } : {}),
        ...(first && schema !== null ? { schema } : {}),
      };
      first = false;
      rows = [];
      rejected = [];
      bytes = 0;
      return made;
    };
    for (const [index, item] of items.entries()) {
      const size = Buffer.byteLength(item.text);
      if (rows.length > 0 && (rows.length >= options.maxRows || bytes + size > options.maxBytes)) yield chunk(null);
      const read = item.members === null ? { column: null, kind: 'object' } : reader.read(item.members);
      bytes += size;
      if ('row' in read) rows.push(read.row);
      else rejected.push({ error: this.#rejection(item, { ...read, index, what }), before: rows.length, raw: item.text.slice(0, maxRawBytes) });
    }
    yield chunk(boundary);
  }

  #rejection(item: Item, found: { column: string | null; kind: string; index: number; what: string }): SyncError {
    const { column, kind, index, what } = found;
    const key = this.#request.cursor.key.map((name) => `${name}=${item.members?.get(name) ?? ''}`).join(', ');
    const place = `${what}, record ${index + 1}${key === '' ? '' : ` (${key})`}`;
    if (column === null) return new SyncError('ROW_MALFORMED', `${place} is no JSON object.`, { key: place });
    return new SyncError('ROW_MALFORMED', `${place}: the value of ${column} is no ${kind}, as fields has it.`, { key: place, column });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client[Symbol.asyncDispose]();
  }
}
