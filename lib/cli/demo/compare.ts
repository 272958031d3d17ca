/** Both sides, value by value: each database writes its values as text itself, so that what Idra moved is not judged by how Idra reads. */
import { createHash } from 'node:crypto';
import { findConnector } from '../../connectors/registry.ts';
import type { EngineDeps } from '../../engine/deps.ts';
import type { TargetType } from './target.ts';

type Kind = 'integer' | 'text' | 'decimal' | 'bytes' | 'moment';

/** The sample's columns, in the order in which both sides are read. */
export const tables: Readonly<Record<string, Readonly<Record<string, Kind>>>> = {
  customers: { id: 'integer', name: 'text', nickname: 'text', balance: 'decimal', picture: 'bytes', updated_at: 'moment' },
  orders: { id: 'integer', customer_id: 'integer', status: 'text', total: 'decimal', updated_at: 'moment' },
  order_items: { id: 'integer', order_id: 'integer', product: 'text', quantity: 'integer', price: 'decimal' },
};

/** The same text for the same value in each dialect: all digits, microseconds, bytes in upper-case hex. */
const asText: Readonly<Record<TargetType, Readonly<Record<Kind, (column: string) => string>>>> = {
  sqlite: {
    integer: (column) => `CAST(${column} AS TEXT)`,
    decimal: (column) => column,
    text: (column) => column,
    bytes: (column) => `CASE WHEN ${column} IS NOT NULL THEN hex(${column}) END`,
    moment: (column) => column,
  },
  postgres: {
    integer: (column) => `${column}::text`,
    decimal: (column) => `${column}::text`,
    text: (column) => column,
    bytes: (column) => `upper(encode(${column}, 'hex'))`,
    moment: (column) => `to_char(${column}, 'YYYY-MM-DD HH24:MI:SS.US')`,
  },
  mysql: {
    integer: (column) => `CAST(${column} AS CHAR)`,
    decimal: (column) => `CAST(${column} AS CHAR)`,
    text: (column) => column,
    bytes: (column) => `HEX(${column})`,
    moment: (column) => `DATE_FORMAT(${column}, '%Y-%m-%d %H:%i:%s.%f')`,
  },
};

export interface Side {
  readonly connection: string;
  readonly type: TargetType;
  readonly tablePrefix: string;
}

export interface Fingerprint {
  readonly rows: number;
  /** SHA-256 over the sorted digests of the rows, hex. */
  readonly checksum: string;
}

/** Reads a whole table. Rows are told apart exactly: NULL from empty text, every digit, every byte. */
export async function fingerprint(table: string, { connection: name, type, tablePrefix }: Side, deps: Pick<EngineDeps, 'open'>): Promise<Fingerprint> {
  const columns = Object.entries(tables[table] ?? {}).map(([column, kind]) => `${asText[type][kind](column)} AS ${column}`);
  const options = findConnector(type)?.config.source.parse({ query: `SELECT ${columns.join(', ')} FROM ${tablePrefix}${table}` });
  const { connector, connection } = await deps.open(name);
  const { signal } = new AbortController();
  const cursor = { key: [], lookbackSeconds: 0, nulls: 'refuse' } as const;
  await using source = await connector.openSource(connection, { sync: 'demo', options, mode: 'full', cursor, peer: 'none' }, signal);
  const digests: string[] = [];
  for await (const chunk of source.read({ from: null, maxRows: 10_000, maxBytes: 4 * 1024 ** 2 }, signal)) {
    if (chunk.kind !== 'rows') throw new Error('the demo asked for rows and got raw bytes');
    if (chunk.rejected !== undefined && chunk.rejected.length > 0) throw chunk.rejected[0]?.error;
    for (const row of chunk.rows) digests.push(createHash('sha256').update(JSON.stringify(row)).digest('base64'));
  }
  return { rows: digests.length, checksum: createHash('sha256').update(digests.sort().join()).digest('hex') };
}
