import { SyncError } from '../../errors.ts';
import { rowToText } from '../../values/row-json.ts';
import type { Column, Row, Value } from '../../values/types.ts';
import type { Cursor, Rejected, RowChunk } from '../connector.ts';
import type { ReadPass, ReadPlan } from '../sql/read-plan.ts';
import { storedText } from './cursor-text.ts';
import { bytesExpression, type IntegerTimes, Misfit, type ReadValue, valueReader } from './read-values.ts';
import type { SqliteRelation } from './relation.ts';

/** Dead letters keep this much of a malformed row. */
const maxRawLength = 64 * 1024;

/** Turns the driver's rows into rows of a chunk. Columns that hold text come once more as bytes from the moment that one of them cannot be believed. */
export class RowReader {
  readonly #found: SqliteRelation;
  readonly #plan: ReadPlan;
  readonly #readers: readonly ReadValue[];
  readonly #texts: readonly number[];
  readonly #keyIndexes: readonly number[];
  #compare = false;
  #rowNumber = 0;

  constructor(found: SqliteRelation, plan: ReadPlan, integerTimes: IntegerTimes) {
    this.#found = found;
    this.#plan = plan;
    this.#readers = plan.selected.map((column) => valueReader(column, integerTimes));
    this.#texts = plan.selected.flatMap(({ type }, i) => (type.kind === 'string' || type.kind === 'json' ? [i] : []));
    const { key } = found.relation;
    const byKey = key.map((name) => plan.selected.findIndex((column) => column.name === name));
    this.#keyIndexes = byKey.length > 0 && !byKey.includes(-1) ? byKey : plan.cursorIndexes;
  }

  /** The statement of a pass; once texts are compared, with their bytes behind the selected columns. */
  sql(pass: ReadPass): string {
    if (!this.#compare) return pass.sql;
    const { qualifier } = this.#found.relation;
    const bytes = this.#texts.map((index) => `, ${bytesExpression(this.#plan.selected[index]?.name ?? '', qualifier)}`).join('');
    const body = pass.sql.indexOf(` ${pass.body}`);
    return `${pass.sql.slice(0, body)}${bytes}${pass.sql.slice(body)}`;
  }

  /** Size of a row in bytes, roughly; −1 where a text has U+FFFD and its bytes are not there yet: read again with `sql`. */
  inspect(row: readonly unknown[]): number {
    let size = 0;
    for (let i = 0; i < this.#readers.length; i++) {
      const value = row[i];
      size += typeof value === 'string' || value instanceof Uint8Array ? value.length + 2 : 8;
    }
    if (this.#compare) return size;
    for (const index of this.#texts) {
      const value = row[index];
      if (typeof value !== 'string' || !value.includes('\uFFFD')) continue;
      this.#compare = true;
      return -1;
    }
    return size;
  }

  chunk(raws: unknown[][], bytes: number, boundary: Cursor | null): RowChunk {
    const rows = raws as Row[];
    const rejected: Rejected[] = [];
    let kept = 0;
    for (let r = 0; r < raws.length; r++) {
      const raw = raws[r];
      if (raw === undefined) continue;
      this.#rowNumber++;
      const error = this.#convert(raw);
      if (error === null) rows[kept++] = raw as Row;
      else rejected.push({ error, before: kept, raw: this.#rawText(raw) });
    }
    rows.length = kept;
    return { kind: 'rows', rows, bytes, boundary, ...(rejected.length === 0 ? {} : { rejected }) };
  }

  #convert(raw: unknown[]): SyncError | null {
    const { visible } = this.#plan;
    const readers = this.#readers;
    let i = 0;
    try {
      if (this.#compare) this.#believe(raw);
      for (; i < visible; i++) {
        const value = raw[i];
        const read = readers[i];
        if (value !== null && read !== undefined) raw[i] = read(value);
      }
    } catch (error) {
      if (error instanceof Misfit) return this.#malformed(error.index ?? i, error, this.#keyText(raw));
      throw error;
    }
    raw.length = visible;
    return null;
  }

  /** Every text with U+FFFD is what the file holds, or a misfit. */
  #believe(raw: readonly unknown[]): void {
    for (const index of this.#texts) {
      const text = raw[index];
      if (index < this.#plan.visible && typeof text === 'string' && text.includes('\uFFFD') && !this.#isExact(raw, index))
        throw new Misfit('text that is not valid UTF-8', index);
    }
  }

  #isExact(raw: readonly unknown[], index: number): boolean {
    const bytes = raw[this.#readers.length + this.#texts.indexOf(index)];
    const text = raw[index];
    if (typeof text !== 'string' || !(bytes instanceof Uint8Array)) return false;
    // CAST AS BLOB gives the bytes in the encoding of the file
    const { encoding } = this.#found;
    const again = encoding === 'UTF-8' ? Buffer.from(text) : Buffer.from(text, 'utf16le');
    return (encoding === 'UTF-16be' ? again.swap16() : again).equals(bytes);
  }

  #malformed(index: number, misfit: Misfit, key: string): SyncError {
    const column = this.#plan.selected[index]?.name ?? '';
    const { title } = this.#found;
    const advice = 'Correct the row, exclude the column, read a query that casts it, or set onError: deadLetter.';
    return new SyncError('ROW_MALFORMED', `${title}.${column} holds ${misfit.message} in the row with key ${key}. ${advice}`, { table: title, column, key });
  }

  #keyText(raw: readonly unknown[]): string {
    if (this.#keyIndexes.length === 0) return `row ${this.#rowNumber} of the read`;
    return this.#keyIndexes.map((index) => storedText(raw[index]) ?? 'NULL').join(', ');
  }

  /** The row for a dead letter: what was converted already is canonical, the rest as it is stored. */
  #rawText(raw: readonly unknown[]): string {
    const columns = this.#plan.selected.slice(0, this.#plan.visible).map(({ name }): Pick<Column, 'name' | 'type'> => ({ name, type: { kind: 'string' } }));
    return rowToText(columns, raw.slice(0, columns.length) as Value[]).slice(0, maxRawLength);
  }
}
