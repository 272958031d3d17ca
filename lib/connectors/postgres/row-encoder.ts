/** What the encoders of both formats of COPY are, and what they say of a value that they refuse. */
import { SyncError } from '../../errors.ts';
import type { Column, Row, Value } from '../../values/types.ts';
import { type Piece, ValueRefused } from './pieces.ts';
import type { PgType } from './types.ts';

/** What is handed over at once, but for a row that is larger. */
export const bufferBytes = 1 << 18;

export interface RowEncoder {
  /** Of the COPY that the buffers are for. */
  readonly format: 'text' | 'binary';
  /** Full buffers; the rest waits for `take`. `operations`: written behind each row as a further column, a smallint. Throws `VALUE_UNREPRESENTABLE` with table, column and key. */
  encode(rows: readonly Row[], operations?: Uint8Array): Generator<Buffer>;
  /** What is encoded and not yet handed over. */
  take(): Buffer;
  /** Forgets what a rolled back batch had begun. */
  reset(): void;
}

export interface EncodedColumn {
  readonly incoming: Column;
  readonly target: PgType;
}

export interface EncoderPlace {
  readonly table: string;
  /** Indexes of the key's columns, for messages. */
  readonly key: readonly number[];
}

export type AcceptedPiece = Exclude<Piece, { refused: string }>;

export function checkWidth(row: Row | undefined, columns: readonly EncodedColumn[], { table }: EncoderPlace): asserts row is Row {
  if (row === undefined || row.length !== columns.length)
    throw new SyncError('INTERNAL', `A row for ${table} has ${row?.length} values for ${columns.length} columns.`, { table });
}

interface Refused {
  readonly columns: readonly EncodedColumn[];
  readonly place: EncoderPlace;
  /** Writes one value again, to nowhere. */
  readonly write: (index: number, value: Exclude<Value, null>) => void;
}

/** The error with table, column and key where a value was refused; any other error as it is. */
export function explainRefusal(error: unknown, row: Row, { columns, place, write }: Refused): unknown {
  if (!(error instanceof ValueRefused)) return error;
  for (const [i, { incoming, target }] of columns.entries()) {
    const value = row[i] ?? null;
    if (value === null) continue;
    try {
      write(i, value);
    } catch (cause) {
      if (!(cause instanceof ValueRefused)) throw cause;
      const { table } = place;
      const key = keyText(place.key.map((k) => row[k] ?? null));
      const message = `${table}.${incoming.name} (${target.sql}) cannot hold the value of the row with key ${key} exactly: the value ${cause.reason}. Widen the column, change the row, exclude the column, or set onError: deadLetter.`;
      return new SyncError('VALUE_UNREPRESENTABLE', message, { table, column: incoming.name, key });
    }
  }
  return error;
}

function keyText(values: readonly Value[]): string {
  if (values.length === 0) return '(none)';
  return values.map((value) => (value instanceof Uint8Array ? `\\x${Buffer.from(value).toString('hex')}` : String(value))).join(', ');
}
