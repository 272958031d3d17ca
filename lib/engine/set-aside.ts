import { type DeadLetter, Operation, type Rejected, type RowChunk, type Writer } from '../connectors/connector.ts';
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

/** `masked`: nobody knows where in the text the columns are that nobody may see. */
export function rejectedLetter({ error, raw }: Rejected, { masked }: { readonly masked: boolean }): DeadLetter {
  const reason = masked ? `${error.message} Its text is not kept: the sync masks columns.` : error.message;
  return { place: error.place.key ?? '', code: error.code, reason, row: masked ? '' : raw, kind: 'raw' };
}

/** A deletion has its key alone, and is kept as text: as a row it would be written again with NULL in all else. */
function refusedLetter(row: Row, about: { place: string; error: SyncError; schema: Schema; isDelete: boolean }): DeadLetter {
  const { place, error, schema, isDelete } = about;
  const letter = { place, code: error.code, row: rowToText(schema.columns, row) };
  return isDelete ? { ...letter, reason: `Deleting the row: ${error.message}`, kind: 'raw' } : { ...letter, reason: error.message, kind: 'row' };
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
        letters.push(refusedLetter(row, { place: placeOf(schema, row, from), error, schema, isDelete: chunk.operations?.[from] === Operation.delete }));
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
