/** Compares the columns that come in with a table that is there: what to add, and what does not fit. */
import { SyncError } from '../../errors.ts';
import { type Column, type LogicalType, type Schema, typeName } from '../../values/types.ts';

export interface ExistingColumn extends Column {
  /** The table fills it in by itself (default, identity, generated): rows need not bring it. */
  readonly filled: boolean;
  /** Rows may not bring it at all (generated always as an expression). */
  readonly computed: boolean;
}

export interface FitOptions {
  /** As messages name it. */
  readonly table: string;
  readonly schema: 'evolve' | 'freeze';
  /** Null: every value fits, or is refused aloud while it is written. Otherwise the reason why not. */
  readonly fits: (incoming: Column, existing: ExistingColumn) => string | null;
}

/**
 * Throws `SCHEMA_MISMATCH` for columns of different names that the database takes for one name. `fold`: the form in which it compares them. `marker`: the column for soft deletes, where
 * it is added to those that come in.
 */
export function refuseOneName(
  names: { readonly incoming: readonly string[]; readonly existing: readonly string[]; readonly marker?: string },
  { table, fold }: { readonly table: string; readonly fold: (name: string) => string },
): void {
  const { incoming, existing, marker } = names;
  const advice = 'rename one of the two (columns.rename), or leave one out (columns.exclude)';
  const refuse = (column: string, why: string): SyncError =>
    new SyncError('SCHEMA_MISMATCH', `${why} The database takes both for one name.`, { table, column });
  const taken = new Map<string, string>();
  for (const name of incoming) {
    const twin = taken.get(fold(name));
    if (twin !== undefined && twin !== name) throw refuse(name, `${table} cannot have both ${JSON.stringify(twin)} and ${JSON.stringify(name)}: ${advice}.`);
    taken.set(fold(name), name);
  }
  const there = new Map(existing.map((name) => [fold(name), name]));
  for (const name of marker === undefined ? incoming : [...incoming, marker]) {
    const other = there.get(fold(name)) ?? (name === marker ? taken.get(fold(name)) : undefined);
    if (other === undefined || other === name) continue;
    const remedy = name === marker ? 'choose another softDeleteColumn' : 'rename the column (columns.rename), to that name if it is the one';
    throw refuse(name, `${table} has ${JSON.stringify(other)} and cannot have ${JSON.stringify(name)} as well: ${remedy}.`);
  }
}

/** Columns to add. Throws `SCHEMA_MISMATCH` for the first column that does not fit, naming it. */
export function columnsToAdd(incoming: Schema, existing: readonly ExistingColumn[], options: FitOptions): Column[] {
  const { table } = options;
  const add: Column[] = [];
  for (const column of incoming.columns) {
    const there = existing.find(({ name }) => name === column.name);
    if (there === undefined) {
      const other = existing.find(({ name }) => name.toLowerCase() === column.name.toLowerCase());
      const hint = other === undefined ? '' : ` It has ${JSON.stringify(other.name)}: rename the column (columns.rename) if that is the one.`;
      if (options.schema === 'freeze')
        throw new SyncError('SCHEMA_MISMATCH', `${table} has no column ${JSON.stringify(column.name)}, and schema: freeze adds none.${hint}`, {
          table,
          column: column.name,
        });
      if (incoming.key.includes(column.name))
        throw new SyncError(
          'SCHEMA_MISMATCH',
          `${table} has no column ${JSON.stringify(column.name)}, which is part of the key: a key cannot be added to rows that are there.${hint}`,
          {
            table,
            column: column.name,
          },
        );
      add.push(column);
      continue;
    }
    if (there.computed)
      throw new SyncError('SCHEMA_MISMATCH', `${table}.${column.name} is computed by the destination itself: leave it out (columns.exclude).`, {
        table,
        column: column.name,
      });
    const reason = options.fits(column, there);
    if (reason !== null)
      throw new SyncError(
        'SCHEMA_MISMATCH',
        `${table}.${column.name} is ${there.native?.type ?? typeName(there.type)} and cannot take ${column.native?.type ?? typeName(column.type)}: ${reason}.`,
        {
          table,
          column: column.name,
        },
      );
  }
  const names = new Set(incoming.columns.map(({ name }) => name));
  const needed = existing.find(({ name, nullable, filled }) => !nullable && !filled && !names.has(name));
  if (needed !== undefined)
    throw new SyncError('SCHEMA_MISMATCH', `${table}.${needed.name} may not be NULL and has no default, but the source brings no such column.`, {
      table,
      column: needed.name,
    });
  return add;
}

/**
 * Whether values of one logical type can stand in a column of another, each exactly or refused aloud by a check. Null: yes. What a destination treats
 * differently (a JSON column that rewrites numbers) it decides before it asks here.
 */
export function logicalFit(from: LogicalType, to: LogicalType): string | null {
  const takes: Readonly<Record<LogicalType['kind'], readonly LogicalType['kind'][]>> = {
    boolean: ['boolean'],
    int32: ['int32', 'int64', 'uint64', 'decimal'],
    int64: ['int32', 'int64', 'uint64', 'decimal'],
    uint64: ['int32', 'int64', 'uint64', 'decimal'],
    decimal: ['int32', 'int64', 'uint64', 'decimal'],
    float64: ['int32', 'float64'],
    string: ['boolean', 'int32', 'int64', 'uint64', 'decimal', 'float64', 'string', 'date', 'time', 'timestamp', 'uuid', 'json'],
    bytes: ['bytes'],
    date: ['date'],
    time: ['time'],
    timestamp: ['timestamp'],
    uuid: ['uuid'],
    json: ['json'],
  };
  if (!takes[to.kind].includes(from.kind)) return `a ${from.kind} is no ${to.kind}`;
  if (from.kind === 'timestamp' && to.kind === 'timestamp' && from.zoned !== to.zoned)
    return to.zoned ? 'a timestamp without a zone does not say which moment it is' : 'the zone of the timestamps would be lost';
  return null;
}
