/** Rows as COPY takes them in: in its binary format where every column has one that is known here, as text where not. */
import { SyncError } from '../../errors.ts';
import { BinaryRowEncoder } from './binary-encoder.ts';
import { binaryPieceFor } from './binary-pieces.ts';
import { pieceFor } from './pieces.ts';
import type { EncodedColumn, EncoderPlace, RowEncoder } from './row-encoder.ts';
import { TextRowEncoder } from './text-encoder.ts';

/** Throws `SCHEMA_MISMATCH` for a column that cannot take what comes in. */
export function rowEncoder(columns: readonly EncodedColumn[], place: EncoderPlace): RowEncoder {
  const pieces = columns.map(({ incoming, target }) => {
    const piece = pieceFor(incoming, target);
    if ('refused' in piece)
      throw new SyncError('SCHEMA_MISMATCH', `${place.table}.${incoming.name}: ${piece.refused}.`, { table: place.table, column: incoming.name });
    return piece;
  });
  const binary = columns.flatMap(({ incoming, target }, i) => binaryPieceFor(incoming, target, pieces[i] ?? { encode: null }) ?? []);
  return binary.length === columns.length ? new BinaryRowEncoder(columns, binary, place) : new TextRowEncoder(columns, pieces, place);
}
