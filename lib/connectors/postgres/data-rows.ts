/**
 * DataRow messages, read: https://www.postgresql.org/docs/current/protocol-message-formats.html. Each field comes with its length, so that no byte of it has to be looked at to find its
 * end, and nothing is escaped: less work than COPY's text at either end of the connection.
 */
import { isAscii } from 'node:buffer';
import { SyncError } from '../../errors.ts';
import type { Row } from '../../values/types.ts';
import { fromWire, type WireKind } from './types.ts';

/** Message code and length, number of fields. */
const headBytes = 7;
/** Looked at together for characters beyond ASCII; their fields are then decoded one by one. */
const groupBytes = 2048;

/** Decodes whole messages, whose lengths are overwritten. The strings of a row share the memory of the data that they came from: they are to live no longer than it. */
export function rowDecoder(kinds: readonly WireKind[]): (data: Buffer) => Row[] {
  const width = kinds.length;
  const read = rowFunction(kinds);
  /** Start and end of each field of a group; a start of -1 for NULL. */
  let places = new Int32Array(256 * width);
  return (data) => {
    const rows: Row[] = [];
    const text = data.toString('latin1');
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const length = data.length;
    for (let start = 0; start < length; ) {
      let at = start;
      let used = 0;
      do {
        if (used + 2 * width > places.length) places = grown(places);
        if (view.getInt16(at + 5) !== width) throw new SyncError('INTERNAL', `PostgreSQL sent ${view.getInt16(at + 5)} values for ${width} columns.`);
        view.setInt32(at + 1, 0);
        at += headBytes;
        for (let i = 0; i < width; i++) {
          const size = view.getInt32(at);
          at += 4;
          if (size < 0) {
            places[used] = -1;
            view.setInt32(at - 4, 0);
          } else {
            // Lengths from 128 on are no ASCII
            if (size > 127) view.setInt32(at - 4, 0);
            places[used] = at;
            at += size;
            places[used + 1] = at;
          }
          used += 2;
        }
      } while (at < length && at - start < groupBytes);
      const wide = isAscii(data.subarray(start, at)) ? null : data;
      for (let row = 0; row < used; row += 2 * width) rows.push(read(text, places, row, wide));
      start = at;
    }
    return rows;
  };
}

/** What the same rows take as COPY's text, about: the measure of a batch is to be the same on every path. */
export function textBytes(data: Buffer, rows: number, width: number): number {
  return data.length - rows * (headBytes + 3 * width);
}

/** Cuts whole messages into parts of at most `maxBytes`, unless a single row has more. */
export function* cutMessages(data: Buffer, maxBytes: number): Generator<Buffer> {
  let start = 0;
  for (let at = 0; data.length - start > maxBytes && at < data.length; ) {
    const next = at + 1 + data.readInt32BE(at + 1);
    if (next - start > maxBytes && at > start) {
      yield data.subarray(start, at);
      start = at;
    }
    at = next;
  }
  if (start < data.length) yield data.subarray(start);
}

function grown(places: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const more = new Int32Array(2 * places.length);
  more.set(places);
  return more;
}

const beyondAscii = /[\x80-\xff]/;

/** A field of text in a group that has more than ASCII: most of its fields are plain all the same. */
function wideField(text: string, data: Buffer, range: readonly [number, number]): string {
  return beyondAscii.test(text) ? data.toString('utf8', range[0], range[1]) : text;
}

type ReadRow = (text: string, places: Int32Array, at: number, wide: Buffer | null) => Row;

/** One expression for a row, as V8 runs it fastest. The source text is made of numbers and fixed words alone. */
function rowFunction(kinds: readonly WireKind[]): ReadRow {
  const fields = kinds.map((kind, i) => {
    const slice = `s.slice(p[o + ${2 * i}], p[o + ${2 * i + 1}])`;
    const text = kind === 'text' ? `(d === null ? ${slice} : w(${slice}, d, [p[o + ${2 * i}], p[o + ${2 * i + 1}]]))` : slice;
    return `p[o + ${2 * i}] < 0 ? null : ${fromWire[kind] === undefined ? text : `c${i}(${text})`}`;
  });
  const source = `${kinds.map((_, i) => `const c${i} = c[${i}];`).join(' ')} return (s, p, o, d) => [${fields.join(', ')}];`;
  return new Function('c', 'w', source)(
    kinds.map((kind) => fromWire[kind]),
    wideField,
  );
}
