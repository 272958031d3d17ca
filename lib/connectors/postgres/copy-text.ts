/** COPY's text format, read: pieces of a stream to rows of canonical values. */
import { isAscii } from 'node:buffer';
import type { Row } from '../../values/types.ts';
import { fromWire, type WireKind } from './types.ts';

const letters: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** A field with a backslash in it. The server writes one only before a letter of the list or another backslash; `\\N` alone is NULL. */
function unescapeField(field: string): string | null {
  if (field === '\\N') return null;
  let text = '';
  let from = 0;
  for (let at = field.indexOf('\\'); at >= 0; at = field.indexOf('\\', from)) {
    const character = field[at + 1] ?? '';
    text += field.slice(from, at) + (letters[character] ?? character);
    from = at + 2;
  }
  return text + field.slice(from);
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

/**
 * What is decoded at once. A single character beyond ASCII costs everything decoded with it many times as much, up to the encoder: so it takes few rows along.
 */
const decodedBytes = 2048;

/** Decodes whole rows. The strings of a row share the memory of the part that they came from: they are to live no longer than it. */
export function textDecoder(kinds: readonly WireKind[]): (data: Buffer) => Row[] {
  const split = rowsFunction(kinds);
  return (data) => {
    const rows: Row[] = [];
    for (let start = 0; start < data.length; ) {
      const end = start + decodedBytes < data.length ? data.indexOf(10, start + decodedBytes) + 1 : data.length;
      const part = data.subarray(start, end);
      split(part.toString(isAscii(part) ? 'latin1' : 'utf8'), rows);
      start = end;
    }
    return rows;
  };
}

/**
 * Walks a text from tab to tab, each column by code of its own: three times as fast as splitting into lines and fields. The source text is made of numbers and fixed words
 * alone. `b` is the next backslash, looked for only when it has been passed: most rows have none.
 */
function rowsFunction(kinds: readonly WireKind[]): (text: string, rows: Row[]) => void {
  const columns = kinds.map((kind, i) => {
    const end = i === kinds.length - 1 ? 'e' : 'x';
    const find = i === kinds.length - 1 ? '' : "x = s.indexOf('\\t', p); ";
    const plain = kind === 'text' || kind === 'bytes' ? '' : fromWire[kind] === undefined ? 'f' : `c${i}(f)`;
    const value = plain === '' ? unescaped(i, kind) : `f === '\\\\N' ? null : ${plain}`;
    return `${find}f = s.slice(p, ${end}); p = ${end} + 1; const v${i} = ${value};`;
  });
  const source = `${kinds.map((_, i) => `const c${i} = c[${i}];`).join(' ')}
    return (s, rows) => {
      let p = 0, e = 0, x = 0, b = s.indexOf('\\\\'), f = '';
      while ((e = s.indexOf('\\n', p)) >= 0) {
        if (b >= 0 && b < p) b = s.indexOf('\\\\', p);
        const escaped = b >= 0 && b < e;
        ${columns.join('\n')}
        rows.push([${kinds.map((_, i) => `v${i}`).join(', ')}]);
      }
    };`;
  return new Function('c', 'u', source)(
    kinds.map((kind) => fromWire[kind]),
    unescapeField,
  );
}

/** Bytes are always escaped: their text begins with a backslash. */
function unescaped(i: number, kind: WireKind): string {
  if (kind === 'bytes') return `(f = u(f)) === null ? null : c${i}(f)`;
  return "escaped && f.indexOf('\\\\') >= 0 ? u(f) : f";
}
