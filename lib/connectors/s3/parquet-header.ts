/** The header of a page of Parquet, as far as it says how long the page is and how many rows it has: Thrift's compact protocol. */

export interface PageHeader {
  readonly kind: 'data' | 'dictionary' | 'other';
  /** Of the header itself, and of what follows it. */
  readonly headerBytes: number;
  readonly pageBytes: number;
  /** Of a column that is not nested. */
  readonly rows: number;
}

/** The bytes end within the header: it has to be read again with more of them. */
export class TooShort extends Error {}

/** Fields by their number: integers and structures. Others are passed by. */
type Struct = Map<number, number | Struct>;

const bool = [1, 2];
const [int8, int16, int32, int64, double, binary, list, set, struct] = [3, 4, 5, 6, 7, 8, 9, 10, 12];

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  struct(): Struct {
    const fields: Struct = new Map();
    let id = 0;
    for (;;) {
      const head = this.#byte();
      if (head === 0) return fields;
      const type = head & 15;
      id = head >> 4 === 0 ? this.#zigzag() : id + (head >> 4);
      const value = this.#value(type);
      if (value !== null) fields.set(id, value);
    }
  }

  #value(type: number): number | Struct | null {
    // In a field the type is the value
    if (bool.includes(type)) return type === 1 ? 1 : 0;
    if (type === int16 || type === int32 || type === int64) return this.#zigzag();
    if (type === struct) return this.struct();
    if (type === int8) this.at++;
    else if (type === double) this.at += 8;
    else if (type === binary) this.#pass(this.#varint());
    else if (type === list || type === set) this.#elements();
    else throw new Error(`has a page header with the unknown type ${type}`);
    return null;
  }

  #pass(count: number): void {
    this.at += count;
  }

  #elements(): void {
    const head = this.#byte();
    const count = head >> 4 === 15 ? this.#varint() : head >> 4;
    for (let i = 0; i < count; i++) {
      if (bool.includes(head & 15)) this.at++;
      else this.#value(head & 15);
    }
  }

  #byte(): number {
    const byte = this.#bytes[this.at++];
    if (byte === undefined) throw new TooShort();
    return byte;
  }

  #varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte();
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  #zigzag(): number {
    const value = this.#varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }
}

/** Throws `TooShort`, or a plain error where these are no bytes of a header. */
export function readPageHeader(bytes: Uint8Array): PageHeader {
  const reader = new Reader(bytes);
  const fields = reader.struct();
  if (reader.at > bytes.length) throw new TooShort();
  const inner = (id: number): Struct | undefined => {
    const value = fields.get(id);
    return value instanceof Map ? value : undefined;
  };
  // Fields of the format: 3 compressed size; 5 data page, of whose fields 1 is the count of values; 7 dictionary; 8 data page of the second version, 3 the count of rows
  const rows = inner(5)?.get(1) ?? inner(8)?.get(3);
  const pageBytes = fields.get(3);
  if (typeof pageBytes !== 'number' || pageBytes < 0) throw new Error('has a page without a size');
  const kind = typeof rows === 'number' ? 'data' : inner(7) === undefined ? 'other' : 'dictionary';
  return { kind, headerBytes: reader.at, pageBytes, rows: typeof rows === 'number' ? rows : 0 };
}
