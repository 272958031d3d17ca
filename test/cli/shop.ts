/** A folder with two SQLite databases and the definitions between them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';

export interface Shop extends AsyncDisposable {
  readonly folder: string;
  readonly source: string;
  readonly copy: string;
  /** Replaces syncs.yaml. */
  define(yaml: string): Promise<void>;
  /** All rows of a statement, on the source unless told otherwise; integers as bigint. */
  rows(sql: string, file?: string): unknown[][];
  exec(sql: string, file?: string): void;
}

export const connections = `connections:
  shop: { type: sqlite, path: shop.db }
  copy: { type: sqlite, path: copy.db }
`;

/** `orders` of `rows` rows, ten to a timestamp, and a sync of them. */
export const ordersSync = `  - name: orders
    source: { connection: shop, table: orders }
    destination: { connection: copy, table: orders }
    mode: timestamp
    cursor: { column: updated_at, key: id }
    write: upsert
`;

/** The same with a transaction for every few rows, so that a run can be caught in the middle, and a lease that is soon over. */
export function slowOrders(batchRows = 10): string {
  return `${connections}syncs:\n${ordersSync}    batch: { rows: ${batchRows} }\n    lock: { ttl: 2s }\n`;
}

export async function shop(rows = 1000): Promise<Shop> {
  const folder: TemporaryFolder = await temporaryFolder();
  const source = join(folder.path, 'shop.db');
  const copy = join(folder.path, 'copy.db');
  const use = <T>(file: string, work: (database: Sqlite.Database) => T): T => {
    const database = new Sqlite(file);
    try {
      return work(database);
    } finally {
      database.close();
    }
  };
  const made: Shop = {
    folder: folder.path,
    source,
    copy,
    define: (yaml) => writeFile(join(folder.path, 'syncs.yaml'), yaml),
    rows: (sql, file = source) => use(file, (database) => database.prepare(sql).safeIntegers(true).raw().all() as unknown[][]),
    exec: (sql, file = source) => use(file, (database) => database.exec(sql)),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
  made.exec(`
    PRAGMA journal_mode = WAL;
    CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, total DECIMAL TEXT(12,2) NOT NULL, updated_at TIMESTAMP TEXT(6) NOT NULL);
    ${addOrders(1, rows)}
  `);
  await made.define(`${connections}syncs:\n${ordersSync}`);
  return made;
}

export function addOrders(first: number, count: number): string {
  if (count === 0) return '';
  return `WITH RECURSIVE numbers (n) AS (SELECT ${first} UNION ALL SELECT n + 1 FROM numbers WHERE n < ${first + count - 1})
    INSERT INTO orders SELECT n, CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'note ' || n END, printf('%d.%02d', n % 1000, n % 100),
      strftime('%Y-%m-%d %H:%M:%S', 1767225600 + n / 10, 'unixepoch') || '.000001' FROM numbers;`;
}
