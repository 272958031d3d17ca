/** COPY's binary format, cut at row ends without reading the rows: https://www.postgresql.org/docs/current/sql-copy.html, Binary Format. */
import { SyncError } from '../../errors.ts';
import type { Chunk, Cursor, RawChunk, ReadOptions } from '../connector.ts';
import type { ReadPass, ReadPlan } from '../sql/read-plan.ts';
import { binaryDecoder } from './binary-values.ts';
import type { PgColumn } from './types.ts';

/** Signature, no flags, no header extension. */
export const binaryHeader = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const binaryTrailer = Buffer.from([0xff, 0xff]);

/** Message code and length. */
const headBytes = 5;
/** In place of the number of a row's fields. */
const trailerMark = -1;

interface BinaryRead {
  readonly plan: ReadPlan;
  readonly pass: ReadPass;
  readonly options: ReadOptions;
  /** Whole CopyData messages, whose memory is overwritten. A server sends one for each row (https://www.postgresql.org/docs/current/protocol-message-formats.html, CopyData); the writer compares their number with the rows that were taken in. */
  readonly messages: AsyncIterable<Buffer[]>;
}

export async function* copyBinary({ plan, pass, options, messages }: BinaryRead): AsyncGenerator<Chunk> {
  const boundaryAt = boundaryReader(plan, pass);
  const { maxBytes, maxRows } = options;
  const width = plan.selected.length;
  let begun = false;
  let ended = false;
  for await (const pieces of messages) {
    const [first, ...more] = pieces;
    if (first === undefined) continue;
    const data = more.length === 0 ? first : Buffer.concat(pieces);
    // The rows move together, over the heads of their messages
    let start = 0;
    let to = 0;
    let last = 0;
    let rowCount = 0;
    const cut = (): RawChunk => ({ kind: 'raw', data: data.subarray(start, to), rowCount, bytes: to - start, boundary: boundaryAt(data, last) });
    for (let at = 0; at < data.length && !ended; ) {
      const next = at + 1 + data.readInt32BE(at + 1);
      at += headBytes;
      if (!begun) {
        at += headerLength(data.subarray(at, next));
        begun = true;
      }
      if (at < next) {
        const fields = data.readInt16BE(at);
        if (fields === trailerMark) ended = true;
        else {
          if (fields !== width) throw malformed();
          const size = next - at;
          if (rowCount > 0 && (rowCount === maxRows || to - start + size > maxBytes)) {
            yield cut();
            start = to;
            rowCount = 0;
          }
          data.copyWithin(to, at, next);
          last = to;
          to += size;
          rowCount++;
        }
      }
      at = next;
    }
    if (rowCount > 0) yield cut();
  }
  if (!ended) throw new SyncError('CONNECTION_FAILED', 'The read broke off before its end.', { retry: 'backoff' });
  if (pass.end !== null) yield { kind: 'raw', data: new Uint8Array(0), rowCount: 0, bytes: 0, boundary: pass.end };
}

function headerLength(data: Buffer): number {
  const { length } = binaryHeader;
  if (data.length < length || !data.subarray(0, 11).equals(binaryHeader.subarray(0, 11)) || data.readInt32BE(11) !== 0) throw malformed();
  return length + data.readInt32BE(15);
}

function malformed(): SyncError {
  return new SyncError('ROW_MALFORMED', 'The server sent no binary COPY stream that this version knows.');
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
