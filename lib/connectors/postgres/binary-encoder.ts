/** COPY's binary format, written: rows to buffers, by code made for the columns. */
import type { Row, Value } from '../../values/types.ts';
import { type BinaryPiece, exactRoom, roomFor, type Target, type Write } from './binary-pieces.ts';
import { bufferBytes, checkWidth, type EncodedColumn, type EncoderPlace, explainRefusal, type RowEncoder } from './row-encoder.ts';

const lengthBytes = 4;
/** Number of fields, and the operation behind them. */
const rowBytes = 2 + lengthBytes + 2;

type WriteRow = (row: Row, to: Target, at: number) => number;

export class BinaryRowEncoder implements RowEncoder {
  readonly format = 'binary';
  readonly #columns: readonly EncodedColumn[];
  readonly #pieces: readonly BinaryPiece[];
  readonly #place: EncoderPlace;
  readonly #write: WriteRow;
  /** What a row takes beside its values of no fixed length. */
  readonly #fixedBytes: number;
  readonly #variable: readonly number[];
  #out = target(bufferBytes);
  #used = 0;

  constructor(columns: readonly EncodedColumn[], pieces: readonly BinaryPiece[], place: EncoderPlace) {
    this.#columns = columns;
    this.#pieces = pieces;
    this.#place = place;
    this.#write = rowFunction(pieces.map(({ write }) => write));
    this.#fixedBytes = pieces.reduce((sum, { fixedBytes }) => sum + lengthBytes + (fixedBytes ?? 0), rowBytes);
    this.#variable = pieces.flatMap(({ fixedBytes }, i) => (fixedBytes === null ? [i] : []));
  }

  *encode(rows: readonly Row[], operations?: Uint8Array): Generator<Buffer> {
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      checkWidth(row, this.#columns, this.#place);
      let room = this.#room(row, roomFor);
      // Three times a text of megabytes would be much: counted it is no more than it takes
      if (room > bufferBytes) room = this.#room(row, exactRoom);
      if (this.#used + room > bufferBytes && this.#used > 0) yield this.take();
      if (room > bufferBytes) this.#out = target(room);
      let end = this.#writeRow(row);
      const { view } = this.#out;
      if (operations !== undefined) {
        view.setInt16(this.#used, row.length + 1);
        view.setInt32(end, 2);
        view.setInt16(end + lengthBytes, operations[i] ?? 0);
        end += lengthBytes + 2;
      }
      this.#used = end;
      if (room > bufferBytes) yield this.take();
    }
  }

  take(): Buffer {
    const full = this.#out.bytes.subarray(0, this.#used);
    this.#out = target(bufferBytes);
    this.#used = 0;
    return full;
  }

  reset(): void {
    this.#used = 0;
  }

  #room(row: Row, of: (value: Value) => number): number {
    let room = this.#fixedBytes;
    for (const column of this.#variable) room += of(row[column] ?? null);
    return room;
  }

  #writeRow(row: Row): number {
    try {
      return this.#write(row, this.#out, this.#used);
    } catch (error) {
      throw explainRefusal(error, row, {
        columns: this.#columns,
        place: this.#place,
        write: (i, value) => {
          const piece = this.#pieces[i];
          piece?.write(value, target(piece.fixedBytes ?? roomFor(value)), 0);
        },
      });
    }
  }
}

function target(bytes: number): Target {
  const buffer = Buffer.allocUnsafeSlow(bytes);
  return { bytes: buffer, view: new DataView(buffer.buffer, buffer.byteOffset, buffer.length) };
}

/** One piece of code for the whole row, as V8 runs it fastest. The source text is made of numbers alone: no name and no value goes into it. */
function rowFunction(writes: readonly Write[]): WriteRow {
  const fields = writes.map(
    (_, i) => `if ((x = r[${i}]) === null) { v.setInt32(e, -1); e += 4; } else { s = e + 4; n = w${i}(x, t, s); v.setInt32(e, n - s); e = n; }`,
  );
  const names = writes.map((_, i) => `const w${i} = w[${i}];`);
  return new Function(
    'w',
    `${names.join(' ')} return (r, t, at) => { const v = t.view; let e = at + 2, s = 0, n = 0, x; v.setInt16(at, ${writes.length}); ${fields.join(' ')} return e; };`,
  )(writes);
}
