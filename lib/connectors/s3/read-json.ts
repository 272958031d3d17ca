import { contentOf } from './object-bytes.ts';
import { jsonCells } from './read-jsonl.ts';
import { Malformed, maxRecordBytes, type ObjectToRead, pieceBytes, pieceRecords, type ReadRecord, type RecordReader, tooLong } from './records.ts';

const space = new Set([0x20, 0x09, 0x0a, 0x0d, 0x2c]);
const open = new Set([0x7b, 0x5b]);
const close = new Set([0x7d, 0x5d]);
const quote = 0x22;
const backslash = 0x5c;
const listBegin = 0x5b;
const listEnd = 0x5d;

/** Finds where each element of a list ends, byte by byte: strings and nesting are all that it knows of JSON, each element is parsed on its own. */
class Elements {
  #depth = 0;
  #string = false;
  #escaped = false;
  #inside = false;
  /** Undefined before the first byte that tells; a document that is no list holds one object, or several one after the other. */
  list: boolean | undefined;
  ended = false;

  /** `begin`: an element starts here. `end`: it ends after this byte. `before`: a bare value ended before this byte. */
  next(byte: number): 'begin' | 'end' | 'before' | null {
    if (this.#string) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === backslash) this.#escaped = true;
      else if (byte === quote) {
        this.#string = false;
        if (this.#depth === 0) return this.#leave('end');
      }
      return null;
    }
    if (!this.#inside) {
      if (space.has(byte)) return null;
      if (this.list === undefined && byte === listBegin) {
        this.list = true;
        return null;
      }
      this.list ??= false;
      if (byte === listEnd && this.list) {
        this.ended = true;
        return null;
      }
      this.#inside = true;
      this.#string = byte === quote;
      if (open.has(byte)) this.#depth = 1;
      return 'begin';
    }
    if (byte === quote) this.#string = true;
    else if (open.has(byte)) this.#depth++;
    else if (close.has(byte)) {
      if (this.#depth === 0) {
        if (byte === listEnd) this.ended = true;
        return this.#leave('before');
      }
      if (--this.#depth === 0) return this.#leave('end');
    } else if (this.#depth === 0 && space.has(byte)) return this.#leave('before');
    return null;
  }

  get open(): boolean {
    return this.#inside;
  }

  #leave(how: 'end' | 'before'): 'end' | 'before' {
    this.#inside = false;
    return how;
  }
}

/** A document that is one list of objects, or objects one after the other. */
export const jsonDocument: RecordReader = {
  unit: 'element',
  async *read(read: ObjectToRead): AsyncGenerator<ReadRecord[]> {
    const elements = new Elements();
    // What comes after the beginning does not tell whether it stands in a list
    if (read.from.rows > 0) elements.list = await isList(read);
    let number = read.from.rows;
    let offset = read.from.bytes;
    let held: Buffer[] = [];
    let heldBytes = 0;
    let piece: ReadRecord[] = [];
    let size = 0;
    const take = (bytes: Buffer, end: number): void => {
      number++;
      piece.push({ number, cells: jsonCells(bytes), bytes: bytes.length, end: { bytes: end, rows: number } });
      size += bytes.length;
    };
    for await (const bytes of contentOf(read.bucket, read.object, { from: read.from.bytes, compression: read.compression, signal: read.signal })) {
      let begun = elements.open ? 0 : -1;
      const first = offset === 0 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
      for (let i = first; i < bytes.length; i++) {
        if (elements.ended) {
          if (!space.has(bytes[i] ?? 0)) throw new Malformed('goes on after the end of its list');
          continue;
        }
        const what = elements.next(bytes[i] ?? 0);
        if (what === null) continue;
        if (what === 'begin') {
          begun = i;
          continue;
        }
        const end = what === 'end' ? i + 1 : i;
        take(Buffer.concat([...held, bytes.subarray(Math.max(begun, 0), end)]), offset + end);
        held = [];
        heldBytes = 0;
        begun = -1;
        if (piece.length < pieceRecords && size < pieceBytes) continue;
        yield piece;
        piece = [];
        size = 0;
      }
      if (elements.open) {
        held.push(Buffer.from(bytes.subarray(Math.max(begun, 0))));
        heldBytes += bytes.length - Math.max(begun, 0);
        if (heldBytes > maxRecordBytes) throw tooLong(read, `element ${number + 1}`);
      }
      offset += bytes.length;
    }
    // A bare value may end where the document does
    if (elements.open && elements.list === false) take(Buffer.concat(held), offset);
    if (piece.length > 0) yield piece;
    if (elements.list === true && !elements.ended) throw new Malformed('ends inside its list: it was cut short');
  },
};

async function isList(read: ObjectToRead): Promise<boolean> {
  const { bucket, object, compression, signal } = read;
  for await (const bytes of contentOf(bucket, object, { from: 0, compression, signal })) {
    for (const byte of bytes) if (!space.has(byte) && byte !== 0xef && byte !== 0xbb && byte !== 0xbf) return byte === listBegin;
  }
  return false;
}
