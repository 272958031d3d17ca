import type { Row } from '../../values/types.ts';

/** Part of a chunk, and the cursor value that it completes; null inside a group. */
export interface CutRows {
  readonly rows: Row[];
  readonly boundary: string | null;
}

/**
 * Cuts rows in the order of a column that is not unique where its value changes: a position may only stand between groups of equal values, or rows that share
 * the boundary value are lost. A group that ended with the last chunk is closed by an empty part.
 */
export class GroupCutter {
  readonly #cursorText: (row: Row) => string;
  readonly #groupText: (text: string) => string;
  #open: string | null = null;

  /**
   * `cursorText`: canonical text of the cursor column, never NULL here. `groupText`: one text for all values that the database takes for equal; values that it takes for different may share one, and
   * are then one group.
   */
  constructor(cursorText: (row: Row) => string, groupText: (text: string) => string = (text) => text) {
    this.#cursorText = cursorText;
    this.#groupText = groupText;
  }

  *push(rows: Row[]): Generator<CutRows> {
    const first = rows[0];
    const last = rows.at(-1);
    if (first === undefined || last === undefined) return;
    const group = (row: Row): string => this.#groupText(this.#cursorText(row));
    if (this.#open !== null && group(first) !== this.#groupText(this.#open)) yield { rows: [], boundary: this.#open };
    // Before a part is handed over: whoever takes it may cut its rows
    const text = this.#cursorText(last);
    const value = this.#groupText(text);
    let start = rows.length - 1;
    for (let row = rows[start - 1]; row !== undefined && group(row) === value; row = rows[start - 1]) start--;
    const before = rows[start - 1];
    if (before === undefined) yield { rows, boundary: null };
    else {
      // The rest is cut off first: whoever takes the first part over may change its array
      const rest = rows.slice(start);
      yield { rows: rows.slice(0, start), boundary: this.#cursorText(before) };
      yield { rows: rest, boundary: null };
    }
    this.#open = text;
  }

  /** After the last row of the pass: its group is whole. */
  *finish(): Generator<CutRows> {
    if (this.#open !== null) yield { rows: [], boundary: this.#open };
    this.#open = null;
  }
}

/** One text for numbers that differ in how they are written alone: 1, 1.0 and 1.00, 0 and -0. */
export function numberGroup(text: string): string {
  const bare = text.includes('.') && !/e/i.test(text) ? text.replace(/\.?0+$/, '') : text;
  return bare === '-0' ? '0' : bare;
}
