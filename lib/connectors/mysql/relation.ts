/** The table or query of a sync as a relation that reads can be planned for. */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import { qualified } from '../sql/dialect.ts';
import { rowKey } from '../sql/keys.ts';
import { queryRelation, type Relation } from '../sql/read-plan.ts';
import { findTable, readColumns, readKeys, resolveName, tableNotFound } from './catalogue.ts';
import { exactCollation } from './create-table.ts';
import { mysqlDialect, quote } from './dialect.ts';
import { errorNumber } from './errors.ts';
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

/** `ordered`: the columns that the user names as cursor and key. `every`: all columns are asked for, whatever they are called. */
export async function openRelation(
  session: Session,
  options: SourceOptions,
  about: { readonly ordered: readonly string[]; readonly every: boolean },
): Promise<MysqlRelation> {
  if (options.query !== undefined) return exactlyOrdered(session, await openQuery(session, options.query), about.ordered);
  const name = await resolveName(session, options.table ?? '');
  const found = await findTable(session, name);
  if (found === null) throw await tableNotFound(session, name);
  const columns = await readColumns(session, found);
  const keys = (await readKeys(session, found)).filter((key) => key.whole);
  const from = qualified(mysqlDialect, found.schema, found.table);
  if (about.every) await refuseHidden(session, from, `${found.schema}.${found.table}`);
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

/** The catalogue leaves out, without a word, the columns that the user may not read: the server says so only where all are asked for. */
async function refuseHidden(session: Session, from: string, table: string): Promise<void> {
  try {
    await session.query(`SELECT * FROM ${from} LIMIT 0`);
  } catch (error) {
    const number = errorNumber(error);
    if (number !== tableDenied && number !== columnDenied) throw error;
    throw new SyncError(
      'PERMISSION_DENIED',
      `The user may not read every column of ${table}, and those that are hidden would be missing without a word: grant SELECT on the table, or name the columns to read in columns.include.`,
      { table, cause: error },
    );
  }
}

const tableDenied = 1142;
const columnDenied = 1143;

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
