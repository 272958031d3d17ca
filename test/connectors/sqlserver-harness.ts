import sql from 'mssql';
import { config } from '../../lib/connectors/sqlserver/config.ts';
import { connector } from '../../lib/connectors/sqlserver/index.ts';
import { toHex } from '../../lib/values/bytes.ts';
import { toText } from '../../lib/values/convert.ts';
import { doubleText } from '../../lib/values/numbers.ts';
import type { Column } from '../../lib/values/types.ts';
import { type Harness, sqlTables } from '../conformance/harness.ts';
import { freshDatabase } from '../support/fresh.ts';
import { sqlserverConfig, sqlserverConnection } from '../support/servers/sqlserver.ts';

export function quote(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`;
}

/** Types as a person would declare them, so that nothing hangs on how the connector does. */
function declared({ type }: Column, key: boolean): string {
  switch (type.kind) {
    case 'boolean':
      return 'bit';
    case 'int32':
      return 'int';
    case 'int64':
      return 'bigint';
    case 'uint64':
      return 'decimal(20, 0)';
    case 'float64':
      return 'float';
    case 'bytes':
      return key ? 'varbinary(255)' : 'varbinary(max)';
    case 'decimal':
      return type.precision === undefined ? 'decimal(38, 10)' : `decimal(${type.precision}, ${type.scale ?? 0})`;
    case 'time':
      return `time(${type.fraction})`;
    case 'timestamp':
      return `${type.zoned ? 'datetimeoffset' : 'datetime2'}(${type.fraction})`;
    case 'string': {
      const exact = key ? ' COLLATE Latin1_General_100_BIN2' : '';
      // A character beyond the first plane counts twice
      return type.maxLength === undefined ? (key ? `nvarchar(255)${exact}` : 'nvarchar(max)') : `nvarchar(${type.maxLength * 2})${exact}`;
    }
    case 'uuid':
      return 'uniqueidentifier';
    case 'json':
      return 'nvarchar(max)';
    default:
      return type.kind;
  }
}

export const cannotHold = {
  'decimal NaN': 'DECIMAL has numbers only',
  'decimal Infinity': 'DECIMAL has numbers only',
  'decimal -Infinity': 'DECIMAL has numbers only',
  'smallest double': 'FLOAT ends at 2.23e-308',
  'negative zero': 'its sign is not promised',
  NaN: 'FLOAT has numbers only',
  Infinity: 'FLOAT has numbers only',
  '-Infinity': 'FLOAT has numbers only',
  'date BC': 'years are 1 to 9999',
  'date past 9999': 'years are 1 to 9999',
  'infinite date': 'years are 1 to 9999',
  'zero date': 'years are 1 to 9999',
  'date without a day': 'every date has a day',
  '24:00:00': 'TIME is a time of day',
  '838 hours': 'TIME is a time of day',
  'negative time': 'TIME is a time of day',
  'infinite timestamp': 'years are 1 to 9999',
  'timestamp minus infinity': 'years are 1 to 9999',
  'zero timestamp': 'years are 1 to 9999',
  'infinite zoned': 'years are 1 to 9999',
} as const;

function textLiteral(text: string): string {
  // A NUL ends a statement on some ways, and a backslash before a line's end vanishes
  const parts = text.split(/(\0|\\\r?\n)/).filter((part) => part !== '');
  const pieces = parts.map((part) =>
    part === '\0' ? 'NCHAR(0)' : part.startsWith('\\') && part.length > 1 ? `N'\\' + N'${part.slice(1)}'` : `N'${part.replaceAll("'", "''")}'`,
  );
  return pieces.length === 0 ? "N''" : pieces.join(' + ');
}

export async function sqlserverHarness(): Promise<
  Harness & {
    readonly url: string;
    readonly pool: sql.ConnectionPool;
    execute(statement: string): Promise<void>;
    rows(statement: string): Promise<(string | null)[][]>;
  }
> {
  const fresh = await freshDatabase('sqlserver');
  const pool = await new sql.ConnectionPool({ ...sqlserverConfig(fresh.url), arrayRowMode: true } as sql.config).connect();
  const cell = (value: unknown): string | null => {
    if (value === null || value === undefined) return null;
    return typeof value === 'number' ? doubleText(value) : Buffer.isBuffer(value) ? value.toString('hex') : String(value);
  };
  const rows = async (statement: string): Promise<(string | null)[][]> => {
    const request = pool.request();
    request.arrayRowMode = true;
    const { recordset } = await request.batch(statement);
    return ((recordset ?? []) as unknown as unknown[][]).map((row) => row.map(cell));
  };
  const execute = async (statement: string): Promise<void> => {
    await pool.request().batch(statement);
  };
  const connection = config.connection.parse(sqlserverConnection(fresh.url));
  return {
    system: 'sqlserver',
    connector,
    config,
    connection,
    url: fresh.url,
    pool,
    source: (table) => config.source.parse({ table: quote(table) }),
    query: (query) => config.source.parse({ query }),
    destination: (table) => config.destination.parse({ table: quote(table) }),
    execute,
    rows,
    quote,
    columns: async (table) =>
      (await rows(`SELECT name FROM sys.columns WHERE object_id = OBJECT_ID(${textLiteral(quote(table))}) ORDER BY column_id`)).map(([name]) => String(name)),
    cannotHold,
    foldsTrailingSpaces: true,
    connections: async () =>
      Number((await rows("SELECT COUNT(*) FROM sys.dm_exec_sessions WHERE program_name LIKE 'idra%' AND database_id = DB_ID()"))[0]?.[0]),
    ...sqlTables({
      quote,
      type: declared,
      literal: (value, { type }) => {
        if (value instanceof Uint8Array) return `0x${toHex(value)}`;
        if (typeof value === 'boolean') return value ? '1' : '0';
        const text = toText(value, type) ?? '';
        if (type.kind === 'string' || type.kind === 'json') return textLiteral(text);
        if (type.kind === 'float64') return `CONVERT(float, N'${text}')`;
        return type.kind === 'timestamp' && type.zoned ? `CONVERT(datetimeoffset, N'${text}', 121)` : `N'${text}'`;
      },
      text: (expression, { type }) => {
        if (type.kind === 'decimal' || type.kind === 'uint64') return `CONVERT(varchar(50), ${expression})`;
        if (type.kind === 'date') return `CONVERT(varchar(10), ${expression}, 23)`;
        return type.kind === 'time' || type.kind === 'timestamp' ? `CONVERT(varchar(40), ${expression}, 121)` : expression;
      },
      value: (text, { type }) => {
        if (type.kind === 'boolean') return text === 'true';
        if (type.kind === 'bytes') return Buffer.from(text, 'hex');
        if (type.kind === 'uuid') return text.toLowerCase();
        return type.kind === 'timestamp' && type.zoned ? text.replace(/ ([+-][0-9]{2}:[0-9]{2})$/, '$1') : text;
      },
      execute,
      rows,
    }),
    [Symbol.asyncDispose]: async () => {
      await pool.close();
      await fresh[Symbol.asyncDispose]();
    },
  };
}
