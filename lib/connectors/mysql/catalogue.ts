import { SyncError } from '../../errors.ts';
import type { UniqueKey } from '../sql/keys.ts';
import { didYouMean, parseTableName } from '../sql/names.ts';
import type { Session } from './session.ts';
import { type ColumnFacts, columnOf, type MysqlColumn } from './types.ts';

export interface FoundTable {
  readonly schema: string;
  readonly table: string;
  /** InnoDB, …; null for a view. */
  readonly engine: string | null;
  readonly estimatedRows: number | null;
}

/** MySQL's manual, "Schema Object Names": at most 64 characters of the basic multilingual plane, no space at the end. Some servers would take what they cannot find again. */
export function refuseName(name: string, what: 'table' | 'column'): void {
  const lacks = /[\u{10000}-\u{10FFFF}]/u.test(name)
    ? 'holds a character past U+FFFF, such as an emoji'
    : name.length > 64
      ? 'has more than 64 characters'
      : / $/.test(name)
        ? 'ends with a space'
        : undefined;
  if (lacks === undefined) return;
  const remedy = what === 'column' ? 'give it another one with columns.rename' : 'choose another one';
  throw new SyncError('CONFIG_INVALID', `The name of ${what} ${JSON.stringify(name)} ${lacks}, which MySQL's names cannot: ${remedy}.`, { [what]: name });
}

/** The database and the table that a written name means; the connection's own database where it names none. */
export async function resolveName(session: Session, written: string): Promise<{ schema: string; table: string }> {
  const { schema, table } = parseTableName(written);
  for (const part of schema === undefined ? [table] : [schema, table]) refuseName(part.text, 'table');
  if (schema !== undefined) return { schema: schema.text, table: table.text };
  const [row] = await session.query('SELECT DATABASE()');
  const current = row?.[0] ?? null;
  if (current === null)
    throw new SyncError('CONFIG_INVALID', `The connection names no database, so ${JSON.stringify(written)} has to: write database.table.`, { table: written });
  return { schema: current, table: table.text };
}

export async function findTable(session: Session, name: { schema: string; table: string }): Promise<FoundTable | null> {
  const rows = await session.query(
    'SELECT TABLE_SCHEMA, TABLE_NAME, ENGINE, TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
    [name.schema, name.table],
  );
  // The catalogue compares without case; the server may keep it
  const row = rows.find(([schema, table]) => schema === name.schema && table === name.table) ?? ((await foldsNames(session)) ? rows[0] : undefined);
  if (row === undefined) return null;
  const [schema = '', table = '', engine = null, count = null] = row;
  return { schema: schema ?? name.schema, table: table ?? name.table, engine, estimatedRows: count === null ? null : Number(count) };
}

async function foldsNames(session: Session): Promise<boolean> {
  const [row] = await session.query('SELECT @@lower_case_table_names');
  return row?.[0] !== '0';
}

export async function tableNotFound(session: Session, name: { schema: string; table: string }): Promise<SyncError> {
  const rows = await session.query('SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?', [name.schema]);
  const hint = didYouMean(
    name.table,
    rows.map(([table]) => table ?? ''),
  );
  const table = `${name.schema}.${name.table}`;
  return new SyncError('NOT_FOUND', `There is no table ${table}, or the user may not see it.${hint}`, { table });
}

export interface CatalogueColumn extends MysqlColumn {
  /** A default, AUTO_INCREMENT: rows need not bring it. */
  readonly filled: boolean;
  readonly computed: boolean;
}

export async function readColumns(session: Session, table: { schema: string; table: string }): Promise<CatalogueColumn[]> {
  const rows = await session.query(
    `SELECT COLUMN_NAME, COLUMN_TYPE, DATA_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, CHARACTER_OCTET_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION,
      CHARACTER_SET_NAME, COLLATION_NAME, COLUMN_DEFAULT, EXTRA FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION`,
    [table.schema, table.table],
  );
  const checks = await readChecks(session, table);
  return rows.map((row) => {
    const [name = '', declared = '', dataType = '', nullable, characters, octets, precision, scale, fraction, characterSet = null, collation = null] = row.map(
      (value) => value ?? undefined,
    );
    const fallback = row[11] ?? null;
    const extra = (row[12] ?? '').toLowerCase();
    const base = checks.json.has(name) ? 'json' : dataType.toLowerCase();
    const isText = /text$|blob$/.test(base);
    const bits = base === 'bit' ? precision : undefined;
    const length = bits ?? (isText ? octets : characters);
    const facts: ColumnFacts = {
      base,
      declared,
      unsigned: / unsigned/.test(declared),
      length: length === undefined ? null : Number(length),
      precision: precision === undefined ? null : Number(precision),
      scale: scale === undefined ? null : Number(scale),
      fraction: Number(fraction ?? 0),
      characterSet,
      collation,
      flag: base === 'tinyint' && checks.flags.has(name),
    };
    const column = columnOf(name, facts, { nullable: nullable === 'YES', flavour: session.server.mariadb ? 'mariadb' : 'mysql' });
    const computed = /(virtual|stored|persistent) generated|^virtual$|^persistent$/.test(extra) || /generated always/.test(extra);
    return { ...column, filled: computed || fallback !== null || /auto_increment|default_generated/.test(extra), computed };
  });
}

