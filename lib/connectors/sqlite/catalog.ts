/** What the file says about its tables: PRAGMA functions, which take names as bound values. */
import { SyncError } from '../../errors.ts';
import { rowKey, type UniqueKey } from '../sql/keys.ts';
import { didYouMean, parseTableName } from '../sql/names.ts';
import type { Statements } from './database.ts';
import { type Affinity, affinityOf } from './types.ts';

export interface CatalogColumn {
  readonly name: string;
  /** As declared; empty for none. */
  readonly declared: string;
  readonly affinity: Affinity;
  readonly nullable: boolean;
  readonly hasDefault: boolean;
  readonly generated: boolean;
  /** `INTEGER PRIMARY KEY`: the rowid by another name, in which NULL becomes the next number. */
  readonly numbered: boolean;
}

export interface CatalogKey extends UniqueKey {
  /** Some column compares by another collation than BINARY: values that differ can be one key. */
  readonly folds: boolean;
}

export interface CatalogTable {
  readonly name: string;
  readonly kind: 'table' | 'view' | 'virtual';
  /** Takes INTEGER, REAL, TEXT, BLOB and ANY as types alone. */
  readonly strict: boolean;
  /** A constraint may have an `ON CONFLICT` clause of its own, by which SQLite would delete, pass over or change rows without a word. */
  readonly resolves: boolean;
  /** Has a rowid that is not a column of its own. */
  readonly hiddenRowid: boolean;
  readonly columns: readonly CatalogColumn[];
  readonly keys: readonly CatalogKey[];
  readonly key: readonly string[];
}

const own = /^(_idra_|sqlite_)/i;

/** Tables and views of the file, SQLite's and Idra's own left out. */
export function listTables(statements: Statements): string[] {
  const rows = statements.all({ sql: "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type <> 'shadow' ORDER BY name", params: [] });
  return rows.map(([name]) => String(name)).filter((name) => !own.test(name));
}

/** The table as written in a definition: exact, else by SQLite's own rule that case does not matter. Null where it is missing. */
export function findTable(statements: Statements, written: string): CatalogTable | null {
  const { schema, table } = parseTableName(written);
  if (schema !== undefined && schema.text.toLowerCase() !== 'main')
    throw new SyncError('CONFIG_INVALID', `${written} names the schema ${schema.text}: a SQLite file has only main. Quote a table name that holds a dot.`, {
      table: written,
    });
  const [found] = statements.all({
    sql: "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ? COLLATE NOCASE",
    params: [table.text],
  });
  if (found === undefined) return null;
  const [name, type, withoutRowid, strict] = found;
  return describe(statements, String(name), {
    kind: type === 'view' || type === 'virtual' ? type : 'table',
    withoutRowid: withoutRowid === 1n,
    strict: strict === 1n,
    resolves: hasConflictClause(statements, String(name)),
  });
}

export function missingTable(statements: Statements, written: string): SyncError {
  const hint = didYouMean(parseTableName(written).table.text, listTables(statements));
  return new SyncError('NOT_FOUND', `There is no table or view ${written} in the SQLite file.${hint}`, { table: written });
}

/** The word stands in every such clause; where it stands for something else, nothing is lost by it. */
function hasConflictClause(statements: Statements, table: string): boolean {
  return (
    statements.first({ sql: "SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = ? AND sql LIKE '%conflict%'", params: [table] }) !== undefined
  );
}

interface Facts extends Pick<CatalogTable, 'kind' | 'strict' | 'resolves'> {
  readonly withoutRowid: boolean;
}

function describe(statements: Statements, name: string, facts: Facts): CatalogTable {
  const info = statements.all({ sql: 'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) ORDER BY cid', params: [name] });
  const primary = info.filter((row) => row[4] !== 0n).sort((a, b) => Number(a[4]) - Number(b[4]));
  // INTEGER PRIMARY KEY alone is the rowid by another name and never NULL; any other primary key of a rowid table may hold NULL (https://www.sqlite.org/lang_createtable.html)
  const keys = uniqueKeys(statements, name);
  const aliased = facts.kind === 'table' && !facts.withoutRowid && primary.length === 1 && !keys.some((key) => key.primary);
  const columns = info
    .filter((row) => row[5] !== 1n)
    .map(
      ([column, declared, notNull, defaultValue, pk, hidden]): CatalogColumn => ({
        name: String(column),
        declared: String(declared ?? ''),
        affinity: affinityOf(String(declared ?? '')),
        nullable: notNull === 0n && !(pk !== 0n && (aliased || facts.withoutRowid)),
        hasDefault: defaultValue !== null || (aliased && pk !== 0n),
        generated: hidden === 2n || hidden === 3n,
        numbered: aliased && pk !== 0n,
      }),
    );
  if (primary.length > 0 && !keys.some((key) => key.primary))
    keys.unshift({ name: 'rowid', primary: true, columns: primary.map((row) => String(row[0])), folds: false });
  const nullable = (column: string): boolean => columns.find((other) => other.name === column)?.nullable ?? true;
  const hiddenRowid = facts.kind === 'table' && !facts.withoutRowid && !aliased && !columns.some((column) => column.name.toLowerCase() === 'rowid');
  return { name, kind: facts.kind, strict: facts.strict, resolves: facts.resolves, hiddenRowid, columns, keys, key: rowKey([...keys], nullable) };
}

function uniqueKeys(statements: Statements, table: string): CatalogKey[] {
  const indexes = statements.all({ sql: 'SELECT name, origin FROM pragma_index_list(?) WHERE "unique" = 1 AND partial = 0', params: [table] });
  return indexes.flatMap(([name, origin]): CatalogKey[] => {
    const parts = statements.all({ sql: 'SELECT name, coll FROM pragma_index_xinfo(?) WHERE key = 1 ORDER BY seqno', params: [name ?? ''] });
    // A part without a name is an expression
    if (parts.some(([column]) => column === null)) return [];
    return [
      {
        name: String(name),
        primary: origin === 'pk',
        columns: parts.map(([column]) => String(column)),
        folds: parts.some(([, collation]) => collation !== 'BINARY'),
      },
    ];
  });
}

/** Tables whose rows would change or go with the rows of `table`: foreign keys with an action on delete. */
export function cascadingReferences(statements: Statements, table: string): string[] {
  const sql =
    "SELECT DISTINCT t.name FROM pragma_table_list AS t, pragma_foreign_key_list(t.name) AS f WHERE t.schema = 'main' AND t.type = 'table' " +
    `AND f."table" = ? COLLATE NOCASE AND t.name <> ? COLLATE NOCASE AND f.on_delete NOT IN ('NO ACTION')`;
  return statements.all({ sql, params: [table, table] }).map(([name]) => String(name));
}
