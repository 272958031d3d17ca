import { SyncError } from '../../errors.ts';
import { toBase64 } from '../../values/bytes.ts';
import type { Value } from '../../values/types.ts';
import type { Cursor, Mode } from '../connector.ts';

/** What a cursor of a SQL source belongs to: a stored one of another shape is refused. */
export interface CursorShape {
  /** The modes that keep the same position share a family, so that a sync may change between them. */
  readonly family: 'full' | 'id' | 'timestamp';
  /** The table as the catalogue names it, or `query:` and a digest of the query. */
  readonly table: string;
  /** Cursor column and tiebreak, in the order of the comparison. */
  readonly columns: readonly string[];
}

/** Stays under the 4 KB that a checkpoint may have, with room for the protocol's own fields. */
const maxCursorBytes = 3500;

export function familyOf(mode: Mode): CursorShape['family'] {
  switch (mode) {
    case 'id':
    case 'fullWithId':
    case 'lastDestinationId':
      return 'id';
    case 'timestamp':
    case 'lastDestinationTimestamp':
      return 'timestamp';
    case 'full':
      return 'full';
    default:
      throw new SyncError('UNSUPPORTED', `A SQL table cannot be read in mode ${mode}.`);
  }
}

/** A row's value as a cursor holds it, where bytes stand as base64: text that a value of the column's type can be made from. */
export function cursorText(value: Value): string | null {
  if (value === null) return null;
  return value instanceof Uint8Array ? toBase64(value) : String(value);
}

/**
 * Values are exact canonical text. `[null, …key]` is a position inside the pass over rows whose cursor column is NULL; fewer values than columns mean
 * "from the first row that has these values on", which re-reads the rows that share them.
 */
export function encodeCursor(shape: CursorShape, values: readonly (string | null)[]): Cursor {
  const text = JSON.stringify({ v: 1, mode: shape.family, table: shape.table, columns: shape.columns, values });
  if (Buffer.byteLength(text) > maxCursorBytes)
    throw new SyncError(
      'TOO_LARGE',
      `The position in ${shape.table} is longer than ${maxCursorBytes} bytes: choose a shorter cursor column or key than ${shape.columns.join(', ')}.`,
      {
        table: shape.table,
      },
    );
  return text;
}

/** The values of a stored cursor. Throws `CURSOR_INVALID` where it was made for another table, mode or key. */
export function decodeCursor(shape: CursorShape, cursor: Cursor): (string | null)[] {
  let stored: unknown;
  try {
    stored = JSON.parse(cursor);
  } catch (cause) {
    throw invalid(shape, 'it is not JSON', cause);
  }
  if (typeof stored !== 'object' || stored === null || !('v' in stored)) throw invalid(shape, 'it was not made by a SQL source');
  if (stored.v !== 1) throw invalid(shape, `it has version ${JSON.stringify(stored.v)}, and this version of Idra reads version 1`);
  const { mode, table, columns, values } = stored as { mode?: unknown; table?: unknown; columns?: unknown; values?: unknown };
  if (mode !== shape.family) throw invalid(shape, `it was made for mode ${JSON.stringify(mode)}, not ${shape.family}`);
  if (table !== shape.table) throw invalid(shape, `it was made for ${JSON.stringify(table)}`);
  if (JSON.stringify(columns) !== JSON.stringify(shape.columns))
    throw invalid(shape, `it was made for columns ${JSON.stringify(columns)}, not ${JSON.stringify(shape.columns)}`);
  if (
    !Array.isArray(values) ||
    values.length === 0 ||
    values.length > shape.columns.length ||
    !values.every((value) => value === null || typeof value === 'string')
  )
    throw invalid(shape, 'its values do not fit its columns');
  return values;
}

function invalid(shape: CursorShape, why: string, cause?: unknown): SyncError {
  return new SyncError('CURSOR_INVALID', `The stored cursor does not belong to ${shape.table}: ${why}. Reset the checkpoint, or set a cursor of this table.`, {
    table: shape.table,
    cause,
  });
}
