/** Rows as lines of LOAD DATA, or as tuples of INSERT. Every value is checked on the way. */
import { SyncError } from '../../errors.ts';
import { toHex } from '../../values/bytes.ts';
import { unrepresentable } from '../../values/fits.ts';
import type { Row, Value } from '../../values/types.ts';
import { type ColumnWriter, isNull } from './column-writer.ts';
import { textLiteral } from './dialect.ts';

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
  #rows = 0;

  constructor(columns: readonly ColumnWriter[], options: EncoderOptions) {
    this.columns = columns;
    this.#options = options;
  }

  /** For messages about rows without a key. */
  startBatch(): void {
    this.#rows = 0;
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
