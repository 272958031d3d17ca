import pg from 'pg';
import { config } from '../../lib/connectors/postgres/config.ts';
import { connector } from '../../lib/connectors/postgres/index.ts';
import { toText } from '../../lib/values/convert.ts';
import type { Column } from '../../lib/values/types.ts';
import { type Harness, sqlTables } from '../conformance/harness.ts';
import { freshDatabase } from '../support/fresh.ts';

export function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Types as a person would declare them, so that nothing hangs on how the connector does. */
function declared({ type }: Column): string {
  switch (type.kind) {
    case 'int32':
      return 'integer';
    case 'int64':
      return 'bigint';
    case 'uint64':
      return 'numeric(20)';
    case 'float64':
      return 'double precision';
    case 'bytes':
      return 'bytea';
    case 'decimal':
      return type.precision === undefined ? 'numeric' : `numeric(${type.precision}, ${type.scale ?? 0})`;
    case 'time':
      return `time(${type.fraction})`;
    case 'timestamp':
      return type.fraction > 6 ? 'text' : `timestamp(${type.fraction}) ${type.zoned ? 'with' : 'without'} time zone`;
    case 'string':
      return type.maxLength === undefined ? 'text' : `varchar(${type.maxLength})`;
    default:
      return type.kind;
  }
}

export const cannotHold = {
  NUL: 'text of PostgreSQL has no U+0000',
  'lone surrogate': 'UTF-8 has no surrogates',
  'zero date': 'there is no year 0 and no month 0',
  'date without a day': 'there is no day 0',
  'zero timestamp': 'there is no year 0 and no month 0',
  '838 hours': 'a time is a time of day',
  'negative time': 'a time is a time of day',
} as const;

/** What the server prints in its own words, as the canonical text. */
function canonical(text: string, { type }: Column): string {
  if (type.kind !== 'date' && type.kind !== 'timestamp') return text;
  const zoned = type.kind === 'timestamp' && type.zoned && !text.includes('infinity');
  const [, year = '', rest = ''] = /^([0-9]{4,})(-.*?)(?: BC)?$/.exec(text) ?? [];
  if (year === '') return text;
  const moment = zoned ? `${rest}:00` : rest;
  if (text.endsWith(' BC')) return `${year === '0001' ? '+' : '-'}${String(Number(year) - 1).padStart(6, '0')}${moment}`;
  return `${year.length > 4 ? `+${year.padStart(6, '0')}` : year}${moment}`;
}

export async function postgresHarness(): Promise<Harness & { readonly client: pg.Client; readonly url: string }> {
  const fresh = await freshDatabase('postgres');
  const client = new pg.Client({ connectionString: fresh.url, types: { getTypeParser: () => (text: string) => text } as never });
  await client.connect();
  await client.query("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET bytea_output = 'hex'; SET extra_float_digits = 1");
  const rows = async (sql: string): Promise<(string | null)[][]> => (await client.query<(string | null)[]>({ text: sql, rowMode: 'array' })).rows;
  const connection = config.connection.parse({ type: 'postgres', url: fresh.url });
  return {
    system: 'postgres',
    connector,
    config,
    connection,
    client,
    url: fresh.url,
    source: (table) => config.source.parse({ table: quote(table) }),
    query: (query) => config.source.parse({ query }),
    destination: (table) => config.destination.parse({ table: quote(table) }),
    execute: async (sql) => {
      await client.query(sql);
    },
    quote,
    columns: async (table) =>
      (
        await rows(
          `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('${quote(table).replaceAll("'", "''")}') AND attnum > 0 AND NOT attisdropped ORDER BY attnum`,
        )
      ).map(([name]) => String(name)),
    cannotHold,
    connections: async () =>
      Number(
        (
          await rows("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'")
        )[0]?.[0],
      ),
    ...sqlTables({
      quote,
      type: declared,
      literal: (value, { type }) => {
        if (value instanceof Uint8Array) return `'\\x${Buffer.from(value).toString('hex')}'::bytea`;
        const text = toText(value, type) ?? '';
        const expanded = /^([+-])([0-9]{6})(-.*)$/.exec(text);
        if (expanded !== null && (type.kind === 'date' || type.kind === 'timestamp')) {
          const [, sign, year, rest = ''] = expanded;
          return sign === '-' || Number(year) === 0 ? `'${String(Number(year) + 1).padStart(4, '0')}${rest} BC'` : `'${Number(year)}${rest}'`;
        }
        return `'${text.replaceAll("'", "''")}'`;
      },
      text: (expression) => expression,
      value: (text, column) => {
        if (column.type.kind === 'boolean') return text === 't';
        if (column.type.kind === 'bytes') return Buffer.from(text.slice(2), 'hex');
        return canonical(text, column);
      },
      execute: async (sql) => {
        await client.query(sql);
      },
      rows,
    }),
    [Symbol.asyncDispose]: async () => {
      await client.end();
      await fresh[Symbol.asyncDispose]();
    },
  };
}
