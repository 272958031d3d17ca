/** A table, view or query as something to read: columns with the types that declarations and, where these leave it open, the first rows give. */
import { hash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import type { Column, LogicalType } from '../../values/types.ts';
import { queryRelation, type Relation } from '../sql/read-plan.ts';
import { type CatalogTable, findTable, missingTable } from './catalog.ts';
import { type Database, Statements } from './database.ts';
import { quote } from './dialect.ts';
import { refuseParameters, statementError } from './errors.ts';
import { type Affinity, affinityOf, type Declared, declaredLength, declaredType } from './types.ts';

export interface ReadColumn {
  readonly column: Column;
  /** Null for a computed value, to which SQLite applies none. */
  readonly affinity: Affinity | null;
}

export interface SqliteRelation {
  readonly relation: Relation;
  readonly columns: readonly ReadColumn[];
  /** What messages call it. */
  readonly title: string;
  /** `UTF-8`, `UTF-16le` or `UTF-16be`. */
  readonly encoding: string;
  /** The rowid says how many rows there are, about. */
  readonly rowid: boolean;
}

/** Rows looked at where a declaration leaves the type open. */
const sampleRows = 1000;

/** `peer`: another SQLite file takes dates, UUIDs and JSON as the text they are. */
export function tableRelation(statements: Statements, written: string, peer: string): SqliteRelation {
  const table = findTable(statements, written);
  if (table === null) throw missingTable(statements, written);
  return describeTable(statements, table, peer);
}

export function describeTable(statements: Statements, table: CatalogTable, peer: string): SqliteRelation {
  const qualifier = `${quote('main')}.${quote(table.name)}`;
  const declared = table.columns.map(({ name, declared: text }) => ({ name, declared: text, meaning: meaningFor(text, peer) }));
  const types = settle(statements, qualifier, declared, table.name);
  const columns = table.columns.map((column, i): ReadColumn => {
    const type = types[i] ?? { kind: 'string' };
    const length = table.key.includes(column.name) && type.kind === 'string' ? declaredLength(column.declared) : undefined;
    const sized: LogicalType = length === undefined ? type : { kind: 'string', maxLength: length };
    const native = column.declared === '' ? {} : { native: { system: 'sqlite', type: column.declared } };
    return { column: { name: column.name, type: sized, nullable: column.nullable, ...native }, affinity: table.kind === 'table' ? column.affinity : null };
  });
  const rowid = { name: 'rowid', type: { kind: 'int64' }, nullable: false } satisfies Column;
  const { name, keys, key, hiddenRowid } = table;
  return {
    relation: {
      name,
      from: qualifier,
      qualifier,
      // May be named as a cursor or its key; never handed over as a column
      columns: [...columns.map(({ column }) => column), ...(hiddenRowid ? [rowid] : [])],
      keys: hiddenRowid ? [...keys, { name: 'rowid', primary: false, columns: ['rowid'] }] : keys,
      key,
    },
    columns,
    title: name,
    encoding: encodingOf(statements),
    rowid: hiddenRowid || (table.kind === 'table' && keys.some((other) => other.name === 'rowid')),
  };
}

export function customQuery(database: Database, query: string, peer: string): SqliteRelation {
  const name = `query:${hash('sha256', query, 'hex').slice(0, 16)}`;
  const title = 'the query';
  const bare = queryRelation(query, name, { columns: [], key: [] });
  let described: { name: string; type: string | null }[];
  try {
    // The first catches what is no SELECT, the second has the names as they are written
    refuseParameters(database.prepare(`SELECT * FROM ${bare.from}`), 'source.query');
    described = database.prepare(query.trim().replace(/;\s*$/, '')).columns();
  } catch (error) {
    throw statementError(error, 'prepare the source query');
  }
  const twin = described.find((column, i) => described.findIndex((other) => other.name.toLowerCase() === column.name.toLowerCase()) !== i);
  if (twin !== undefined)
    throw new SyncError('CONFIG_INVALID', `The source query gives two columns the name ${twin.name}: rename one with AS.`, { column: twin.name });
  const declared = described.map((column) => ({ name: column.name, declared: column.type ?? '', meaning: meaningFor(column.type ?? '', peer) }));
  const statements = new Statements(database);
  const types = settle(statements, bare.from, declared, title);
  const columns = declared.map((column, i): ReadColumn => {
    const native = column.declared === '' ? {} : { native: { system: 'sqlite', type: column.declared } };
    return { column: { name: column.name, type: types[i] ?? { kind: 'string' }, nullable: true, ...native }, affinity: null };
  });
  return {
    relation: queryRelation(query, name, { columns: columns.map(({ column }) => column), key: [] }),
    columns,
    title,
    encoding: encodingOf(statements),
    rowid: false,
  };
}

const textual = new Set<LogicalType['kind']>(['date', 'time', 'timestamp', 'uuid', 'json']);

function meaningFor(declared: string, peer: string): Declared {
  const meaning = declaredType(declared);
  return peer === 'sqlite' && textual.has(meaning.type.kind) ? { type: { kind: 'string' }, open: 'class' } : meaning;
}

function encodingOf(statements: Statements): string {
  return String(statements.first({ sql: 'PRAGMA encoding', params: [] })?.[0]);
}

interface OpenColumn {
  readonly name: string;
  readonly declared: string;
  readonly meaning: Declared;
}

/** Settles what declarations leave open by looking at the first rows. What other rows hold is checked when they are read. */
function settle(statements: Statements, from: string, columns: readonly OpenColumn[], title: string): LogicalType[] {
  const open = columns.filter(({ meaning }) => meaning.open !== undefined);
  if (open.length === 0) return columns.map(({ meaning }) => meaning.type);
  const inner = open.map(({ name }, i) => `${quote(name)} AS c${i}`).join(', ');
  const outer = open
    .map((_, i) => `group_concat(DISTINCT typeof(c${i})), sum(typeof(c${i}) = 'text' AND ${zoneTest(`c${i}`)}), sum(typeof(c${i}) = 'text')`)
    .join(', ');
  let found: unknown[] | undefined;
  try {
    found = statements.first({ sql: `SELECT ${outer} FROM (SELECT ${inner} FROM ${from} LIMIT ${sampleRows})`, params: [] });
  } catch (error) {
    throw statementError(error, `read the first rows of ${title}`);
  }
  return columns.map(({ meaning, declared }) => {
    const at = open.findIndex((other) => other.meaning === meaning);
    if (at < 0) return meaning.type;
    const classes = new Set(String(found?.[at * 3] ?? '').split(','));
    const [zoned, texts] = [found?.[at * 3 + 1], found?.[at * 3 + 2]];
    if (meaning.open === 'zone' && meaning.type.kind === 'timestamp') return { ...meaning.type, zoned: texts !== null && texts !== 0n && zoned === texts };
    return classType(classes, declared);
  });
}

function classType(classes: ReadonlySet<string>, declared: string): LogicalType {
  const has = (name: string): boolean => classes.has(name);
  if (has('text')) return { kind: 'string' };
  if (has('blob')) return { kind: 'bytes' };
  if (has('real')) return { kind: 'float64' };
  if (has('integer')) return { kind: 'int64' };
  return affinityOf(declared) === 'INTEGER' ? { kind: 'int64' } : { kind: 'string' };
}

/** The text ends in Z or an offset behind a time of day. */
function zoneTest(expression: string): string {
  return `(${expression} GLOB '*[Zz]' OR ${expression} GLOB '*:*[+-][0-9][0-9]' OR ${expression} GLOB '*:*[+-][0-9][0-9][0-9][0-9]' OR ${expression} GLOB '*:*[+-][0-9][0-9]:[0-9][0-9]')`;
}
