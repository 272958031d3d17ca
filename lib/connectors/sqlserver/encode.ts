/** Rows as the driver loads them. Every value is checked on the way. */
import { SyncError } from '../../errors.ts';
import { toHex } from '../../values/bytes.ts';
import { unrepresentable } from '../../values/fits.ts';
import type { Row, Value } from '../../values/types.ts';
import { Operation } from '../connector.ts';
import { beyondAscii, type ColumnWriter, isNull } from './column-writer.ts';

export interface EncoderOptions {
  readonly table: string;
  /** Indexes of the key's columns. */
  readonly key: readonly number[];
  /** Indexes of the key's texts, where spaces at the end make no difference to the server. */
  readonly padded: readonly number[];
}

export class RowEncoder {
  readonly #columns: readonly ColumnWriter[];
  readonly #options: EncoderOptions;
  #number = 0;
  /** A text beyond ASCII went into a column with a code page. */
  coded = false;

  constructor(columns: readonly ColumnWriter[], options: EncoderOptions) {
    this.#columns = columns;
    this.#options = options;
  }

  startBatch(): void {
    this.#number = 0;
    this.coded = false;
  }

  /** Number of the row in its batch, operation, values. Throws the row's error, which names its key. */
  encode(row: Row, operation: number): unknown[] {
    const columns = this.#columns;
    const out: unknown[] = [++this.#number, operation];
    for (let i = 0; i < columns.length; i++) {
      const column = columns[i] as ColumnWriter;
      const value = row[i] ?? null;
      const reason = column.check(value);
      if (reason !== null) throw this.#refused(row, column, reason);
      const wire = value === null ? null : column.wire(value);
      if (column.coded && !this.coded && typeof wire === 'string' && beyondAscii.test(wire)) this.coded = true;
      out.push(wire);
    }
    for (const i of this.#options.padded) {
      const column = columns[i];
      if (column !== undefined && String(row[i] ?? '').endsWith(' ')) throw this.#refused(row, column, 'ends with a space, which the server ignores in a key');
    }
    return out;
  }

  /** A delete has its key alone. */
  encodeDelete(row: Row): unknown[] {
    const { key, table } = this.#options;
    const out: unknown[] = [++this.#number, Operation.delete, ...this.#columns.map(() => null)];
    for (const i of key) {
      const column = this.#columns[i];
      const value = row[i] ?? null;
      const reason = value === null ? isNull : (column?.check(value) ?? null);
      if (column === undefined || value === null || reason !== null)
        throw new SyncError('ROW_MALFORMED', `A delete in ${table} has no usable key: the value of ${column?.name} ${reason}.`, { table });
      out[i + 2] = column.wire(value);
    }
    return out;
  }

  #refused(row: Row, column: ColumnWriter, reason: string): SyncError {
    const { table, key: indexes } = this.#options;
    const key = indexes.length === 0 ? `row ${this.#number} of the batch` : indexes.map((i) => keyText(row[i] ?? null)).join(', ');
    if (reason === isNull)
      return new SyncError('ROW_REJECTED', `${table}.${column.name} may not be NULL, and the row with key ${key} has none.`, {
        table,
        column: column.name,
        key,
      });
    return unrepresentable(reason, { table, column: column.name, key, type: column.declared });
  }
}

function keyText(value: Value): string {
  return value instanceof Uint8Array ? toHex(value) : String(value);
}
