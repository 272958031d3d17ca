/** What the readers of all formats hand over. */
import { SyncError } from '../../errors.ts';
import type { Column, LogicalType, Value } from '../../values/types.ts';
import type { Bucket } from './client.ts';
import type { ListedObject, Position } from './cursor.ts';
import type { ObjectCompression } from './object-bytes.ts';

/** A field as a format has it: JSON text, CSV text, or a typed value. */
export type Cell = { readonly json: string } | { readonly text: string | null } | { readonly value: Value; readonly type: LogicalType };

export interface Fault {
  readonly reason: string;
  readonly raw: string;
}

export interface ReadRecord {
  /** For people: the line, the element or the row, from 1. */
  readonly number: number;
  readonly cells: ReadonlyMap<string, Cell> | Fault;
  readonly bytes: number;
  /** Where the next one begins. */
  readonly end: Position;
}

export interface ObjectToRead {
  readonly bucket: Bucket;
  readonly object: ListedObject;
  readonly compression: ObjectCompression;
  readonly from: Position;
  readonly signal: AbortSignal;
  readonly delimiter: string;
  readonly header: boolean;
}

/** Columns that the format itself declares, in their order, known before the first row. */
export type DeclaredColumns = readonly Pick<Column, 'name' | 'type'>[];

export interface RecordReader {
  /** `line`, `element` or `row`. */
  readonly unit: string;
  declared?(read: ObjectToRead): Promise<DeclaredColumns>;
  /** Pieces of a few hundred records. Throws `Malformed` where the rest of the object cannot be read. */
  read(read: ObjectToRead): AsyncGenerator<ReadRecord[]>;
}

/** The object as a whole is broken from here on. */
export class Malformed extends Error {}

export function isFault(cells: ReadRecord['cells']): cells is Fault {
  return 'reason' in cells;
}

export const start: Position = { bytes: 0, rows: 0 };
/** Records in one piece, and their bytes. */
export const pieceRecords = 1_000;
export const pieceBytes = 256 * 1024;
/** A single record; longer ones would have to be held in memory whole, several times over. */
export const maxRecordBytes = 64 * 1024 ** 2;
const maxRawLength = 64 * 1024;

export function rawText(bytes: Uint8Array | string): string {
  return typeof bytes === 'string'
    ? bytes.slice(0, maxRawLength)
    : Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, maxRawLength)).toString('utf8');
}

export function tooLong(read: ObjectToRead, place: string): SyncError {
  const { key } = read.object;
  return new SyncError('TOO_LARGE', `${key} ${place} is longer than ${maxRecordBytes / 1024 ** 2} MiB, which is the most that is read as one row.`, {
    key: `${key} ${place}`,
  });
}
