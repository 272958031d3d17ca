/** The bytes of a Parquet object as the library asks for them, with the row group that is being decoded held in memory: its slices ask for the same chunks again. */
import type { AsyncBuffer, RowGroup } from 'hyparquet';
import { readRange } from './object-bytes.ts';
import type { ObjectToRead } from './records.ts';

/** One request brings this much. */
const rangeBytes = 8 * 1024 ** 2;

interface Range {
  readonly from: number;
  readonly to: number;
}

export class ParquetFile implements AsyncBuffer {
  readonly byteLength: number;
  readonly #read: ObjectToRead;
  /** Chunks by their place. */
  readonly #held = new Map<string, ArrayBuffer>();

  constructor(read: ObjectToRead) {
    this.#read = read;
    this.byteLength = read.object.bytes;
  }

  async slice(from: number, to: number = this.byteLength): Promise<ArrayBuffer> {
    return this.#held.get(place({ from, to })) ?? this.#fetch({ from, to });
  }

  /** Fetches the chunks of a row group, small neighbours together, in the place of those of the group before, whose bytes are gone then: nothing may point into them any more. */
  async hold(group: RowGroup): Promise<void> {
    // The collector alone would let one group come to stand beside another
    for (const bytes of this.#held.values()) bytes.transfer(0);
    this.#held.clear();
    for (const chunks of runsOf(group)) {
      const [first, last] = [chunks[0], chunks.at(-1)];
      if (first === undefined || last === undefined) continue;
      const bytes = await this.#fetch({ from: first.from, to: last.to });
      for (const chunk of chunks) this.#held.set(place(chunk), chunks.length === 1 ? bytes : bytes.slice(chunk.from - first.from, chunk.to - first.from));
    }
  }

  /** In one piece of memory from the start: to put it together at the end would take its room twice. */
  async #fetch({ from, to }: Range): Promise<ArrayBuffer> {
    const { bucket, object, signal } = this.#read;
    const whole = new Uint8Array(to - from);
    for (let at = from; at < to; at += rangeBytes) whole.set(await readRange(bucket, object, [at, Math.min(at + rangeBytes, to)], signal), at - from);
    return whole.buffer;
  }
}

function place({ from, to }: Range): string {
  return `${from}-${to}`;
}

/** Chunks that follow upon each other, as many as one request brings. */
function runsOf({ columns }: RowGroup): Range[][] {
  const runs: Range[][] = [];
  for (const { meta_data: about } of columns) {
    if (about === undefined) continue;
    const from = Number(about.dictionary_page_offset ?? about.data_page_offset);
    const chunk = { from, to: from + Number(about.total_compressed_size) };
    const run = runs.at(-1);
    const first = run?.[0];
    if (run !== undefined && first !== undefined && run.at(-1)?.to === chunk.from && chunk.to - first.from <= rangeBytes) run.push(chunk);
    else runs.push([chunk]);
  }
  return runs;
}
