/**
 * What a connector gives to the suites: where to work, and a way to make and to look at tables that does not go through the connector itself. One short file for each connector under test/connectors.
 */
import type { Connector, ConnectorConfig, Mode } from '../../lib/connectors/connector.ts';
import type { Column, LogicalKind, Row, Schema } from '../../lib/values/types.ts';

export interface Harness extends AsyncDisposable {
  readonly system: string;
  readonly connector: Connector;
  readonly config: ConnectorConfig;
  /** Resolved and parsed, as the connector gets it from the engine. */
  readonly connection: unknown;
  /** The definition's `source` for a table with this exact name, whatever characters it has, parsed by `config.source`. `columns`: their types, for a system that declares none. */
  source(table: string, columns?: readonly Column[]): unknown;
  /** The same for a query; absent where the system has none. */
  query?(sql: string): unknown;
  /** The definition's `destination`, parsed by `config.destination`. */
  destination(table: string): unknown;
  /** Makes a table with `schema.name`, a primary key over `schema.key`, and rows, by other means than the connector. Values in any form of their type. */
  create(schema: Schema, rows: readonly Row[]): Promise<void>;
  /** All rows of a table in any order, each value in a form of its column's type, by other means than the connector. */
  read(table: string, columns: readonly Column[]): Promise<Row[]>;
  /** Names of the table's columns. */
  columns(table: string): Promise<string[]>;
  /** One statement; absent where the system speaks no SQL. */
  execute?(sql: string): Promise<void>;
  /** An identifier in the system's SQL. */
  quote?(name: string): string;
  /**
   * Cases of `values.ts` that no column of this system holds exactly, by name, each with the reason: as a source it cannot have them, as a destination it has to refuse them.
   */
  readonly cannotHold: Readonly<Record<string, string>>;
  /** Logical kinds that a table made by `create` keeps in a form without the order of their values, so that they cannot be a cursor (a decimal as text). */
  readonly unordered?: readonly LogicalKind[];
  /** Logical kinds that a table made by `create` keeps in a column that takes anything. */
  readonly untyped?: readonly LogicalKind[];
  /** Collections of documents: no declared columns, a key always, conditions in another language than SQL, moments without a zone only as text. */
  readonly schemaless?: boolean;
  /** Without transactions: an insert needs a key, and takes the place of a row that has it. */
  readonly insertReplaces?: boolean;
  /** Keeps messages or objects, with no index over them: an insert adds a row whatever its key. */
  readonly appends?: boolean;
  /** A claim shuts the writer before it out at once, one of the same fence as well. */
  readonly claimShutsOut?: boolean;
  /** Tables that the destination makes take no rows of 5 MB. */
  readonly refusesLargeRows?: boolean;
  /** The mode that reads everything; absent: `full`. */
  readonly whole?: Mode;
  /** Names of tables that the destination's configuration refuses. */
  refusesTable?(name: string): boolean;
  /** Names of columns that the destination refuses. */
  refusesColumn?(name: string): boolean;
  /** One row more into a table that is there, by other means than the connector, where the system speaks no SQL. */
  append?(schema: Schema, row: Row): Promise<void>;
  /** Keys that differ only in spaces at their end are one to the system: the connector refuses them by name. */
  readonly foldsTrailingSpaces?: boolean;
  /** Number of connections that the connector holds, as the server counts them; absent where nothing can tell. */
  connections?(): Promise<number>;
}

export type MakeHarness = () => Promise<Harness>;

/** For harnesses of SQL databases: `create`, `read` and `execute` from a few words of the dialect. */
export interface SqlWords {
  quote(name: string): string;
  /** Type of a column for a logical type. `key`: it is part of the primary key. */
  type(column: Column, key: boolean): string;
  /** A value as an exact literal. */
  literal(value: Exclude<Row[number], null>, column: Column): string;
  /** Expression for the exact text of a column, from which `value` makes the canonical value. */
  text(expression: string, column: Column): string;
  value(text: string, column: Column): Row[number];
  execute(sql: string): Promise<void>;
  /** Rows of texts or null. */
  rows(sql: string): Promise<(string | null)[][]>;
}

/** Statements stay under a megabyte or so. */
const insertBytes = 1_000_000;

export function sqlTables(words: SqlWords): Pick<Harness, 'create' | 'read'> {
  return {
    create: async (schema, rows) => {
      const definitions = schema.columns.map((column) => {
        const key = schema.key.includes(column.name);
        return `${words.quote(column.name)} ${words.type(column, key)}${key || !column.nullable ? ' NOT NULL' : ' NULL'}`;
      });
      if (schema.key.length > 0) definitions.push(`PRIMARY KEY (${schema.key.map((name) => words.quote(name)).join(', ')})`);
      await words.execute(`CREATE TABLE ${words.quote(schema.name)} (${definitions.join(', ')})`);
      const names = schema.columns.map(({ name }) => words.quote(name)).join(', ');
      let tuples: string[] = [];
      let bytes = 0;
      const flush = async (): Promise<void> => {
        if (tuples.length > 0) await words.execute(`INSERT INTO ${words.quote(schema.name)} (${names}) VALUES ${tuples.join(', ')}`);
        tuples = [];
        bytes = 0;
      };
      for (const row of rows) {
        const tuple = `(${schema.columns.map((column, i) => literalOf(words, row[i], column)).join(', ')})`;
        tuples.push(tuple);
        bytes += tuple.length;
        if (bytes > insertBytes || tuples.length >= 1000) await flush();
      }
      await flush();
    },
    read: async (table, columns) => {
      const list = columns.map((column) => words.text(words.quote(column.name), column)).join(', ');
      const rows = await words.rows(`SELECT ${list} FROM ${words.quote(table)}`);
      return rows.map((row) =>
        columns.map((column, i) => {
          const text = row[i] ?? null;
          return text === null ? null : words.value(text, column);
        }),
      );
    },
  };
}

function literalOf(words: SqlWords, value: Row[number] | undefined, column: Column): string {
  return value === null || value === undefined ? 'NULL' : words.literal(value, column);
}
