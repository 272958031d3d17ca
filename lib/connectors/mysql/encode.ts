/** Rows as lines of LOAD DATA, or as tuples of INSERT. Every value is checked on the way. */
import { SyncError } from '../../errors.ts';
import { toHex } from '../../values/bytes.ts';
import { unrepresentable } from '../../values/fits.ts';
import type { Row, Value } from '../../values/types.ts';
import { type ColumnWriter, isNull } from './column-writer.ts';
import { textLiteral } from './dialect.ts';

/** Rows that are joined before they are written. Few: one character beyond Latin-1 makes the writing of all of them many times as slow. */
const rowsAtOnce = 4;
/** Longer rows are not gathered. */
const charactersAtOnce = 1 << 16;
/** What is handed over at once. */
const pieceBytes = 1 << 17;

const special = /[\\\t\n\0]/;
const specials = /[\\\t\n\0]/g;
const escapes: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\0': '\\0' };

export interface EncoderOptions {
  readonly table: string;
  /** Indexes of the key's columns, for messages. */
  readonly key: readonly number[];
  /** The server takes no value and no statement that is longer, in bytes. */
  readonly maxAllowedPacket: number;
}

export class RowEncoder {
  readonly columns: readonly ColumnWriter[];
  readonly #options: EncoderOptions;
  readonly #fast: FastLines;
  #rows = 0;
  #out = Buffer.allocUnsafeSlow(pieceBytes);
  #used = 0;

  constructor(columns: readonly ColumnWriter[], options: EncoderOptions) {
    this.columns = columns;
    this.#fast = fastLines(columns);
    this.#options = options;
  }

  /** For messages about rows without a key. */
  startBatch(): void {
    this.#rows = 0;
    this.#used = 0;
  }

  /** Rows as lines: pieces of at most 128 KB, unless rows are longer; the rest waits for `take`. */
  *encode(rows: readonly Row[]): Generator<Buffer> {
    for (let first = 0; first < rows.length; ) {
      let free = '';
      let end = first;
      while (end < rows.length && end - first < rowsAtOnce && free.length < charactersAtOnce) free += this.#fast.free(rows[end++] as Row);
      const escaped = free.indexOf('\\') >= 0 || free.indexOf('\t') >= 0 || free.indexOf('\n') >= 0 || free.indexOf('\0') >= 0;
      const text = this.#lines(rows.slice(first, end), escaped ? this.#fast.escaped : this.#fast.plain);
      first = end;
      if (this.#used + text.length * 3 > pieceBytes && this.#used > 0) yield this.take();
      if (text.length * 3 > pieceBytes) yield Buffer.from(text, 'utf8');
      else this.#used += this.#out.write(text, this.#used, 'utf8');
    }
  }

  /** What is encoded and not yet handed over. */
  take(): Buffer {
    const piece = this.#out.subarray(0, this.#used);
    this.#out = Buffer.allocUnsafeSlow(pieceBytes);
    this.#used = 0;
    return piece;
  }

  #lines(rows: readonly Row[], fast: FastLine): string {
    let text = '';
    for (const row of rows) text += fast(row) ?? this.#plainLine(row);
    if (text.isWellFormed() && text.length * 3 <= this.#options.maxAllowedPacket) {
      this.#rows += rows.length;
      return text;
    }
    // Row by row, for the one that is refused
    return rows.map((row) => this.line(row)).join('');
  }

