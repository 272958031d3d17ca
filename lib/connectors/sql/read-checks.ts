import { type ErrorPlace, SyncError } from '../../errors.ts';
import type { Schema } from '../../values/types.ts';
import type { SourceRequest } from '../connector.ts';
import { identifies } from './keys.ts';
import type { ReadPlan, Relation } from './read-plan.ts';

/** The catalogue itself says that equal cursor values are one row. */
export function identified(plan: ReadPlan, relation: Relation): boolean {
  const names = plan.cursorIndexes.map((i) => plan.selected[i]?.name ?? '');
  return identifies(relation.keys, names, (name) => relation.columns.find((column) => column.name === name)?.nullable ?? true);
}

/** A look-back counts seconds: throws where the cursor column is no moment. */
export function checkLookback(plan: ReadPlan, relation: Relation, { mode, cursor }: SourceRequest): void {
  const first = plan.selected[plan.cursorIndexes[0] ?? -1];
  if (mode !== 'timestamp' || cursor.lookbackSeconds === 0 || first === undefined || first.type.kind === 'timestamp' || first.type.kind === 'date') return;
  throw new SyncError('CONFIG_INVALID', `cursor.lookback needs a date or timestamp, and ${relation.name}.${first.name} is ${first.type.kind}.`, {
    field: 'cursor.lookback',
    table: relation.name,
    column: first.name,
  });
}

/** What identifies a row: the tiebreak that the definition names, unless the catalogue has keys and none of them is within it; otherwise `own`. */
export function identity(relation: Relation, cursorKey: readonly string[], own: readonly string[]): readonly string[] {
  const nullable = (name: string): boolean => relation.columns.find((column) => column.name === name)?.nullable ?? true;
  return cursorKey.length > 0 && (relation.keys.length === 0 || identifies(relation.keys, cursorKey, nullable)) ? cursorKey : own;
}

/** What the source hands over. `key`: the relation's own, given up where a column of it is not read. */
export function schemaOf(plan: ReadPlan, relation: Relation, key: readonly string[]): Schema {
  const columns = plan.selected.slice(0, plan.visible);
  const names = new Set(columns.map(({ name }) => name));
  return { name: relation.name, columns, key: key.every((name) => names.has(name)) ? key : [] };
}

/** Where an error belongs, and what was being done, as the start of its message. */
export function readingPlace(doing: string, relation: Relation, request: SourceRequest): ErrorPlace & { readonly doing: string } {
  // A condition is part of each statement, and what is wrong with it shows only there
  const condition = request.where === undefined ? '' : ' (with `where`)';
  return { doing: `${doing} ${relation.name}${condition}`, table: relation.name, sync: request.sync };
}
