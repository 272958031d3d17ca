import { SyncError } from '../../errors.ts';
import type { Cursor } from '../connector.ts';
import { type BsonValue, bsonFromJson } from './bson-value.ts';
import { NoJson } from './json-text.ts';

/** Stays under the 4 KB that a checkpoint may have. */
const maxCursorBytes = 3500;

/** What a keyset cursor belongs to: a stored one of another shape is refused. */
export interface CursorShape {
  readonly family: 'full' | 'id' | 'timestamp';
  readonly collection: string;
  /** Cursor field and tiebreak. */
  readonly fields: readonly string[];
}

/** Where a change stream goes on. `startAfter`: the stream was closed by an invalidate event. */
export type StreamPosition = { readonly token: unknown; readonly startAfter: boolean } | { readonly clusterTime: string };

/** `after`: JSON text of the last `_id` of the snapshot, null before the first; absent: the snapshot is complete. */
export interface StreamCursor {
  readonly position: StreamPosition;
  readonly after?: string | null;
}

/** Values as JSON text of json-text.ts. */
export function encodeKeyset(shape: CursorShape, values: readonly string[]): Cursor {
  return checked({ v: 1, mode: shape.family, collection: shape.collection, fields: shape.fields, values }, shape.collection);
}

export function decodeKeyset(shape: CursorShape, cursor: Cursor): BsonValue[] {
  const { collection } = shape;
  const stored = parsed(cursor, collection);
  const { mode, fields, values } = stored;
  if (mode !== shape.family) throw invalid(collection, `it was made for mode ${JSON.stringify(mode)}, not ${shape.family}`);
  if (JSON.stringify(fields) !== JSON.stringify(shape.fields))
    throw invalid(collection, `it was made for fields ${JSON.stringify(fields)}, not ${JSON.stringify(shape.fields)}`);
  if (!Array.isArray(values) || values.length !== shape.fields.length || !values.every((value) => typeof value === 'string'))
    throw invalid(collection, 'its values do not fit its fields');
  return values.map((value: string) => positionValue(value, collection));
}

export function encodeStream(collection: string, { position, after }: StreamCursor): Cursor {
  return checked(
    { v: 1, mode: 'stream', collection, phase: after === undefined ? 'stream' : 'snapshot', ...(after === undefined ? {} : { after }), ...position },
    collection,
  );
}

export function decodeStream(collection: string, cursor: Cursor): StreamCursor {
  const { mode, phase, after, token, startAfter, clusterTime } = parsed(cursor, collection);
  if (mode !== 'stream') throw invalid(collection, `it was made for mode ${JSON.stringify(mode)}, not stream`);
  const position: StreamPosition | null =
    typeof clusterTime === 'string' && /^[0-9]{1,20}$/.test(clusterTime)
      ? { clusterTime }
      : typeof token === 'object' && token !== null && typeof startAfter === 'boolean'
        ? { token, startAfter }
        : null;
  if (position === null) throw invalid(collection, 'it has no position in the change stream');
  if (phase === 'stream') return { position };
  if (phase !== 'snapshot' || (typeof after !== 'string' && after !== null)) throw invalid(collection, 'it has no phase that is known');
  return { position, after };
}

export function positionValue(text: string, collection: string): BsonValue {
  try {
    return bsonFromJson(text);
  } catch (error) {
    if (error instanceof NoJson) throw invalid(collection, `a value of it ${error.message}`);
    throw error;
  }
}

function parsed(cursor: Cursor, collection: string): Record<string, unknown> {
  let stored: unknown;
  try {
    stored = JSON.parse(cursor);
  } catch (cause) {
    throw invalid(collection, 'it is not JSON', cause);
  }
  if (typeof stored !== 'object' || stored === null || !('v' in stored)) throw invalid(collection, 'it was not made by a MongoDB source');
  const fields = stored as Record<string, unknown>;
  if (fields.v !== 1) throw invalid(collection, `it has version ${JSON.stringify(fields.v)}, and this version of Idra reads version 1`);
  if (fields.collection !== collection) throw invalid(collection, `it was made for ${JSON.stringify(fields.collection)}`);
  return fields;
}

function checked(content: object, collection: string): Cursor {
  const text = JSON.stringify(content);
  if (Buffer.byteLength(text) <= maxCursorBytes) return text;
  throw new SyncError('CURSOR_INVALID', `A position in ${collection} would take more than ${maxCursorBytes} bytes: choose a shorter cursor field or key.`, {
    table: collection,
  });
}

function invalid(collection: string, why: string, cause?: unknown): SyncError {
  return new SyncError(
    'CURSOR_INVALID',
    `The stored cursor does not belong to ${collection}: ${why}. Reset the checkpoint, or set a cursor of this collection.`,
    { table: collection, cause },
  );
}

/**
 * The cluster's time (seconds and counter in 64 bits) up to which a resume token leaves nothing out: tokens sort by it, so that it comes first.
 * Null where it does not say: only good for deciding whether to wait a little longer.
 */
export function timeOf(token: unknown): bigint | null {
  const data = typeof token === 'object' && token !== null && '_data' in token && typeof token._data === 'string' ? token._data : '';
  const [, hex] = /^82([0-9A-F]{16})/i.exec(data) ?? [];
  return hex === undefined ? null : BigInt(`0x${hex}`);
}
