import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import { type Check, unrepresentable } from '../../values/fits.ts';
import { type Row, type Schema, typeName } from '../../values/types.ts';
import { checkOf } from './checks.ts';
import type { Format } from './encoders.ts';

/** Asks for every value of a chunk before any of it is written, so that a chunk is taken whole or not at all. */
export class RowChecker {
  readonly #title: string;
  readonly #schema: Schema;
  readonly #checks: readonly Check[];
  readonly #keyIndexes: readonly number[];
  #seen = 0;

  constructor(title: string, format: Format, schema: Schema) {
    this.#title = title;
    this.#schema = schema;
    this.#checks = schema.columns.map(({ type }) => checkOf(format, type));
    this.#keyIndexes = schema.key.map((name) => schema.columns.findIndex((column) => column.name === name));
  }

  /** Throws `VALUE_UNREPRESENTABLE`, or `ROW_REJECTED` for a key that is NULL. */
  check(rows: readonly Row[]): void {
    for (let r = 0; r < rows.length; r++) {
      const row = rows[r] ?? [];
      for (let i = 0; i < this.#checks.length; i++) {
        const reason = this.#checks[i]?.(row[i] ?? null) ?? null;
        if (reason !== null) this.#refuse(row, i, { reason, number: this.#seen + r + 1 });
      }
      for (const index of this.#keyIndexes) {
        if ((row[index] ?? null) !== null) continue;
        const column = this.#schema.columns[index]?.name ?? '';
        throw new SyncError('ROW_REJECTED', `${this.#title}: row ${this.#seen + r + 1} of the batch has no value in ${column}, which is part of its key.`, {
          table: this.#title,
          column,
          key: `row ${this.#seen + r + 1} of the batch`,
        });
      }
    }
    this.#seen += rows.length;
  }

  begin(): void {
    this.#seen = 0;
  }

  /** The key as text: one for each row of a table, whatever it holds. */
  keyOf(row: Row): string {
    return JSON.stringify(this.#keyIndexes.map((index) => toText(row[index] ?? null, this.#schema.columns[index]?.type ?? { kind: 'string' })));
  }

  #refuse(row: Row, index: number, { reason, number }: { reason: string; number: number }): never {
    const column = this.#schema.columns[index];
    if (column === undefined) throw new SyncError('INTERNAL', `${this.#title} has no column ${index}.`);
    const values = this.#keyIndexes.map((key) => toText(row[key] ?? null, this.#schema.columns[key]?.type ?? { kind: 'string' }) ?? 'NULL');
    const key = values.length === 0 ? `row ${number} of the batch` : values.join(', ');
    throw unrepresentable(reason, { table: this.#title, column: column.name, key, type: typeName(column.type) });
  }
}
