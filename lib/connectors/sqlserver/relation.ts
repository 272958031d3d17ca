/** The table or query of a sync as a relation that reads can be planned for. */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import { qualified } from '../sql/dialect.ts';
import { rowKey } from '../sql/keys.ts';
import { queryRelation, type Relation } from '../sql/read-plan.ts';
import { findTable, readColumns, readKeys, resolveName, tableNotFound } from './catalogue.ts';
import { exactCollation, quote, sqlserverDialect } from './dialect.ts';
import type { Session } from './session.ts';
import { columnOfResult, comparable, isText, readable, type SqlserverColumn } from './types.ts';

export interface SourceOptions {
  readonly table?: string;
  readonly query?: string;
}

export interface SqlserverRelation extends Relation {
  readonly columns: readonly SqlserverColumn[];
  /** The table's own key, also where it has no order to read by. */
  readonly ownKey: readonly string[];
}

/** `ordered`: the columns that the user names as cursor and key. */
export async function openRelation(session: Session, options: SourceOptions, ordered: readonly string[]): Promise<SqlserverRelation> {
  if (options.query !== undefined) return exactlyOrdered(await openQuery(session, options.query), ordered);
  const name = await resolveName(session, options.table ?? '');
  const found = await findTable(session, name);
  if (found === null) throw await tableNotFound(session, name);
  const columns = await readColumns(session, found);
  const keys = await readKeys(session, found);
  const from = qualified(sqlserverDialect, found.schema, found.table);
  const named = (column: string): SqlserverColumn | undefined => columns.find((candidate) => candidate.name === column);
  const nullable = (column: string): boolean => named(column)?.nullable ?? true;
  const sortable = keys.filter((key) => key.columns.every((column) => comparable(named(column)?.facts ?? noFacts)));
  return {
    name: `${found.schema}.${found.table}`,
    from,
    qualifier: from,
    columns,
    keys: sortable,
    key: rowKey(sortable, nullable),
    ownKey: rowKey(keys, nullable),
  };
}

const noFacts = { base: 'sql_variant', declared: '', length: null, precision: null, scale: null, collation: null };

/** Throws where a column has values of no exact form: they would have to be left out aloud. */
export function refuseUnreadable(relation: SqlserverRelation, names: readonly string[]): void {
  const column = relation.columns.find(({ name, facts }) => names.includes(name) && !readable(facts));
  if (column !== undefined)
    throw new SyncError(
      'UNSUPPORTED',
      `${relation.name}.${column.name} is ${column.facts.declared}, whose values cannot be moved exactly: exclude it (columns.exclude), or read a query that converts it.`,
      { table: relation.name, column: column.name },
    );
}

async function openQuery(session: Session, query: string): Promise<SqlserverRelation> {
  const name = `query:${createHash('sha256').update(query).digest('hex').slice(0, 16)}`;
  const shape = queryRelation(query, name, { columns: [], key: [] });
  const { columns: results } = await session.run(`SELECT TOP (0) * FROM ${shape.from}`);
  return { ...shape, columns: results.map(columnOfResult), ownKey: [] };
}

/**
 * A query's texts in the order of a collation that tells texts apart: under its own, rows whose keys merely compare as equal would be skipped where a
 * chunk ends between them. Spaces at the end are still ignored, which the source guards against.
 */
function exactlyOrdered(relation: SqlserverRelation, ordered: readonly string[]): SqlserverRelation {
  const sorts = ({ name, facts }: SqlserverColumn): boolean => ordered.includes(name) && isText(facts);
  if (!relation.columns.some(sorts)) return relation;
  const list = relation.columns.map((column) => {
    const name = quote(column.name);
    return sorts(column) ? `CONVERT(nvarchar(4000), q.${name}) COLLATE ${exactCollation} AS ${name}` : `q.${name}`;
  });
  const columns = relation.columns.map((column) =>
    sorts(column) ? { ...column, facts: { ...column.facts, base: 'nvarchar', declared: 'nvarchar(4000)', length: 4000, collation: exactCollation } } : column,
  );
  return { ...relation, from: `(SELECT ${list.join(', ')} FROM ${relation.from}) AS q`, columns };
}
