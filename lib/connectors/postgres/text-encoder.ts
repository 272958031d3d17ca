/** COPY's text format, written: rows to buffers, by code made for the columns. */
import type { Row } from '../../values/types.ts';
import { type Encode, ValueRefused } from './pieces.ts';
import { type AcceptedPiece, bufferBytes, checkWidth, type EncodedColumn, type EncoderPlace, explainRefusal, type RowEncoder } from './row-encoder.ts';

/** Rows that are joined to one string before it is written to the buffer. Few: one character beyond Latin-1 makes the writing of all of them many times as slow. */
const rowsAtOnce = 4;
/** Longer strings go at once: rows of megabytes are not gathered. */
const charactersAtOnce = 1 << 16;

export class TextRowEncoder implements RowEncoder {
  readonly format = 'text';
  readonly #columns: readonly EncodedColumn[];
  readonly #pieces: readonly AcceptedPiece[];
  readonly #place: EncoderPlace;
  readonly #line: Line;
  #out = Buffer.allocUnsafeSlow(bufferBytes);
  #used = 0;

  constructor(columns: readonly EncodedColumn[], pieces: readonly AcceptedPiece[], place: EncoderPlace) {
    this.#columns = columns;
    this.#pieces = pieces;
    this.#place = place;
    this.#line = lineFunction(pieces);
  }

  *encode(rows: readonly Row[], operations?: Uint8Array): Generator<Buffer> {
    for (let next = 0; next < rows.length; ) {
      const first = next;
      let text = '';
      while (next < rows.length && next - first < rowsAtOnce && text.length < charactersAtOnce) {
        text += this.#text(rows[next], operations === undefined ? '\n' : `\t${operations[next] ?? 0}\n`);
        next++;
      }
      if (text.length * 3 > bufferBytes) {
        if (this.#used > 0) yield this.take();
        yield Buffer.from(text, 'utf8');
      } else {
        if (this.#used + text.length * 3 > bufferBytes) yield this.take();
        this.#used += this.#out.write(text, this.#used, 'utf8');
      }
    }
  }

  take(): Buffer {
    const full = this.#out.subarray(0, this.#used);
    this.#out = Buffer.allocUnsafeSlow(bufferBytes);
    this.#used = 0;
    return full;
  }

  #text(row: Row | undefined, end: string): string {
    checkWidth(row, this.#columns, this.#place);
    try {
      return this.#line(row, end);
    } catch (error) {
      throw explainRefusal(error, row, {
        columns: this.#columns,
        place: this.#place,
        write: (i, value) => {
          const piece = this.#pieces[i];
          const text = piece?.encode == null ? value : piece.encode(value);
          if (piece?.free === true) copyText(text);
        },
      });
    }
  }

  reset(): void {
    this.#used = 0;
  }
}

/** Half a pair cannot be told from a whole one by a class of characters: texts with either are looked at again. Of texts within Latin-1 the engine knows that they have none. */
const special = /[\0\\\t\n\r\ud800-\udfff]/;
const specials = /[\\\t\n\r]/g;
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** Any text as COPY reads it. Throws `ValueRefused`. */
function copyText(value: unknown): string {
  const text = String(value);
  if (!special.test(text)) return text;
  if (text.includes('\0')) throw new ValueRefused('has a NUL character, which PostgreSQL text cannot hold');
  if (!text.isWellFormed()) throw new ValueRefused('has half of a surrogate pair, which is no text');
  return text.replace(specials, (character) => escapes[character] ?? character);
}

type Line = (row: Row, end: string) => string;

/** One expression for the whole row, as V8 runs it fastest. The source text is made of numbers alone: no name and no value goes into it. */
function lineFunction(pieces: readonly { readonly encode: Encode; readonly free?: boolean }[]): Line {
  const fields = pieces.map(({ encode, free }, i) => {
    const text = encode === null ? `r[${i}]` : `e${i}(r[${i}])`;
    return `(r[${i}] === null ? '\\\\N' : ${free === true ? `x(${text})` : text})`;
  });
  const names = pieces.flatMap(({ encode }, i) => (encode === null ? [] : [`const e${i} = e[${i}];`]));
  const make = new Function('e', 'x', `${names.join(' ')} return (r, z) => '' + ${fields.join(" + '\\t' + ")} + z;`);
  return make(
    pieces.map(({ encode }) => encode),
    copyText,
  );
}