/** MariaDB's JSON is LONGTEXT with a check that the column is valid JSON; Idra's booleans are TINYINT with a check for 0 and 1. MySQL has checks since 8.0.16. */
async function readChecks(session: Session, table: { schema: string; table: string }): Promise<{ json: ReadonlySet<string>; flags: ReadonlySet<string> }> {
  const { mariadb, version } = session.server;
  if (!mariadb && version < 80_016) return { json: new Set(), flags: new Set() };
  const rows = await session.query(
    mariadb
      ? 'SELECT CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ?'
      : 'SELECT c.CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS AS c JOIN information_schema.TABLE_CONSTRAINTS AS t USING (CONSTRAINT_SCHEMA, CONSTRAINT_NAME) WHERE t.TABLE_SCHEMA = ? AND t.TABLE_NAME = ?',
    [table.schema, table.table],
  );
  const named = (pattern: RegExp): ReadonlySet<string> => {
    // MySQL writes the clause as if it stood in a text, with backslashes
    const clauses = rows.map(([clause]) => (mariadb ? clause : clause?.replace(/\\(.)/gs, '$1')) ?? '');
    const names = clauses.map((clause) => pattern.exec(clause)?.[1]?.replaceAll('``', '`'));
    return new Set(names.filter((name) => name !== undefined));
  };
  return { json: mariadb ? named(/^json_valid\(`((?:[^`]|``)+)`\)$/i) : new Set(), flags: named(/^\(?`((?:[^`]|``)+)` in \(0, ?1\)\)?$/i) };
}

export interface CatalogueKey extends UniqueKey {
  /** Over whole columns; an index over prefixes or expressions is unique too, but names no row. */
  readonly whole: boolean;
}

export async function readKeys(session: Session, table: { schema: string; table: string }): Promise<CatalogueKey[]> {
  const rows = await session.query(
    'SELECT INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND NON_UNIQUE = 0 ORDER BY INDEX_NAME, SEQ_IN_INDEX',
    [table.schema, table.table],
  );
  const keys = new Map<string, { columns: string[]; whole: boolean }>();
  for (const [index, column, part] of rows) {
    const key = keys.get(index ?? '') ?? { columns: [], whole: true };
    keys.set(index ?? '', key);
    key.columns.push(column ?? '');
    if (column === null || part !== null) key.whole = false;
  }
  return [...keys].map(([name, { columns, whole }]) => ({ name, primary: name === 'PRIMARY', columns, whole }));
}

/** What hangs on a table and would be set off by deleting its rows. */
export async function readDependents(
  session: Session,
  table: { schema: string; table: string },
): Promise<{ referencedBy: string[]; cascades: string[]; triggers: string[] }> {
  const references = await session.query(
    'SELECT CONSTRAINT_SCHEMA, TABLE_NAME, DELETE_RULE FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA = ? AND REFERENCED_TABLE_NAME = ?',
    [table.schema, table.table],
  );
  const triggers = await session.query('SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ?', [
    table.schema,
    table.table,
  ]);
  const named = references.map(([schema, name, rule]) => ({ name: `${schema}.${name}`, rule }));
  return {
    referencedBy: named.map(({ name }) => name),
    cascades: named.filter(({ rule }) => rule !== 'RESTRICT' && rule !== 'NO ACTION').map(({ name }) => name),
    triggers: triggers.map(([name]) => name ?? ''),
  };
}

/** Whether nothing but the key ties rows to those of other tables: the table refers to none, and no index has a column besides, which a foreign key of a table that the user cannot see could be to. */
export async function onlyKeyCounts(session: Session, table: { schema: string; table: string }, key: readonly string[]): Promise<boolean> {
  const place = [table.schema, table.table];
  const refers = await session.query(
    "SELECT 1 FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND CONSTRAINT_TYPE = 'FOREIGN KEY' LIMIT 1",
    place,
  );
  const indexed = await session.query(
    "SELECT COLUMN_NAME FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND INDEX_TYPE = 'BTREE'",
    place,
  );
  return refers.length === 0 && indexed.every(([column]) => column === null || column === undefined || key.includes(column));
}
