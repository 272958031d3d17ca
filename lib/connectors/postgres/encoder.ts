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

/** Rows that are joined to one string before it is written to the buffer. */
const rowsAtOnce = 32;
/** Longer strings go at once: rows of megabytes are not gathered. */
const charactersAtOnce = 1 << 16;
const bufferBytes = 1 << 18;

export class RowEncoder {
  readonly #columns: readonly EncodedColumn[];
  readonly #place: EncoderPlace;
  readonly #line: (row: Row) => string;
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
        return piece.encode;
      }),
    );
  }

  /** Full buffers; the rest waits for `take`. `operations`: written behind each row as a further column. Throws `VALUE_UNREPRESENTABLE` with table, column and key. */
  *encode(rows: readonly Row[], operations?: Uint8Array): Generator<Buffer> {
    const width = this.#columns.length;
    let text = '';
    let first = 0;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i];
      if (row === undefined || row.length !== width)
        throw new SyncError('INTERNAL', `A row for ${this.#place.table} has ${row?.length} values for ${width} columns.`, { table: this.#place.table });
      try {
        text += operations === undefined ? `${this.#line(row)}\n` : `${this.#line(row)}\t${operations[i] ?? 0}\n`;
      } catch (error) {
        throw this.#explain(error, row);
      }
      if (i - first + 1 < rowsAtOnce && text.length < charactersAtOnce && i + 1 < rows.length) continue;
      // One look at the whole string; the culprit is searched only where there is one
      if (text.indexOf('\0') >= 0 || !text.isWellFormed()) throw this.#badText(rows.slice(first, i + 1));
      if (text.length * 3 > bufferBytes) {
        if (this.#used > 0) yield this.take();
        yield Buffer.from(text, 'utf8');
      } else {
        if (this.#used + text.length * 3 > bufferBytes) yield this.take();
        this.#used += this.#out.write(text, this.#used, 'utf8');
      }
      text = '';
      first = i + 1;
    }
  }

  /** What is encoded and not yet handed over. */
  take(): Buffer {
    const full = this.#out.subarray(0, this.#used);
    this.#out = Buffer.allocUnsafeSlow(bufferBytes);
    this.#used = 0;
    return full;
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

/** One expression for the whole row, as V8 runs it fastest. The source text is made of numbers alone: no name and no value goes into it. */
function lineFunction(encoders: readonly Encode[]): (row: Row) => string {
  const fields = encoders.map((encode, i) => `(r[${i}] === null ? '\\\\N' : ${encode === null ? `r[${i}]` : `e${i}(r[${i}])`})`);
  const names = encoders.flatMap((encode, i) => (encode === null ? [] : [`const e${i} = e[${i}];`]));
  const make = new Function('e', `${names.join(' ')} return (r) => '' + ${fields.join(" + '\\t' + ")};`);
  return make(encoders);
}
