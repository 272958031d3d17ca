/** COPY's text format, written: rows to buffers, by code made for the columns. */
import { SyncError } from '../../errors.ts';
import type { Column, Row, Value } from '../../values/types.ts';
import { type Encode, pieceFor, ValueRefused } from './pieces.ts';
import type { PgType } from './types.ts';

export interface EncodedColumn {
  readonly incoming: Column;
  readonly target: PgType;
}

export interface EncoderPlace {
  readonly table: string;
  /** Indexes of the key's columns, for messages. */
  readonly key: readonly number[];
}

/** Rows that are joined to one string before it is written to the buffer. Few: one character beyond Latin-1 makes the writing of all of them many times as slow. */
const rowsAtOnce = 4;
/** Longer strings go at once: rows of megabytes are not gathered. */
const charactersAtOnce = 1 << 16;
const bufferBytes = 1 << 18;

export class RowEncoder {
  readonly #columns: readonly EncodedColumn[];
  readonly #place: EncoderPlace;
  readonly #line: Line;
  #out = Buffer.allocUnsafeSlow(bufferBytes);
  #used = 0;

  constructor(columns: readonly EncodedColumn[], place: EncoderPlace) {
    this.#columns = columns;
    this.#place = place;
    this.#line = lineFunction(
      columns.map(({ incoming, target }) => {
        const piece = pieceFor(incoming, target);
        if ('refused' in piece)
          throw new SyncError('SCHEMA_MISMATCH', `${place.table}.${incoming.name}: ${piece.refused}.`, { table: place.table, column: incoming.name });
        return piece;
      }),
    );
  }

  /** Full buffers; the rest waits for `take`. `operations`: written behind each row as a further column. Throws `VALUE_UNREPRESENTABLE` with table, column and key. */
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

  /** What is encoded and not yet handed over. */
  take(): Buffer {
    const full = this.#out.subarray(0, this.#used);
    this.#out = Buffer.allocUnsafeSlow(bufferBytes);
    this.#used = 0;
    return full;
  }

  #text(row: Row | undefined, end: string): string {
    if (row === undefined || row.length !== this.#columns.length)
      throw new SyncError('INTERNAL', `A row for ${this.#place.table} has ${row?.length} values for ${this.#columns.length} columns.`, {
        table: this.#place.table,
      });
    try {
      return this.#line(row, end);
    } catch (error) {
      throw this.#explain(error, row);
    }
  }

  /** Forgets what a rolled back batch had begun. */
  reset(): void {
    this.#used = 0;
  }

  #explain(error: unknown, row: Row): unknown {
    if (!(error instanceof ValueRefused)) return error;
    for (const [i, { incoming, target }] of this.#columns.entries()) {
      const piece = pieceFor(incoming, target);
      const value = row[i] ?? null;
      if (value === null || 'refused' in piece) continue;
      try {
        const text = piece.encode === null ? value : piece.encode(value);
        if (piece.free === true) copyText(text);
      } catch (cause) {
        if (cause instanceof ValueRefused) return this.#refusal(i, row, cause.reason);
        throw cause;
      }
    }
    return error;
  }

  #refusal(index: number, row: Row, reason: string): SyncError {
    const { table } = this.#place;
    const column = this.#columns[index];
    const name = column?.incoming.name ?? String(index);
    const key = keyText(this.#place.key.map((i) => row[i] ?? null));
    const message = `${table}.${name} (${column?.target.sql}) cannot hold the value of the row with key ${key} exactly: the value ${reason}. Widen the column, change the row, exclude the column, or set onError: deadLetter.`;
    return new SyncError('VALUE_UNREPRESENTABLE', message, { table, column: name, key });
  }
}

function keyText(values: readonly Value[]): string {
  if (values.length === 0) return '(none)';
  return values.map((value) => (value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : String(value))).join(', ');
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
