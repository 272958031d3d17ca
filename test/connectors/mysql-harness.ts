import mysql from 'mysql2/promise';
import { config } from '../../lib/connectors/mysql/config.ts';
import { connector } from '../../lib/connectors/mysql/index.ts';
import { toHex } from '../../lib/values/bytes.ts';
import { toText } from '../../lib/values/convert.ts';
import { utcText } from '../../lib/values/datetime.ts';
import type { Column } from '../../lib/values/types.ts';
import { type Harness, sqlTables } from '../conformance/harness.ts';
import { freshDatabase } from '../support/fresh.ts';

export function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

/** Types as a person would declare them, so that nothing hangs on how the connector does. */
function declared({ type }: Column, key: boolean): string {
  switch (type.kind) {
    case 'boolean':
      return 'bit(1)';
    case 'int32':
      return 'int';
    case 'int64':
      return 'bigint';
    case 'uint64':
      return 'bigint unsigned';
    case 'float64':
      return 'double';
    case 'bytes':
      return key ? 'varbinary(255)' : 'longblob';
    case 'decimal':
      return type.precision === undefined ? 'decimal(65, 30)' : `decimal(${type.precision}, ${type.scale ?? 0})`;
    case 'time':
      return `time(${type.fraction})`;
    case 'timestamp':
      return type.fraction > 6 ? 'longtext' : `${type.zoned ? 'timestamp' : 'datetime'}(${type.fraction})`;
    case 'string':
      return type.maxLength === undefined ? (key ? 'varchar(255)' : 'longtext') : `varchar(${type.maxLength})`;
    case 'uuid':
      return 'char(36)';
    default:
      return type.kind;
  }
}

export const cannotHold = {
  'decimal NaN': 'DECIMAL has numbers only',
  'decimal Infinity': 'DECIMAL has numbers only',
  'decimal -Infinity': 'DECIMAL has numbers only',
  NaN: 'DOUBLE has numbers only',
  Infinity: 'DOUBLE has numbers only',
  '-Infinity': 'DOUBLE has numbers only',
  'negative zero': 'its sign is gone when it is read',
  'lone surrogate': 'UTF-8 has no surrogates',
  'date BC': 'years are 0 to 9999',
  'date past 9999': 'years are 0 to 9999',
  'infinite date': 'years are 0 to 9999',
  'infinite timestamp': 'years are 0 to 9999',
  'timestamp minus infinity': 'years are 0 to 9999',
  'infinite zoned': 'years are 0 to 9999',
  'zoned before 1970': 'TIMESTAMP begins in 1970',
  'zoned before 1900': 'TIMESTAMP begins in 1970',
  'seven fraction digits': 'a second has six digits',
} as const;

/** `on`: another server than the shared one. */
export async function mysqlHarness(on?: {
  readonly url: string;
}): Promise<Harness & { readonly url: string; readonly isMariadb: boolean; readonly client: mysql.Connection; execute(sql: string): Promise<void> }> {
  const fresh = await freshDatabase('mysql', on);
  const client = await mysql.createConnection({
    uri: fresh.url,
    rowsAsArray: true,
    // MySQL says that JSON is binary
    typeCast: (field) => field.string(field.type === 'JSON' ? 'utf8' : undefined),
    charset: 'utf8mb4',
  });
  await client.query("SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO', lc_messages = 'en_US'");
  const rows = async (sql: string): Promise<(string | null)[][]> => (await client.query(sql))[0] as unknown as (string | null)[][];
  const execute = async (sql: string): Promise<void> => {
    await client.query(sql);
  };
  const isMariadb = String((await rows('SELECT VERSION()'))[0]?.[0]).includes('MariaDB');
  const [exact] =
    (await rows("SELECT COLLATION_NAME FROM information_schema.COLLATIONS WHERE COLLATION_NAME IN ('utf8mb4_nopad_bin', 'utf8mb4_0900_bin')"))[0] ?? [];
  await execute(`ALTER DATABASE ${quote(fresh.name)} CHARACTER SET utf8mb4 COLLATE ${exact}`);
  const connection = config.connection.parse({ type: 'mysql', url: fresh.url });
  return {
    system: 'mysql',
    connector,
    config,
    connection,
    client,
    url: fresh.url,
    source: (table) => config.source.parse({ table: quote(table) }),
    query: (query) => config.source.parse({ query }),
    destination: (table) => config.destination.parse({ table: quote(table) }),
    execute,
    quote,
    columns: async (table) => {
      const found = await client.query(
        'SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION',
        [table],
      );
      return (found[0] as unknown as string[][]).map(([name]) => String(name));
    },
    isMariadb,
    cannotHold: isMariadb ? cannotHold : { ...cannotHold, 'JSON digits past a double': "MySQL's JSON has 64-bit integers and doubles" },
    connections: async () =>
      Number((await rows('SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = DATABASE() AND ID <> CONNECTION_ID()'))[0]?.[0]),
    ...sqlTables({
      quote,
      type: declared,
      literal: (value, { type }) => {
        if (value instanceof Uint8Array) return `x'${toHex(value)}'`;
        if (typeof value === 'boolean') return value ? "b'1'" : "b'0'";
        const text = toText(value, type) ?? '';
        const moment = type.kind === 'timestamp' && type.zoned ? (utcText(text) ?? text) : text;
        return `'${moment.replace(/['\\]/g, '\\$&').replaceAll('\0', '\\0')}'`;
      },
      text: (expression, { type }) => (type.kind === 'boolean' ? `${expression} + 0` : type.kind === 'bytes' ? `HEX(${expression})` : expression),
      value: (text, { type }) => {
        if (type.kind === 'boolean') return text === '1';
        if (type.kind === 'bytes') return Buffer.from(text, 'hex');
        return type.kind === 'timestamp' && type.zoned ? `${text}+00:00` : text;
      },
      execute,
      rows,
    }),
    [Symbol.asyncDispose]: async () => {
      await client.end();
      await fresh[Symbol.asyncDispose]();
    },
  };
}
