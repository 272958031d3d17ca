import type { SyncDefinition } from '../config/definition.ts';
import type { Cursor, Destination, Source } from '../connectors/connector.ts';
import { SyncError } from '../errors.ts';
import type { LogicalType, Schema } from '../values/types.ts';

export interface PositionEnds {
  readonly definition: SyncDefinition;
  readonly source: Source;
  readonly destination: Destination;
  /** Columns as they arrive, under the destination's names. */
  readonly schema: Schema;
  /** The same columns as they stand in the destination. */
  readonly target: Schema;
}

/**
 * Whether both ends put the values of a column into the same order. Texts follow a collation, which the ends need not share, and systems compare UUIDs by different
 * bytes first: what is the largest at one end may stand in the middle at the other, and rows would be read twice or never.
 */
function sameOrder(type: LogicalType, { source, destination }: PositionEnds): boolean {
  if (type.kind === 'uuid') return source.system === destination.system && source.ordersUuids === true && destination.ordersUuids === true;
  return type.kind !== 'string' && type.kind !== 'json';
}

const numbers: ReadonlySet<LogicalType['kind']> = new Set(['int32', 'int64', 'uint64', 'decimal', 'float64']);

/** Numbers are one kind, of whatever size. */
function sameKind(reads: LogicalType, stands: LogicalType): boolean {
  return numbers.has(reads.kind) ? numbers.has(stands.kind) : reads.kind === stands.kind;
}

/** The cursor's columns in the order of the cursor, under the destination's names. */
function cursorColumns(ends: PositionEnds): string[] {
  const { definition, source, destination, schema, target } = ends;
  const { column, key } = definition.cursor;
  const tiebreak = key.length > 0 ? key : source.schema.key;
  const names = column === undefined ? tiebreak : [column, ...tiebreak.filter((name) => name !== column)];
  return names.map((name) => {
    const index = source.schema.columns.findIndex((candidate) => candidate.name === name);
    const arrives = schema.columns[index];
    const reads = source.schema.columns[index];
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
    if (reads !== undefined && !sameOrder(reads.type, ends)) {
      throw new SyncError(
        'UNSUPPORTED',
        `Sync ${definition.name} starts from the destination's maximum of ${name}, but that column is ${reads.type.kind}, which ${source.system} and ${destination.system} may order differently: rows would be missed or doubled. Use mode id or timestamp, which keep the source's own position.`,
        { sync: definition.name, column: name },
      );
    }
    const stands = target.columns.find((candidate) => candidate.name === arrives.name) ?? arrives;
    if (reads !== undefined && !sameKind(reads.type, stands.type)) {
      throw new SyncError(
        'UNSUPPORTED',
        `Sync ${definition.name} starts from the destination's maximum of ${name}, which is ${reads.type.kind} in ${source.schema.name} and ${stands.type.kind} in ${target.name}: their orders differ, and rows would be missed or doubled. Use mode id or timestamp, which keep the source's own position, or give both columns one type.`,
        { sync: definition.name, column: name, table: target.name },
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
