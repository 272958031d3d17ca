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
  #open: string | null = null;

  /** `cursorText`: canonical text of the cursor column, never NULL here. */
  constructor(cursorText: (row: Row) => string) {
    this.#cursorText = cursorText;
  }

  *push(rows: Row[]): Generator<CutRows> {
    const first = rows[0];
    const last = rows.at(-1);
    if (first === undefined || last === undefined) return;
    if (this.#open !== null && this.#cursorText(first) !== this.#open) yield { rows: [], boundary: this.#open };
    const value = this.#cursorText(last);
    let start = rows.length - 1;
    for (let row = rows[start - 1]; row !== undefined && this.#cursorText(row) === value; row = rows[start - 1]) start--;
    const before = rows[start - 1];
    if (before === undefined) yield { rows, boundary: null };
    else {
      // The rest is cut off first: whoever takes the first part over may change its array
      const rest = rows.slice(start);
      yield { rows: rows.slice(0, start), boundary: this.#cursorText(before) };
      yield { rows: rest, boundary: null };
    }
    this.#open = value;
  }

  /** After the last row of the pass: its group is whole. */
  *finish(): Generator<CutRows> {
    if (this.#open !== null) yield { rows: [], boundary: this.#open };
    this.#open = null;
  }
}
