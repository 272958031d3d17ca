/** Documents gathered into chunks by the limits of a read. */
import type { Row } from '../../values/types.ts';
import { type Cursor, Operation, type ReadOptions, type Rejected, type RowChunk } from '../connector.ts';

/** Rows of a chunk live only until it is taken over: larger ones are promoted by the garbage collector. */
const chunkBytes = 256 * 1024;

export class Chunker {
  readonly #maxRows: number;
  readonly #maxBytes: number;
  #rows: Row[] = [];
  #operations: Operation[] = [];
  #rejected: Rejected[] = [];
  #bytes = 0;

  constructor({ maxRows, maxBytes }: Pick<ReadOptions, 'maxRows' | 'maxBytes'>) {
    this.#maxRows = maxRows;
    this.#maxBytes = Math.min(maxBytes, chunkBytes);
  }

  get empty(): boolean {
    return this.#rows.length + this.#rejected.length === 0;
  }

  /** Whether what is gathered has to go before a row of this size comes in. */
  full(bytes: number): boolean {
    return !this.empty && (this.#rows.length + this.#rejected.length >= this.#maxRows || this.#bytes + bytes > this.#maxBytes);
  }

  add(row: Row | Omit<Rejected, 'before'>, bytes: number, operation: Operation = Operation.insert): void {
    this.#bytes += bytes;
    if (Array.isArray(row)) {
      this.#rows.push(row);
      this.#operations.push(operation);
    } else this.#rejected.push({ ...row, before: this.#rows.length });
  }

  take(boundary: Cursor | null): RowChunk {
    const chunk: RowChunk = {
      kind: 'rows',
      rows: this.#rows,
      bytes: this.#bytes,
      boundary,
      ...(this.#operations.some((operation) => operation !== Operation.insert) ? { operations: Uint8Array.from(this.#operations) } : {}),
      ...(this.#rejected.length > 0 ? { rejected: this.#rejected } : {}),
    };
    this.#rows = [];
    this.#operations = [];
    this.#rejected = [];
    this.#bytes = 0;
    return chunk;
  }
}
