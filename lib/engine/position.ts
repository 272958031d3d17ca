import type { SyncDefinition } from '../config/definition.ts';
import type { Cursor, Destination, Source } from '../connectors/connector.ts';
import { SyncError } from '../errors.ts';
import type { Schema } from '../values/types.ts';

export interface PositionEnds {
  readonly definition: SyncDefinition;
  readonly source: Source;
  readonly destination: Destination;
  /** Columns as the destination has them. */
  readonly schema: Schema;
}

/** The cursor's columns in the order of the cursor, under the destination's names. */
function cursorColumns({ definition, source, schema }: PositionEnds): string[] {
  const { column, key } = definition.cursor;
  const tiebreak = key.length > 0 ? key : source.schema.key;
  const names = column === undefined ? tiebreak : [column, ...tiebreak.filter((name) => name !== column)];
  return names.map((name) => {
    const index = source.schema.columns.findIndex((candidate) => candidate.name === name);
    const arrives = schema.columns[index];
    if (arrives === undefined || Object.hasOwn(definition.mask, name)) {
      throw new SyncError(
        'UNSUPPORTED',
        `Sync ${definition.name} starts from the destination's maximum of ${name}, but that column ${arrives === undefined ? 'is not delivered' : 'is masked'}.`,
        {
          sync: definition.name,
          column: name,
        },
      );
    }
    return arrives.name;
  });
}

/** The position after the destination's largest values, or null where it holds no row. Throws `UNSUPPORTED` where either end cannot tell. */
export async function destinationMaximum(ends: PositionEnds): Promise<Cursor | null> {
  const { definition, source, destination } = ends;
  if (source.cursorAfter === undefined || destination.max === undefined) {
    throw new SyncError(
      'UNSUPPORTED',
      `Sync ${definition.name} cannot start from the destination's maximum: ${source.cursorAfter === undefined ? source.system : destination.system} does not support it.`,
      {
        sync: definition.name,
      },
    );
  }
  const values = await destination.max(cursorColumns(ends));
  return values === null ? null : source.cursorAfter(values);
}
