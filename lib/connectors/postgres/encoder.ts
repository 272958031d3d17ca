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
  readonly #lines: Lines;
  #out = Buffer.allocUnsafeSlow(bufferBytes);
  #used = 0;

  constructor(columns: readonly EncodedColumn[], place: EncoderPlace) {
    this.#columns = columns;
    this.#place = place;
    this.#lines = lineFunctions(
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
    for (let first = 0; first < rows.length; ) {
      const group = this.#group(rows, first);
      const { end } = group;
      const text = this.#text(rows, group, operations);
      // One look at the whole string; the culprit is searched only where there is one
      if (text.indexOf('\0') >= 0 || !text.isWellFormed()) throw this.#badText(rows.slice(first, end));
      if (text.length * 3 > bufferBytes) {
        if (this.#used > 0) yield this.take();
        yield Buffer.from(text, 'utf8');
      } else {
        if (this.#used + text.length * 3 > bufferBytes) yield this.take();
        this.#used += this.#out.write(text, this.#used, 'utf8');
      }
      first = end;
    }
  }

  /** What is encoded and not yet handed over. */
  take(): Buffer {
    const full = this.#out.subarray(0, this.#used);
    this.#out = Buffer.allocUnsafeSlow(bufferBytes);
    this.#used = 0;
    return full;
  }

  /** The next rows, and whether any text in them needs an escape: one look at all of it, since hardly any does. */
  #group(rows: readonly Row[], first: number): Group {
    const width = this.#columns.length;
    let free = '';
    let end = first;
    while (end < rows.length && end - first < rowsAtOnce && free.length < charactersAtOnce) {
      const row = rows[end++];
      if (row === undefined || row.length !== width)
        throw new SyncError('INTERNAL', `A row for ${this.#place.table} has ${row?.length} values for ${width} columns.`, { table: this.#place.table });
      free += this.#lines.free(row);
    }
    return { first, end, needsEscape: free.indexOf('\\') >= 0 || free.indexOf('\t') >= 0 || free.indexOf('\n') >= 0 || free.indexOf('\r') >= 0 };
  }

  #text(rows: readonly Row[], { first, end, needsEscape }: Group, operations: Uint8Array | undefined): string {
    const line = needsEscape ? this.#lines.escaped : this.#lines.plain;
    let text = '';
    for (let i = first; i < end; i++) {
      const row = rows[i] as Row;
      try {
        text += operations === undefined ? `${line(row)}\n` : `${line(row)}\t${operations[i] ?? 0}\n`;
      } catch (error) {
        throw this.#explain(error, row);
      }
    }
    return text;
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
      if (value === null || 'refused' in piece || piece.encode === null) continue;
      try {
        piece.encode(value);
      } catch (cause) {
        if (cause instanceof ValueRefused) return this.#refusal(i, row, cause.reason);
        throw cause;
      }
    }
    return error;
  }

  #badText(rows: readonly Row[]): SyncError {
    for (const row of rows) {
      for (const [i, value] of row.entries()) {
        if (typeof value !== 'string') continue;
        if (value.includes('\0')) return this.#refusal(i, row, 'has a NUL character, which PostgreSQL text cannot hold');
        if (!value.isWellFormed()) return this.#refusal(i, row, 'has half of a surrogate pair, which is no text');
      }
    }
    return new SyncError('INTERNAL', `A row for ${this.#place.table} has text that cannot be written.`, { table: this.#place.table });
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

interface Group {
  readonly first: number;
  readonly end: number;
  readonly needsEscape: boolean;
}

interface Lines {
  /** All texts that may need an escape. */
  readonly free: (row: Row) => string;
  /** The row where no text does. */
  readonly plain: (row: Row) => string;
  readonly escaped: (row: Row) => string;
}

const special = /[\\\t\n\r]/;
const specials = /[\\\t\n\r]/g;
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

function escapeText(value: unknown): string {
  const text = String(value);
  return special.test(text) ? text.replace(specials, (character) => escapes[character] ?? character) : text;
}

/** One expression for the whole row, as V8 runs it fastest. The source text is made of numbers alone: no name and no value goes into it. */
function lineFunctions(pieces: readonly { readonly encode: Encode; readonly free?: boolean }[]): Lines {
  const line = (escaped: boolean): string => {
    const fields = pieces.map(({ encode, free }, i) => {
      const text = encode === null ? `r[${i}]` : `e${i}(r[${i}])`;
      return `(r[${i}] === null ? '\\\\N' : ${escaped && free === true ? `x(${text})` : text})`;
    });
    return `(r) => '' + ${fields.join(" + '\\t' + ")}`;
  };
  const names = pieces.flatMap(({ encode }, i) => (encode === null ? [] : [`const e${i} = e[${i}];`]));
  const free = pieces.flatMap((piece, i) => (piece.free === true ? [` + r[${i}]`] : []));
  const make = new Function('e', 'x', `${names.join(' ')} return { free: (r) => ''${free.join('')}, plain: ${line(false)}, escaped: ${line(true)} };`);
  return make(
    pieces.map(({ encode }) => encode),
    escapeText,
  );
}
