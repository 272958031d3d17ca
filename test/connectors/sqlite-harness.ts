import Database from 'better-sqlite3';
import { config } from '../../lib/connectors/sqlite/config.ts';
import { connector } from '../../lib/connectors/sqlite/index.ts';
import { toText } from '../../lib/values/convert.ts';
import type { Column } from '../../lib/values/types.ts';
import { type Harness, sqlTables } from '../conformance/harness.ts';
import { freshDatabase } from '../support/fresh.ts';

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Types as a person would declare them, so that nothing hangs on how the connector does. */
function declared({ type }: Column): string {
  switch (type.kind) {
    case 'boolean':
      return 'BOOLEAN';
    case 'int32':
    case 'int64':
    case 'uint64':
      return 'BIGINT';
    case 'float64':
      return 'DOUBLE PRECISION';
    case 'bytes':
      return 'BLOB';
    case 'decimal':
      return type.precision === undefined ? 'DECIMAL TEXT' : `DECIMAL TEXT(${type.precision}, ${type.scale ?? 0})`;
    case 'date':
      return 'DATE';
    case 'time':
      return 'TIME';
    case 'timestamp':
      return type.zoned ? `TIMESTAMPTZ(${type.fraction})` : `DATETIME(${type.fraction})`;
    case 'json':
      return 'JSON TEXT';
    case 'string':
      return type.maxLength === undefined ? 'TEXT' : `VARCHAR(${type.maxLength})`;
    default:
      return type.kind.toUpperCase();
  }
}

export const cannotHold = {
  'uint64 max': 'integers of SQLite have 63 bits and a sign',
  'uint64 above int64': 'integers of SQLite have 63 bits and a sign',
  'negative zero': 'a REAL column keeps whole numbers as integers',
  NaN: 'SQLite stores NaN as NULL',
  'lone surrogate': 'UTF-8 has no surrogates',
} as const;

export async function sqliteHarness(): Promise<Harness> {
  const fresh = await freshDatabase('sqlite');
  const database = new Database(fresh.url);
  database.pragma('journal_mode = WAL');
  database.defaultSafeIntegers();
  const connection = config.connection.parse({ type: 'sqlite', path: fresh.url });
  const rows = (sql: string): (string | null)[][] => database.prepare(sql).raw().all() as (string | null)[][];
  return {
    system: 'sqlite',
    connector,
    config,
    connection,
    source: (table) => config.source.parse({ table: quote(table) }),
    query: (query) => config.source.parse({ query }),
    destination: (table) => config.destination.parse({ table: quote(table) }),
    execute: async (sql) => {
      database.exec(sql);
    },
    quote,
    columns: async (table) => rows(`SELECT name FROM pragma_table_info('${table.replaceAll("'", "''")}')`).map(([name]) => String(name)),
    cannotHold,
    unordered: ['decimal'],
    ...sqlTables({
      quote,
      type: declared,
      literal: (value, { type }) => {
        if (value instanceof Uint8Array) return `x'${Buffer.from(value).toString('hex')}'`;
        if (typeof value === 'boolean') return value ? '1' : '0';
        const text = toText(value, type) ?? '';
        if (type.kind === 'float64') return text.replace('Infinity', '9e999');
        if (type.kind === 'int32' || type.kind === 'int64' || type.kind === 'uint64')
          return text === '-9223372036854775808' ? '(-9223372036854775807 - 1)' : text;
        return `CAST(x'${Buffer.from(text).toString('hex')}' AS TEXT)`;
      },
      text: (expression, { type }) =>
        type.kind === 'bytes'
          ? `CASE WHEN ${expression} IS NULL THEN NULL ELSE hex(${expression}) || typeof(${expression}) END`
          : type.kind === 'float64'
            ? expression
            : `CAST(${expression} AS TEXT)`,
      value: (text, { type }) => {
        if (type.kind === 'boolean') return text === '1' ? true : text === '0' ? false : text;
        if (type.kind === 'bytes') return text.endsWith('blob') ? Buffer.from(text.slice(0, -4), 'hex') : text;
        return text;
      },
      execute: async (sql) => {
        database.exec(sql);
      },
      rows: async (sql) => rows(sql),
    }),
    [Symbol.asyncDispose]: async () => {
      database.close();
      await fresh[Symbol.asyncDispose]();
    },
  };
}
