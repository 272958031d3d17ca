/** A small world for the fault bench: a SQLite source that can grow, a destination table without any key (so that a doubled row would stay), and children that run the sync. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { Report } from '../../lib/engine/report.ts';
import { type Fresh, freshDatabase } from '../support/fresh.ts';
import { sqlserverConfig, sqlserverConnection } from '../support/servers/sqlserver.ts';
import type { Backend } from '../support/servers.ts';
import type { IdraProcess } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import type { Orders } from './orders.ts';
import { runHere, startChild } from './runs.ts';

export type DestinationKind = Extract<Backend, 'postgres' | 'mysql' | 'sqlite' | 'sqlserver'>;

export interface StateRow {
  readonly epoch: bigint;
  readonly fence: bigint;
  readonly seq: bigint;
}

/** Runs statements and gives the rows of the last one, as text. */
type Query = (...statements: string[]) => Promise<(string | null)[][]>;

async function connect(kind: DestinationKind, url: string): Promise<{ query: Query; close: () => Promise<void> }> {
  const texts = (rows: readonly (readonly unknown[])[]): (string | null)[][] =>
    rows.map((row) => row.map((value) => (value === null || value === undefined ? null : String(value))));
  if (kind === 'sqlite') {
    const run: Query = async (...statements) => {
      const db = new Database(url);
      db.pragma('busy_timeout = 5000');
      try {
        let rows: unknown[][] = [];
        for (const statement of statements) {
          const prepared = db.prepare(statement);
          if (prepared.reader) rows = prepared.raw(true).safeIntegers(true).all() as unknown[][];
          else prepared.run();
        }
        return texts(rows);
      } finally {
        db.close();
      }
    };
    return { query: run, close: async () => undefined };
  }
  if (kind === 'postgres') {
    const { default: pg } = await import('pg');
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    return {
      query: async (...statements) => {
        let rows: unknown[][] = [];
        for (const statement of statements) rows = (await client.query({ text: statement, rowMode: 'array', types: { getTypeParser: () => String } })).rows;
        return texts(rows);
      },
      close: () => client.end(),
    };
  }
  if (kind === 'sqlserver') {
    const { default: sql } = await import('mssql');
    const pool = await new sql.ConnectionPool(sqlserverConfig(url)).connect();
    return {
      query: async (...statements) => {
        let rows: unknown[][] = [];
        for (const statement of statements) {
          const request = pool.request();
          request.arrayRowMode = true;
          rows = ((await request.batch(statement)).recordset ?? []) as unknown as unknown[][];
        }
        return texts(rows);
      },
      close: () => pool.close(),
    };
  }
  const { default: mysql } = await import('mysql2/promise');
  const connection = await mysql.createConnection({ uri: url, rowsAsArray: true, supportBigNumbers: true, bigNumberStrings: true });
  return {
    query: async (...statements) => {
      let rows: unknown = [];
      for (const statement of statements) [rows] = await connection.query(statement);
      return Array.isArray(rows) ? texts(rows as unknown[][]) : [];
    },
    close: () => connection.end(),
  };
}

export class World implements AsyncDisposable {
  readonly definitions: string;
  readonly #stack: AsyncDisposableStack;
  readonly #source: Database.Database;
  readonly #destination: { query: Query };
  readonly #store: Orders['store'];
  #rows = 0;

  private constructor(parts: {
    stack: AsyncDisposableStack;
    folder: string;
    source: Database.Database;
    destination: { query: Query };
    store: Orders['store'] | undefined;
  }) {
    this.#stack = parts.stack;
    this.#source = parts.source;
    this.#destination = parts.destination;
    this.definitions = join(parts.folder, 'syncs.json');
    this.#store = parts.store ?? { path: join(parts.folder, 'state.db') };
  }

