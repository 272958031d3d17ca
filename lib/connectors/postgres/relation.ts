/** The table or query of a sync as a relation that reads can be planned for. */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import { qualified } from '../sql/dialect.ts';
import { rowKey } from '../sql/keys.ts';
import { queryRelation, type Relation } from '../sql/read-plan.ts';
import { type FoundTable, findTable, readSelected, readTypes, tableNotFound } from './catalogue.ts';
import { postgresDialect } from './dialect.ts';
import type { Session } from './session.ts';
import { columnOf, type PgColumn } from './types.ts';

export interface SourceOptions {
  readonly table?: string;
  readonly query?: string;
}

export interface PgRelation extends Relation {
  readonly columns: readonly PgColumn[];
  /** Absent for a query. */
  readonly found?: FoundTable;
}

export async function openRelation(session: Session, options: SourceOptions, peer: string): Promise<PgRelation> {
  if (options.query !== undefined) return openQuery(session, options.query, peer);
  const written = options.table ?? '';
  const found = await findTable(session, written);
  if (found === null) throw await tableNotFound(session, written);
  const { columns: selected, keys } = await readSelected(session, found);
  const columns = selected.map(({ name, type, nullable }) => columnOf(name, type, { nullable, peer }));
  const from = qualified(postgresDialect, found.schema, found.table);
  const nullable = (name: string): boolean => columns.find((column) => column.name === name)?.nullable ?? true;
  return { name: `${found.schema}.${found.table}`, from, qualifier: from, columns, keys, key: rowKey(keys, nullable), found };
}

async function openQuery(session: Session, query: string, peer: string): Promise<PgRelation> {
  const name = `query:${createHash('sha256').update(query).digest('hex').slice(0, 16)}`;
  const shape = queryRelation(query, name, { columns: [], key: [] });
  const { fields } = await session.run(`SELECT * FROM ${shape.from} LIMIT 0`);
  const types = await readTypes(
    session,
    fields.map((field) => ({ oid: String(field.dataTypeID), modifier: field.dataTypeModifier })),
  );
  const names = new Set<string>();
  const columns = fields.map((field, i) => {
    const type = types[i];
    if (type === undefined) throw new SyncError('INTERNAL', `PostgreSQL names no type for column ${field.name} of the query.`);
    if (names.has(field.name))
      throw new SyncError('CONFIG_INVALID', `The query has two columns called ${JSON.stringify(field.name)}: give each its own name (AS …).`, {
        column: field.name,
      });
    names.add(field.name);
    // A query says nothing of NULL: each column may hold it
    return columnOf(field.name, type, { nullable: true, peer });
  });
  return { ...shape, columns };
}
