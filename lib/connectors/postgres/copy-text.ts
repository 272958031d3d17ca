/** COPY's text format, read: pieces of a stream to rows of canonical values. */
import { isAscii } from 'node:buffer';
import type { Row } from '../../values/types.ts';
import { fromWire, type WireKind } from './types.ts';

const letters: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** The server writes a backslash only before a letter of this list or another backslash. */
function unescapeField(field: string): string {
  return field.replace(/\\([\s\S])/g, (_, character: string) => letters[character] ?? character);
}

/** Collects pieces until they hold at least one row's end: a row of many megabytes is put together once. */
export class LineBuffer {
  #pieces: Buffer[] = [];

  /** Whole rows, each with its line end; null where none is complete yet. */
  push(piece: Buffer): Buffer | null {
    const end = piece.lastIndexOf(10) + 1;
    if (end === 0) {
      this.#pieces.push(piece);
      return null;
    }
    const head = piece.subarray(0, end);
    const whole = this.#pieces.length === 0 ? head : Buffer.concat([...this.#pieces, head]);
    this.#pieces = end === piece.length ? [] : [piece.subarray(end)];
    return whole;
  }

  /** What came after the last row's end: something only where the stream broke off. */
  get rest(): number {
    return this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
  }
}

/** Cuts whole rows into parts of at most `maxBytes`, unless a single row has more. */
export function* cutLines(rows: Buffer, maxBytes: number): Generator<Buffer> {
  let start = 0;
  while (rows.length - start > maxBytes) {
    const last = rows.lastIndexOf(10, start + maxBytes - 1);
    const end = last >= start ? last + 1 : rows.indexOf(10, start) + 1;
    yield rows.subarray(start, end);
    start = end;
  }
  if (start < rows.length) yield rows.subarray(start);
}

/** Decodes whole rows. The strings of a row share the memory of the part that they came from: they are to live no longer than it. */
export function textDecoder(kinds: readonly WireKind[]): (rows: Buffer) => Row[] {
  const special = kinds.flatMap((kind, i) => {
    const convert = fromWire[kind];
    return convert === undefined ? [] : [{ i, convert }];
  });
  const converts = special.length > 0;
  return (rows) => {
    const body = rows.subarray(0, rows.length - 1);
    const text = isAscii(body) ? body.toString('latin1') : body.toString('utf8');
    const lines = text.split('\n');
    const decoded: Row[] = new Array(lines.length);
    for (let n = 0; n < lines.length; n++) {
      const line = lines[n] ?? '';
      const row: Row = line.split('\t');
      if (line.indexOf('\\') >= 0) {
        for (let i = 0; i < row.length; i++) {
          const field = row[i];
          if (typeof field === 'string' && field.indexOf('\\') >= 0) row[i] = field === '\\N' ? null : unescapeField(field);
        }
      }
      if (converts)
        for (const { i, convert } of special) {
          const field = row[i];
          if (typeof field === 'string') row[i] = convert(field);
        }
      decoded[n] = row;
    }
    return decoded;
  };
}