  static async make(kind: DestinationKind, sync: object, options: { readonly store?: Orders['store']; readonly key?: boolean } = {}): Promise<World> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const fresh: Fresh = stack.use(await freshDatabase(kind));
    const destination = await connect(kind, fresh.url);
    stack.defer(destination.close);
    const source = new Database(join(folder, 'source.db'));
    stack.defer(() => {
      source.close();
    });
    source.pragma('journal_mode = WAL');
    source.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, at TEXT NOT NULL, note TEXT)');
    await destination.query(
      `CREATE TABLE orders_copy (id BIGINT NOT NULL${options.key === true ? ' PRIMARY KEY' : ''}, at VARCHAR(40) NOT NULL, note ${kind === 'sqlserver' ? 'NVARCHAR' : 'VARCHAR'}(200))`,
    );
    const world = new World({ stack, folder, source, destination, store: options.store });
    const to = kind === 'sqlite' ? { type: 'sqlite', path: fresh.url } : kind === 'sqlserver' ? sqlserverConnection(fresh.url) : { type: kind, url: fresh.url };
    await writeFile(
      world.definitions,
      JSON.stringify({
        connections: { from: { type: 'sqlite', path: join(folder, 'source.db') }, to },
        syncs: [
          {
            name: 'orders',
            source: { connection: 'from', table: 'orders' },
            destination: { connection: 'to', table: 'orders_copy' },
            mode: 'id',
            cursor: { column: 'id' },
            write: 'insert',
            batch: { rows: 500, bytes: '1MB' },
            lock: { ttl: '1s', wait: '20s' },
            ...sync,
          },
        ],
      }),
    );
    return world;
  }

  /** Adds rows to the source; `at` gives each its time. */
  grow(count: number, at: (id: number) => string = (id) => `2026-01-01 00:00:00.${String(id % 1_000_000).padStart(6, '0')}`): void {
    const insert = this.#source.prepare('INSERT INTO orders VALUES (?, ?, ?)');
    this.#source.transaction(() => {
      for (let i = 0; i < count; i++) {
        this.#rows++;
        insert.run(this.#rows, at(this.#rows), this.#rows % 7 === 0 ? null : `note ${this.#rows} ☕`);
      }
    })();
  }

  #orders(): Pick<Orders, 'definitions' | 'sync' | 'store'> {
    return { definitions: this.definitions, sync: 'orders', store: this.#store };
  }

  /** In a process of its own. */
  start(orders: Partial<Orders> = {}): IdraProcess {
    return startChild({ ...this.#orders(), ...orders });
  }

  /** In this process. */
  run(options: Pick<Orders, 'fencing' | 'existing'> = {}): Promise<Report> {
    return runHere({ ...this.#orders(), ...options });
  }

  query(...statements: string[]): Promise<(string | null)[][]> {
    return this.#destination.query(...statements);
  }

  /** The destination's rows minus the source's and the other way round; both empty, and the same count, is what must hold. */
  async difference(): Promise<{ readonly missing: string[]; readonly doubledOrForeign: string[] }> {
    const wanted = this.#source
      .prepare('SELECT id, at, note FROM orders')
      .raw(true)
      .all()
      .map((row) => JSON.stringify((row as unknown[]).map((value) => (value === null ? null : String(value)))));
    const found = (await this.query('SELECT id, at, note FROM orders_copy')).map((row) => JSON.stringify(row));
    const left = new Map<string, number>();
    for (const row of found) left.set(row, (left.get(row) ?? 0) + 1);
    const missing = wanted.filter((row) => {
      const count = left.get(row) ?? 0;
      left.set(row, count - 1);
      return count <= 0;
    });
    const doubledOrForeign = [...left].filter(([, count]) => count > 0).map(([row]) => row);
    return { missing, doubledOrForeign };
  }

  async state(): Promise<StateRow> {
    const [row] = await this.query("SELECT epoch, fence, seq FROM _idra_state WHERE sync = 'orders'");
    const [epoch, fence, seq] = (row ?? ['0', '0', '0']).map((value) => BigInt(value ?? 0));
    return { epoch: epoch ?? 0n, fence: fence ?? 0n, seq: seq ?? 0n };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
