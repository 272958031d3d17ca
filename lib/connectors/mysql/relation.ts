/** The table or query of a sync as a relation that reads can be planned for. */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import { qualified } from '../sql/dialect.ts';
import { rowKey } from '../sql/keys.ts';
import { queryRelation, type Relation } from '../sql/read-plan.ts';
import { findTable, readColumns, readKeys, resolveName, tableNotFound } from './catalogue.ts';
import { mysqlDialect } from './dialect.ts';
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

export async function openRelation(session: Session, options: SourceOptions): Promise<MysqlRelation> {
  if (options.query !== undefined) return openQuery(session, options.query);
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
