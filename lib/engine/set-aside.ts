import type { DeadLetter, Rejected, RowChunk, Writer } from '../connectors/connector.ts';
import { isRowError, SyncError } from '../errors.ts';
import { rowToText } from '../values/row-json.ts';
import type { Row, Schema } from '../values/types.ts';

/** `id=42, line=7`, or the row's place in the batch where there is no key. */
function placeOf(schema: Schema, row: Row, index: number): string {
  if (schema.key.length === 0) return `row ${index + 1} of its chunk`;
  return schema.key
    .map((name) => {
      const value = row[schema.columns.findIndex((column) => column.name === name)];
      return `${name}=${value instanceof Uint8Array ? Buffer.from(value).toString('hex') : String(value)}`;
    })
    .join(', ');
}

export function rejectedLetter(rejected: Rejected): DeadLetter {
  const { error, raw } = rejected;
  return { place: error.place.key ?? '', code: error.code, reason: error.message, row: raw, kind: 'raw' };
}

function part(chunk: RowChunk, from: number, to: number): RowChunk {
  return {
    kind: 'rows',
    rows: chunk.rows.slice(from, to),
    bytes: chunk.bytes,
    boundary: null,
    ...(chunk.operations === undefined ? {} : { operations: chunk.operations.subarray(from, to) }),
  };
}

/**
 * Applies a chunk to the open batch and sets the rows that the destination refuses aside: the chunk is halved until each bad row stands alone. Each call of `attempt` is all or nothing,
 * so that what passes stays and nothing is applied twice. Errors that are not the fault of a row are thrown.
 */
export async function attemptRows(writer: Writer, chunk: RowChunk, schema: Schema): Promise<DeadLetter[]> {
  const attempt = writer.attempt?.bind(writer);
  if (attempt === undefined) {
    throw new SyncError('UNSUPPORTED', 'The destination cannot set single rows aside: use `onError: stop`.', { field: 'onError' });
  }
  const letters: DeadLetter[] = [];
  const settle = async (from: number, to: number): Promise<void> => {
    if (from === to) return;
    try {
      await attempt(from === 0 && to === chunk.rows.length ? chunk : part(chunk, from, to));
    } catch (error) {
      if (!isRowError(error)) throw error;
      const row = chunk.rows[from];
      if (to - from === 1 && row !== undefined) {
        letters.push({ place: placeOf(schema, row, from), code: error.code, reason: error.message, row: rowToText(schema.columns, row), kind: 'row' });
        return;
      }
      const middle = from + Math.ceil((to - from) / 2);
      await settle(from, middle);
      await settle(middle, to);
    }
  };
  await settle(0, chunk.rows.length);
  return letters;
}
