/** COPY's binary format, cut at row ends without reading the rows: https://www.postgresql.org/docs/current/sql-copy.html, Binary Format. */
import { SyncError } from '../../errors.ts';
import type { Chunk, Cursor, ReadOptions } from '../connector.ts';
import type { ReadPass, ReadPlan } from '../sql/read-plan.ts';
import { binaryDecoder } from './binary-values.ts';
import type { PgColumn } from './types.ts';

/** Signature, no flags, no header extension. */
export const binaryHeader = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const binaryTrailer = Buffer.from([0xff, 0xff]);

interface BinaryRead {
  readonly plan: ReadPlan;
  readonly pass: ReadPass;
  readonly options: ReadOptions;
  readonly copy: AsyncIterable<Buffer>;
}

export async function* copyBinary({ plan, pass, options, copy }: BinaryRead): AsyncGenerator<Chunk> {
  const boundaryAt = boundaryReader(plan, pass);
  const { maxBytes, maxRows } = options;
  let pieces: Buffer[] = [];
  let held = 0;
  /** Bytes that have to be there before the tuple under way can be whole. */
  let needed = binaryHeader.length;
  let begun = false;
  let ended = false;
  for await (const piece of copy) {
    pieces.push(piece);
    held += piece.length;
    if (held < needed) continue;
    const data = pieces.length === 1 ? piece : Buffer.concat(pieces);
    let start = begun ? 0 : headerLength(data);
    begun = true;
    let at = start;
    let last = -1;
    let rowCount = 0;
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    const length = data.length;
    needed = 0;
    walk: for (;;) {
      if (at + 2 > length) {
        needed = at + 2;
        break;
      }
      const fields = view.getInt16(at);
      if (fields === -1) {
        ended = true;
        break;
      }
      let field = at + 2;
      for (let i = 0; i < fields; i++) {
        if (field + 4 > length) {
          needed = field + 4;
          break walk;
        }
        const size = view.getInt32(field);
        field += size > 0 ? size + 4 : 4;
      }
      if (field > length) {
        needed = field;
        break;
      }
      if (rowCount > 0 && (rowCount === maxRows || field - start > maxBytes)) {
        yield { kind: 'raw', data: data.subarray(start, at), rowCount, bytes: at - start, boundary: boundaryAt(data, last) };
        start = at;
        rowCount = 0;
      }
      last = at;
      rowCount++;
      at = field;
    }
    if (rowCount > 0) yield { kind: 'raw', data: data.subarray(start, at), rowCount, bytes: at - start, boundary: boundaryAt(data, last) };
    needed -= at;
    held = length - at;
    pieces = held === 0 || ended ? [] : [data.subarray(at)];
  }
  if (!ended) throw new SyncError('CONNECTION_FAILED', 'The read broke off before its end.', { retry: 'backoff' });
  if (pass.end !== null) yield { kind: 'raw', data: new Uint8Array(0), rowCount: 0, bytes: 0, boundary: pass.end };
}

function headerLength(data: Buffer): number {
  if (!data.subarray(0, 11).equals(binaryHeader.subarray(0, 11)) || data.readInt32BE(11) !== 0)
    throw new SyncError('ROW_MALFORMED', 'The server sent no binary COPY stream that this version knows.');
  return binaryHeader.length + data.readInt32BE(15);
}

/** Reads the cursor of the tuple that begins at an offset. */
function boundaryReader(plan: ReadPlan, pass: ReadPass): (data: Buffer, tuple: number) => Cursor | null {
  if (pass.boundary === 'none') return () => null;
  if (pass.boundary === 'fixed') return () => pass.fixed;
  const decoders = plan.cursorIndexes.map((i) => ({ i, decode: binaryDecoder((plan.selected[i] as PgColumn).pg) }));
  return (data, tuple) => {
    const values = decoders.map(({ i, decode }): string | null => {
      let at = tuple + 2;
      for (let skip = 0; skip < i; skip++) at += 4 + Math.max(0, data.readInt32BE(at));
      const size = data.readInt32BE(at);
      return size < 0 || decode === undefined ? null : decode(data.subarray(at + 4, at + 4 + size));
    });
    return plan.cursorOf(values, pass);
  };
}