  /** Counted with its group. */
  #plainLine(row: Row): string {
    const line = this.line(row);
    this.#rows--;
    return line;
  }

  /** One line, with its end. */
  line(row: Row): string {
    const { columns } = this;
    let line = '';
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i] as ColumnWriter;
      const value = row[i] ?? null;
      const reason = column.check(value);
      if (reason !== null) throw this.#refused(row, column, reason);
      if (i > 0) line += '\t';
      if (value === null) line += '\\N';
      else {
        const text = column.text(value);
        line += column.free && special.test(text) ? text.replace(specials, escaped) : text;
      }
    }
    this.#count(line, row);
    return `${line}\n`;
  }

  /** `('1','a',NULL)` */
  tuple(row: Row): string {
    const fields = this.columns.map((column, i) => {
      const value = row[i] ?? null;
      const reason = column.check(value);
      if (reason !== null) throw this.#refused(row, column, reason);
      return this.literal(column, value);
    });
    const tuple = `(${fields.join(',')})`;
    this.#count(tuple, row);
    return tuple;
  }

  literal(column: ColumnWriter, value: Value): string {
    if (value === null) return 'NULL';
    if (value instanceof Uint8Array && column.loading === 'base64') return value.length === 0 ? "x''" : `0x${toHex(value)}`;
    const text = column.text(value);
    return column.loading === 'bits' ? text : textLiteral(text);
  }

  /** Values of the key, or the row's place in the batch. */
  keyOf(row: Row): string {
    const { key } = this.#options;
    if (key.length === 0) return `row ${this.#rows + 1} of the batch`;
    return key.map((i) => keyText(row[i] ?? null)).join(', ');
  }

  #count(text: string, row: Row): void {
    this.#rows++;
    const { maxAllowedPacket, table } = this.#options;
    if (text.length * 3 > maxAllowedPacket && Buffer.byteLength(text) + 1024 > maxAllowedPacket) {
      const key = this.keyOf(row);
      throw new SyncError(
        'TOO_LARGE',
        `The row of ${table} with key ${key} is longer than the server's max_allowed_packet (${maxAllowedPacket} bytes): raise it on the server, exclude the long column, or set onError: deadLetter.`,
        { table, key },
      );
    }
  }

  #refused(row: Row, column: ColumnWriter, reason: string): SyncError {
    const { table } = this.#options;
    const key = this.keyOf(row);
    if (reason === isNull)
      return new SyncError('ROW_REJECTED', `${table}.${column.name} may not be NULL, and the row with key ${key} has none.`, {
        table,
        column: column.name,
        key,
      });
    return unrepresentable(reason, { table, column: column.name, key, type: column.declared });
  }
}

function escaped(char: string): string {
  return escapes[char] ?? char;
}

function keyText(value: Value): string {
  return value instanceof Uint8Array ? toHex(value) : String(value);
}

/** Null: something in the row needs a closer look. */
type FastLine = (row: Row) => string | null;

interface FastLines {
  /** All texts that may need an escape. */
  readonly free: (row: Row) => string;
  /** The row where no text does. */
  readonly plain: FastLine;
  readonly escaped: FastLine;
}

function escapeText(text: string): string {
  return special.test(text) ? text.replace(specials, escaped) : text;
}

/** Code made for the columns. The source text is made of numbers and fixed words alone. */
function fastLines(columns: readonly ColumnWriter[]): FastLines {
  const line = (escaping: boolean): string => {
    const fields = columns.map(({ free, quick }, i) => {
      const write = escaping && free ? 'x' : '';
      const common = quick === undefined ? '' : `if (q${i}(v)) v${i} = ${write}(t${i}(v)); else `;
      return `let v${i} = '\\\\N';
      v = r[${i}] ?? null;
      if (v === null) { if (c${i}(v) !== null) return null; }
      else ${common}if (c${i}(v) === null) v${i} = ${write}(t${i}(v)); else return null;`;
    });
    return `(r) => { let v = null; ${fields.join('\n')} return ${columns.map((_, i) => `v${i}`).join(" + '\\t' + ")} + '\\n'; }`;
  };
  const names = columns.map((_, i) => `const q${i} = w[${i}].quick, c${i} = w[${i}].check, t${i} = w[${i}].text;`);
  const free = columns.flatMap((column, i) => (column.free ? [` + r[${i}]`] : []));
  return new Function('w', 'x', `${names.join('\n')} return { free: (r) => ''${free.join('')}, plain: ${line(false)}, escaped: ${line(true)} };`)(
    columns,
    escapeText,
  );
}
