/**
 * CSV as RFC 4180 has it, with any one delimiter. Read here and not by a library: those found lose their place after a broken quote and swallow what follows, or cannot tell where a record ends in bytes,
 * which is what a half-read object is resumed by.
 */
import { isUtf8 } from 'node:buffer';
import { contentOf } from './object-bytes.ts';
import { type Cell, Malformed, type ObjectToRead, pieceBytes, pieceRecords, type ReadRecord, type RecordReader, rawText, start } from './records.ts';

const quote = 0x22;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
/** A quote that is not closed by then was none: its line alone is set aside. */
const maxCsvRecordBytes = 16 * 1024 ** 2;

/** What stands in quotes, of a record that is well-formed. */
const quoted = /"(?:[^"]|"")*"/g;

type Fields = (string | null)[];

/** Index after the line feed that ends the record at `from`; −1 where the bytes end before it does. */
function recordEnd(bytes: Buffer, from: number, delimiter: number): number {
  let fieldStart = true;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (fieldStart && byte === quote) {
      for (at++; ; at++) {
        at = bytes.indexOf(quote, at);
        if (at < 0 || at + 1 >= bytes.length) return -1;
        if (bytes[at + 1] !== quote) break;
        at++;
      }
      fieldStart = false;
      continue;
    }
    if (byte === lineFeed) return at + 1;
    fieldStart = byte === delimiter;
  }
  return -1;
}

/** Nothing at all is NULL, two quotes are an empty text. */
function fieldsOf(text: string, delimiter: string): Fields | string {
  const fields: Fields = [];
  for (let at = 0; ; ) {
    if (text[at] !== '"') {
      const found = text.indexOf(delimiter, at);
      const end = found < 0 ? text.length : found;
      const field = text.slice(at, end);
      if (field.includes('"')) return 'has a quote inside a value without quotes';
      fields.push(field === '' ? null : field);
      at = end;
    } else {
      let end = at + 1;
      for (; ; end += 2) {
        end = text.indexOf('"', end);
        if (end < 0) return 'has a quote that is not closed';
        if (text[end + 1] !== '"') break;
      }
      fields.push(text.slice(at + 1, end).replaceAll('""', '"'));
      at = end + 1;
      if (at < text.length && text[at] !== delimiter) return 'goes on after a closing quote';
    }
    if (at >= text.length) return fields;
    at++;
  }
}

interface Raw {
  readonly bytes: Buffer;
  readonly fields: Fields | string;
  /** The first of its lines, from 1, counted from where reading began. */
  readonly line: number;
  readonly lines: number;
  /** With the line's end. */
  readonly size: number;
}

/** Records in order, blank lines with one NULL. Where a quote is never closed, its first line is a record with a fault, and the next line begins another. */
async function* records(read: ObjectToRead): AsyncGenerator<Raw> {
  const { bucket, object, compression, from, signal, delimiter } = read;
  const delimiterByte = delimiter.charCodeAt(0);
  let held: Buffer = Buffer.alloc(0);
  let line = 1;
  const record = (bytes: Buffer): Raw => {
    let end = bytes.length;
    if (end > 0 && bytes[end - 1] === lineFeed) end--;
    if (end > 0 && bytes[end - 1] === carriageReturn) end--;
    let content = bytes.subarray(0, end);
    if (from.bytes === 0 && line === 1 && content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf) content = content.subarray(3);
    let lines = 0;
    for (let at = bytes.indexOf(lineFeed); at >= 0; at = bytes.indexOf(lineFeed, at + 1)) lines++;
    const fields = isUtf8(content) ? fieldsOf(content.toString('utf8'), delimiter) : 'is no UTF-8';
    const made = { bytes: content, fields, line, lines, size: bytes.length };
    line += Math.max(1, lines);
    return made;
  };
  const firstLine = (bytes: Buffer): number => {
    const end = bytes.indexOf(lineFeed);
    return end < 0 ? bytes.length : end + 1;
  };
  for await (const bytes of contentOf(bucket, object, { from: from.bytes, compression, signal })) {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
    let at = 0;
    for (;;) {
      let end = recordEnd(held, at, delimiterByte);
      if (end < 0 && held.length - at > maxCsvRecordBytes) end = at + firstLine(held.subarray(at));
      if (end < 0) break;
      yield record(held.subarray(at, end));
      at = end;
    }
    held = held.subarray(at);
  }
  while (held.length > 0) {
    const end = recordEnd(held, 0, delimiterByte);
    // The last line may lack its end; a quote that is open there was never closed
    const whole = end > 0 ? end : typeof fieldsOf(held.toString('utf8').trimEnd(), delimiter) === 'string' ? firstLine(held) : held.length;
    yield record(held.subarray(0, whole));
    held = held.subarray(whole);
  }
}

async function columnNames(read: ObjectToRead): Promise<string[]> {
  for await (const { fields, bytes } of records({ ...read, from: start })) {
    if (!Array.isArray(fields)) throw new Malformed(`${fields} in its first line`);
    if (bytes.toString('utf8').replace(quoted, '').includes('\r'))
      throw new Malformed('has a carriage return in its first line: lines have to end in LF or CRLF');
    const names = fields.map((name, i) => (read.header ? (name ?? '') : `column${i + 1}`));
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (names.includes('')) throw new Malformed('has a column without a name in its first line');
    if (twice !== undefined) throw new Malformed(`has the column ${JSON.stringify(twice)} twice`);
    return names;
  }
  return [];
}

function cellsOf(names: readonly string[], { fields, bytes }: Raw): ReadRecord['cells'] {
  if (!Array.isArray(fields)) return { reason: fields, raw: rawText(bytes) };
  if (fields.length !== names.length) return { reason: `has ${fields.length} values for ${names.length} columns`, raw: rawText(bytes) };
  const cells = new Map<string, Cell>();
  for (let i = 0; i < names.length; i++) cells.set(names[i] ?? '', { text: fields[i] ?? null });
  return cells;
}

export const csv: RecordReader = {
  unit: 'line',
  async declared(read) {
    return (await columnNames(read)).map((name) => ({ name, type: { kind: 'string' } }));
  },
  async *read(read) {
    const names = await columnNames(read);
    let header = read.header && read.from.bytes === 0;
    let offset = read.from.bytes;
    let piece: ReadRecord[] = [];
    let size = 0;
    try {
      for await (const raw of records(read)) {
        offset += raw.size;
        const skipped = header;
        header = false;
        // An empty line is a row only where a row has one column
        const blank = Array.isArray(raw.fields) && raw.fields.length === 1 && raw.fields[0] === null && names.length > 1;
        if (skipped || blank) continue;
        const end = { bytes: offset, rows: read.from.rows + raw.line + Math.max(1, raw.lines) - 1 };
        piece.push({ number: read.from.rows + raw.line, cells: cellsOf(names, raw), bytes: raw.size, end });
        size += raw.size;
        if (piece.length < pieceRecords && size < pieceBytes) continue;
        yield piece;
        piece = [];
        size = 0;
      }
    } catch (error) {
      // What is whole before the fault is handed on before it is told
      if (piece.length > 0) yield piece;
      throw error;
    }
    if (piece.length > 0) yield piece;
  },
};
