/** Servers of the bench's own, set up as one would for bulk loads: the same for Idra and for the peer. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { startMysql } from '../support/servers/mysql.ts';
import { startPostgres } from '../support/servers/postgres.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { columns, ddl, destinationDdl, fill, plainSelect, shell } from './data.ts';

const loadFormat = String.raw`CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n'`;

/** Two databases in each server, `src` and `dst`, and two SQLite files; `wide` is full in `src` and empty in `dst`. */
export class Bench implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  pgUrl = { src: '', dst: '' };
  myUrl = { src: '', dst: '' };
  lite = { src: '', dst: '' };
  #mysqlClient = '';

  static async start(rows: number): Promise<Bench> {
    const bench = new Bench();
    try {
      await bench.#startPostgres(rows);
      await bench.#startMysql();
      await bench.#startSqlite();
      return bench;
    } catch (error) {
      await bench[Symbol.asyncDispose]();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  async #startPostgres(rows: number): Promise<void> {
    const server = this.#stack.use(await startPostgres());
    await this.pg(server.url, [
      "ALTER SYSTEM SET shared_buffers = '2GB'",
      "ALTER SYSTEM SET max_wal_size = '16GB'",
      "ALTER SYSTEM SET checkpoint_timeout = '1h'",
      'CREATE DATABASE src',
      'CREATE DATABASE dst',
    ]);
    await server.process.stop();
    await server.process.start();
    await server.process.ready(() => this.pg(server.url, ['SELECT 1']));
    this.pgUrl = { src: server.url.replace(/postgres$/, 'src'), dst: server.url.replace(/postgres$/, 'dst') };
    await this.pg(this.pgUrl.src, [ddl.postgres, fill(rows), 'VACUUM ANALYZE wide']);
  }

  async #startMysql(): Promise<void> {
    const server = this.#stack.use(await startMysql());
    await this.my(server.url, ['SET GLOBAL innodb_buffer_pool_size = 2147483648', 'CREATE DATABASE src', 'CREATE DATABASE dst']);
    this.myUrl = { src: `${server.url}src`, dst: `${server.url}dst` };
    const { hostname, port, username, password } = new URL(server.url);
    this.#mysqlClient = `mariadb --no-defaults --local-infile=1 --protocol=tcp --default-character-set=utf8mb4 -h${hostname} -P${port} -u${username} -p${password}`;
    await this.my(this.myUrl.src, [ddl.mysql]);
    await this.loadMysql('src', '');
  }

  async #startSqlite(): Promise<void> {
    const folder = this.#stack.use(await temporaryFolder());
    this.lite = { src: join(folder.path, 'src.db'), dst: join(folder.path, 'dst.db') };
    await shell(`sqlite3 ${this.lite.src} "PRAGMA journal_mode=wal; ${ddl.sqlite}"`);
    await this.importSqlite('src');
  }

  async pg(url: string, statements: readonly string[]): Promise<void> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    try {
      for (const statement of statements) await client.query(statement);
    } finally {
      await client.end();
    }
  }

  async my(url: string, statements: readonly string[]): Promise<void> {
    const connection = await mysql.createConnection({ uri: url });
    try {
      for (const statement of statements) await connection.query(statement);
    } finally {
      await connection.end();
    }
  }

  /** `psql COPY | LOAD DATA LOCAL`, into `wide` of the database. */
  loadMysql(database: 'src' | 'dst', replace: '' | 'REPLACE'): Promise<void> {
    const load = `LOAD DATA LOCAL INFILE '/dev/stdin' ${replace} INTO TABLE wide ${loadFormat}`;
    return shell(`psql -qAt "$PG" -c "COPY ($SELECT) TO STDOUT" | ${this.#mysqlClient} ${database} -e "$LOAD"`, {
      PG: this.pgUrl.src,
      SELECT: plainSelect,
      LOAD: load,
    });
  }

  /** `mariadb -B | psql COPY`. NULL comes as the word, which no other column of this table holds. */
  mysqlToPostgres(): Promise<void> {
    return shell(`${this.#mysqlClient} --quick -BN src -e 'SELECT * FROM wide' | psql -q "$PG" -c "COPY wide FROM STDIN WITH (NULL 'NULL')"`, {
      PG: this.pgUrl.dst,
    });
  }

  /** `psql COPY CSV | sqlite3 .import`. */
  importSqlite(which: 'src' | 'dst'): Promise<void> {
    return shell(`psql -qAt "$PG" -c "COPY ($SELECT) TO STDOUT WITH (FORMAT csv)" | sqlite3 ${this.lite[which]} '.mode csv' '.import /dev/stdin wide'`, {
      PG: this.pgUrl.src,
      SELECT: plainSelect,
    });
  }

  sqliteToPostgres(): Promise<void> {
    return shell(`sqlite3 -csv ${this.lite.src} 'SELECT * FROM wide' | psql -q "$PG" -c 'COPY wide FROM STDIN WITH (FORMAT csv)'`, { PG: this.pgUrl.dst });
  }

  postgresToPostgres(): Promise<void> {
    return shell('psql -q "$SRC" -c "COPY wide TO STDOUT" | psql -q "$DST" -c "COPY wide FROM STDIN"', { SRC: this.pgUrl.src, DST: this.pgUrl.dst });
  }

  /** COPY to a temporary table and one INSERT … ON CONFLICT. */
  postgresUpsert(): Promise<void> {
    const set = columns.slice(1).map((name) => `${name} = excluded.${name}`);
    const merge = `INSERT INTO wide SELECT * FROM stage ON CONFLICT (id) DO UPDATE SET ${set.join(', ')}`;
    return shell('psql -q "$SRC" -c "COPY wide TO STDOUT" | psql -q "$DST" -c "CREATE TEMP TABLE stage (LIKE wide)" -c "COPY stage FROM STDIN" -c "$MERGE"', {
      SRC: this.pgUrl.src,
      DST: this.pgUrl.dst,
      MERGE: merge,
    });
  }

  /** An empty `wide` and no state in the destination of that kind. */
  async empty(kind: keyof typeof ddl, from: keyof typeof ddl): Promise<void> {
    const table = destinationDdl(from, kind);
    const drop = ['DROP TABLE IF EXISTS wide', 'DROP TABLE IF EXISTS _idra_state', 'DROP TABLE IF EXISTS _idra_dead_letters'];
    if (kind === 'postgres') await this.pg(this.pgUrl.dst, [...drop, table, 'CHECKPOINT']);
    else if (kind === 'mysql') await this.my(this.myUrl.dst, [...drop, table]);
    else {
      for (const suffix of ['', '-wal', '-shm']) await rm(`${this.lite.dst}${suffix}`, { force: true });
      await shell(`sqlite3 ${this.lite.dst} "PRAGMA journal_mode=wal; ${table}"`);
    }
  }

  /** Forgets that a sync ever ran, and keeps the rows: for upserts into a full table. */
  async forgetState(kind: 'postgres' | 'mysql'): Promise<void> {
    const drop = ['DROP TABLE IF EXISTS _idra_state', 'DROP TABLE IF EXISTS _idra_dead_letters'];
    if (kind === 'postgres') await this.pg(this.pgUrl.dst, [...drop, 'VACUUM wide', 'CHECKPOINT']);
    else await this.my(this.myUrl.dst, drop);
  }
}
