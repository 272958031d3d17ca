import { SyncError } from '../../errors.ts';
import type { SourceRequest } from '../connector.ts';
import { didYouMean } from './names.ts';

/** Names after include and exclude, in the relation's order. Throws `NOT_FOUND` for a name that is not there, and `CONFIG_INVALID` where none is left. */
export function chosenColumns(relation: { readonly name: string; readonly columns: readonly { readonly name: string }[] }, request: SourceRequest): string[] {
  const { include, exclude = [] } = request;
  const known = new Set(relation.columns.map((column) => column.name));
  for (const name of [...(include ?? []), ...exclude]) {
    if (!known.has(name))
      throw new SyncError('NOT_FOUND', `${relation.name} has no column ${JSON.stringify(name)}, which columns names.${didYouMean(name, known)}`, {
        table: relation.name,
        column: name,
      });
  }
  const chosen = [...known].filter((name) => (include === undefined || include.includes(name)) && !exclude.includes(name));
  if (chosen.length === 0) throw new SyncError('CONFIG_INVALID', `No column of ${relation.name} is left to read.`, { table: relation.name, field: 'columns' });
  return chosen;
}

/** The cursor's columns, in the order in which rows are read. */
export function orderedColumns({ cursor }: SourceRequest): string[] {
  return cursor.column === undefined ? [...cursor.key] : [cursor.column, ...cursor.key];
}
