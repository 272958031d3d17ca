import type { Row, Value } from '../../values/types.ts';
import type { Chunk, Cursor } from '../connector.ts';
import { GroupCutter } from './group-cutter.ts';
import type { ReadPass, ReadPlan } from './read-plan.ts';

/** The rows of one pass, as they come from the driver, as chunks: each with the position after it, by the pass's rule, and without the columns that were read for the position alone. */
export class ChunkCutter {
  readonly #plan: ReadPlan;
  readonly #pass: ReadPass;
  readonly #cursorText: (value: Value) => string | null;
  readonly #group: GroupCutter | null;
  readonly #hides: boolean;

  /** `cursorText`: a value of a row as a cursor holds it. `groupText`: see `GroupCutter`. */
  constructor(plan: ReadPlan, pass: ReadPass, cursorText: (value: Value) => string | null, groupText?: (text: string) => string) {
    const first = plan.cursorIndexes[0] ?? 0;
    this.#plan = plan;
    this.#pass = pass;
    this.#cursorText = cursorText;
    this.#group = pass.boundary === 'group' ? new GroupCutter((row) => cursorText(row[first] ?? null) ?? '', groupText) : null;
    this.#hides = plan.selected.length > plan.visible;
  }

  /** Takes the rows over. `bytes`: of all of them. */
  cut(rows: Row[], bytes: number): Chunk[] {
    if (this.#group === null) {
      const boundary = this.#boundaryOf(rows.at(-1));
      return [this.#chunk(rows, bytes, boundary)];
    }
    const count = rows.length;
    const chunks: Chunk[] = [];
    for (const part of this.#group.push(rows)) {
      const share = part.rows.length === count ? bytes : Math.round((bytes * part.rows.length) / count);
      chunks.push(this.#chunk(part.rows, share, part.boundary === null ? null : this.#plan.cursorOf([part.boundary], this.#pass)));
    }
    return chunks;
  }

  /** After the last row: the positions that its end alone makes certain. */
  end(): Chunk[] {
    const cursors: Cursor[] = [];
    for (const { boundary } of this.#group?.finish() ?? []) if (boundary !== null) cursors.push(this.#plan.cursorOf([boundary], this.#pass));
    if (this.#pass.end !== null) cursors.push(this.#pass.end);
    return cursors.map((cursor) => this.#chunk([], 0, cursor));
  }

  #boundaryOf(last: Row | undefined): Cursor | null {
    if (this.#pass.boundary === 'none' || last === undefined) return null;
    return this.#plan.cursorOf(
      this.#plan.cursorIndexes.map((i) => this.#cursorText(last[i] ?? null)),
      this.#pass,
    );
  }

  #chunk(rows: Row[], bytes: number, boundary: Cursor | null): Chunk {
    if (this.#hides) for (const row of rows) row.length = this.#plan.visible;
    return { kind: 'rows', rows, bytes, boundary };
  }
}
