/** The pages of a column in one row group, read forwards: no more of them is held than the rows that are decoded at once need. */
import type { ColumnChunk, RowGroup } from 'hyparquet';
import { SyncError } from '../../errors.ts';
import { readRange } from './object-bytes.ts';
import { readPageHeader, TooShort } from './parquet-header.ts';
import type { ObjectToRead } from './records.ts';

/** One request brings this much at most, and those of all columns together that much. */
const rangeBytes = 8 * 1024 ** 2;
const allRangesBytes = 32 * 1024 ** 2;
const minRangeBytes = 256 * 1024;
/** Most headers are shorter; statistics may make one longer. */
const headerBytes = 8 * 1024;
const maxPageBytes = 128 * 1024 ** 2;

interface Page {
  readonly firstRow: number;
  readonly rows: number;
  readonly bytes: Uint8Array;
}

/** Rows of a column as a row group of their own. */
export interface Pages {
  readonly bytes: ArrayBuffer;
  readonly group: RowGroup;
  /** Of the first page, in the row group that it comes from. */
  readonly firstRow: number;
}

export class ColumnPages {
  readonly #read: ObjectToRead;
  readonly #group: RowGroup;
  readonly #chunk: ColumnChunk;
  readonly #end: number;
  readonly #aheadBytes: number;
  /** Place of the next page. */
  #at: number;
  /** Rows before it. */
  #rows = 0;
  /** Bytes that have been fetched, and their place. */
  #window: Uint8Array = new Uint8Array(0);
  #windowAt: number;
  #dictionary: Uint8Array = new Uint8Array(0);
  #pages: Page[] = [];

  constructor(read: ObjectToRead, group: RowGroup, chunk: ColumnChunk) {
    const [from, to] = rangeOf(chunk);
    this.#read = read;
    this.#group = group;
    this.#chunk = chunk;
    this.#at = from;
    this.#windowAt = from;
    this.#end = to;
    this.#aheadBytes = Math.max(minRangeBytes, Math.min(rangeBytes, Math.floor(allRangesBytes / group.columns.length)));
  }

  /** Bytes that were fetched for more than one column. */
  start(bytes: Uint8Array): void {
    this.#window = bytes;
  }

  /** The pages that have the rows [rowStart, rowEnd): asked for in rising order. Throws plain errors for what is no Parquet. */
  async take(rowStart: number, rowEnd: number): Promise<Pages> {
    this.#pages = this.#pages.filter(({ firstRow, rows }) => firstRow + rows > rowStart);
    while (this.#rows < rowEnd && this.#at < this.#end) await this.#next(rowStart);
    const parts = [this.#dictionary, ...this.#pages.map(({ bytes }) => bytes)];
    const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    const firstRow = this.#pages[0]?.firstRow ?? this.#rows;
    return { bytes: whole.buffer, firstRow, group: this.#as(whole.length, this.#rows - firstRow) };
  }

  async #next(rowStart: number): Promise<void> {
    const { kind, headerBytes: head, pageBytes, rows } = await this.#header();
    const bytes = head + pageBytes;
    if (pageBytes > maxPageBytes)
      throw new SyncError(
        'TOO_LARGE',
        `${this.#read.object.key} has a page of ${Math.round(pageBytes / 1024 ** 2)} MiB, and ${maxPageBytes / 1024 ** 2} MiB can be read.`,
        {
          key: this.#read.object.key,
        },
      );
    if (bytes > this.#end - this.#at) throw new Error('has a page that ends behind its column');
    if (kind === 'dictionary') this.#dictionary = (await this.#bytes(bytes)).slice();
    if (kind === 'data') {
      if (this.#rows + rows > rowStart) this.#pages.push({ firstRow: this.#rows, rows, bytes: (await this.#bytes(bytes)).slice() });
      this.#rows += rows;
    }
    this.#at += bytes;
  }

  async #header(): Promise<ReturnType<typeof readPageHeader>> {
    for (let bytes = headerBytes; ; bytes *= 8) {
      const left = this.#end - this.#at;
      try {
        return readPageHeader(await this.#bytes(Math.min(bytes, left)));
      } catch (error) {
        if (!(error instanceof TooShort)) throw error;
        if (bytes >= left || bytes > rangeBytes) throw new Error('ends within the header of a page');
      }
    }
  }

  /** The next bytes, with those that follow fetched along. */
  async #bytes(count: number): Promise<Uint8Array> {
    const from = this.#at - this.#windowAt;
    if (from + count <= this.#window.length) return this.#window.subarray(from, from + count);
    const rest = this.#window.subarray(Math.min(from, this.#window.length));
    const fetchAt = this.#at + rest.length;
    const to = Math.min(this.#end, Math.max(this.#at + count, fetchAt + this.#aheadBytes));
    const window = new Uint8Array(to - this.#at);
    window.set(rest);
    const { bucket, object, signal } = this.#read;
    for (let at = fetchAt; at < to; at += rangeBytes) window.set(await readRange(bucket, object, [at, Math.min(at + rangeBytes, to)], signal), at - this.#at);
    this.#window = window;
    this.#windowAt = this.#at;
    return window.subarray(0, count);
  }

  #as(bytes: number, rows: number): RowGroup {
    const { meta_data: about } = this.#chunk;
    if (about === undefined) throw new Error('has a column without metadata');
    const { dictionary_page_offset: _dictionary, ...rest } = about;
    const chunk = { file_offset: 0n, meta_data: { ...rest, data_page_offset: 0n, total_compressed_size: BigInt(bytes) } };
    return { ...this.#group, columns: [chunk], num_rows: BigInt(rows) };
  }
}

function rangeOf({ meta_data: about }: ColumnChunk): readonly [number, number] {
  if (about === undefined) throw new Error('has a column without metadata');
  const from = Number(about.dictionary_page_offset || about.data_page_offset);
  return [from, from + Number(about.total_compressed_size)];
}

/** The columns of a row group in their order; a small group is fetched at once. */
export async function openGroup(read: ObjectToRead, group: RowGroup): Promise<ColumnPages[]> {
  const pages = group.columns.map((chunk) => new ColumnPages(read, group, chunk));
  const ranges = group.columns.map(rangeOf);
  const from = Math.min(...ranges.map(([first]) => first));
  const to = Math.max(...ranges.map(([, end]) => end));
  if (pages.length < 2 || to <= from || to - from > rangeBytes) return pages;
  const bytes = await readRange(read.bucket, read.object, [from, to], read.signal);
  for (const [i, each] of pages.entries()) {
    const [first = from, end = from] = ranges[i] ?? [];
    each.start(bytes.subarray(first - from, end - from));
  }
  return pages;
}
