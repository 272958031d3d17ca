/** The table or query of a sync as a relation that reads can be planned for. */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import { qualified } from '../sql/dialect.ts';
import { rowKey } from '../sql/keys.ts';
import { queryRelation, type Relation } from '../sql/read-plan.ts';
import { findTable, readColumns, readKeys, resolveName, tableNotFound } from './catalogue.ts';
import { exactCollation } from './create-table.ts';
import { mysqlDialect, quote } from './dialect.ts';
import type { Session } from './session.ts';
import { columnOfField, comparable, type MysqlColumn } from './types.ts';

export interface SourceOptions {
  readonly table?: string;
  readonly query?: string;
}

export interface MysqlRelation extends Relation {
  readonly columns: readonly MysqlColumn[];
  /** The table's own key, also where it has no order to read by. */
  readonly ownKey: readonly string[];
}

/** `cursorNames`: the columns that the user names as cursor and key. */
export async function openRelation(session: Session, options: SourceOptions, cursorNames: readonly string[]): Promise<MysqlRelation> {
  if (options.query !== undefined) return exactlyOrdered(session, await openQuery(session, options.query), cursorNames);
  const name = await resolveName(session, options.table ?? '');
  const found = await findTable(session, name);
  if (found === null) throw await tableNotFound(session, name);
  const columns = await readColumns(session, found);
  const keys = (await readKeys(session, found)).filter((key) => key.whole);
  const from = qualified(mysqlDialect, found.schema, found.table);
  const columnNamed = (column: string): MysqlColumn | undefined => columns.find((candidate) => candidate.name === column);
  const nullable = (column: string): boolean => columnNamed(column)?.nullable ?? true;
  const ordered = keys.filter((key) => key.columns.every((column) => comparable(columnNamed(column)?.facts ?? noFacts)));
  return {
    name: `${found.schema}.${found.table}`,
    from,
    qualifier: from,
    columns,
    keys: ordered,
    key: rowKey(ordered, nullable),
    ownKey: rowKey(keys, nullable),
  };
}

const noFacts = {
  base: 'enum',
  declared: '',
  unsigned: false,
  length: null,
  precision: null,
  scale: null,
  fraction: 0,
  characterSet: null,
  collation: null,
  flag: false,
};

async function openQuery(session: Session, query: string): Promise<MysqlRelation> {
  const name = `query:${createHash('sha256').update(query).digest('hex').slice(0, 16)}`;
  const shape = queryRelation(query, name, { columns: [], key: [] });
  const { fields } = await session.run(`SELECT * FROM ${shape.from} LIMIT 0`);
  const flavour = session.server.mariadb ? 'mariadb' : 'mysql';
  const columns = fields.map((field) => columnOfField(field, flavour));
  const twice = columns.find(({ name: first }, i) => columns.findIndex((column) => column.name === first) !== i);
  if (twice !== undefined)
    throw new SyncError('CONFIG_INVALID', `The query has two columns called ${JSON.stringify(twice.name)}: give each its own name (AS …).`, {
      column: twice.name,
    });
  return { ...shape, columns, ownKey: [] };
}

/**
 * A query's texts in the order of a collation that tells all texts apart: under its own, rows whose keys merely compare as equal would be skipped where a
 * chunk ends between them.
 */
async function exactlyOrdered(session: Session, relation: MysqlRelation, ordered: readonly string[]): Promise<MysqlRelation> {
  const isText = ({ name, type }: MysqlColumn): boolean => ordered.includes(name) && type.kind === 'string';
  if (!relation.columns.some(isText)) return relation;
  const known = new Set((await session.query('SELECT COLLATION_NAME FROM information_schema.COLLATIONS')).map(([name]) => name ?? ''));
  const collation = exactCollation(known);
  const list = relation.columns.map((column) => {
    const name = quote(column.name);
    return isText(column) ? `CONVERT(q.${name} USING utf8mb4) COLLATE ${collation} AS ${name}` : `q.${name}`;
  });
  const columns = relation.columns.map((column) => (isText(column) ? { ...column, facts: { ...column.facts, characterSet: 'utf8mb4', collation } } : column));
  return { ...relation, from: `(SELECT ${list.join(', ')} FROM ${relation.from}) AS q`, columns };
}
