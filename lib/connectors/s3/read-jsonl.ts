import { isUtf8 } from 'node:buffer';
import { jsonMembers } from '../../values/json.ts';
import { contentOf } from './object-bytes.ts';
import {
  type Cell,
  type Fault,
  maxRecordBytes,
  type ObjectToRead,
  pieceBytes,
  pieceRecords,
  type ReadRecord,
  type RecordReader,
  rawText,
  tooLong,
} from './records.ts';

const lineFeed = 0x0a;

/** The members of an object, each with its own text, or why there are none. */
export function jsonCells(bytes: Buffer): ReadonlyMap<string, Cell> | Fault {
  if (!isUtf8(bytes)) return { reason: 'is no UTF-8', raw: rawText(bytes) };
  const text = bytes.toString('utf8');
  try {
    const members = jsonMembers(text);
    if (members === null) return { reason: 'is JSON, but no object', raw: rawText(text) };
    const cells = new Map<string, Cell>();
    for (const [name, json] of members) cells.set(name, { json });
    return cells;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { reason: 'is no JSON', raw: rawText(text) };
  }
}

function isBlank(bytes: Buffer): boolean {
  for (const byte of bytes) if (byte !== 0x20 && byte !== 0x09 && byte !== 0x0d) return false;
  return true;
}

/** One JSON object a line. Blank lines are none; a byte order mark at the beginning is left out. */
export const jsonLines: RecordReader = {
  unit: 'line',
  async *read(read: ObjectToRead): AsyncGenerator<ReadRecord[]> {
    let held: Buffer[] = [];
    let heldBytes = 0;
    let offset = read.from.bytes;
    let lines = read.from.rows;
    let piece: ReadRecord[] = [];
    let size = 0;
    const take = (line: Buffer, withEnd: number): void => {
      lines++;
      offset += withEnd;
      const content = lines === 1 && line.length >= 3 && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? line.subarray(3) : line;
      if (isBlank(content)) return;
      piece.push({ number: lines, cells: jsonCells(content), bytes: withEnd, end: { bytes: offset, rows: lines } });
      size += withEnd;
    };
    try {
      for await (const bytes of contentOf(read.bucket, read.object, { from: read.from.bytes, compression: read.compression, signal: read.signal })) {
        let at = 0;
        for (let end = bytes.indexOf(lineFeed, at); end >= 0; end = bytes.indexOf(lineFeed, at)) {
          const part = bytes.subarray(at, end);
          at = end + 1;
          const line = held.length === 0 ? part : Buffer.concat([...held, part]);
          held = [];
          heldBytes = 0;
          take(line, line.length + 1);
          if (piece.length < pieceRecords && size < pieceBytes) continue;
          yield piece;
          piece = [];
          size = 0;
        }
        if (at < bytes.length) {
          held.push(Buffer.from(bytes.subarray(at)));
          heldBytes += bytes.length - at;
          if (heldBytes > maxRecordBytes) throw tooLong(read, `line ${lines + 1}`);
        }
      }
    } catch (error) {
      // What is whole before the fault is handed on before it is told
      if (piece.length > 0) yield piece;
      throw error;
    }
    if (heldBytes > 0) take(Buffer.concat(held), heldBytes);
    if (piece.length > 0) yield piece;
  },
};
