/** One connection whose settings are fixed, so that neither the machine nor the user nor the server's defaults change a value or its text. */
import type { Duplex } from 'node:stream';
import mysql from 'mysql2';
import { SyncError } from '../../errors.ts';
import type { Value } from '../../values/types.ts';
import { driverTls, watchEncryption } from './encryption.ts';
import { endsConnection, mysqlError } from './errors.ts';
import type { Settings } from './settings.ts';

/** How long to wait for another session's lock. */
export const lockTimeoutSeconds = 30;

/**
 * NO_AUTO_VALUE_ON_ZERO: a 0 stays 0. No NO_ZERO_DATE: zero dates pass as they are. STRICT_ALL_TABLES: what does not fit is an error.
 */
const sqlMode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO,NO_AUTO_VALUE_ON_ZERO';

const fixedSettings = [
  "time_zone = '+00:00'",
  `sql_mode = '${sqlMode}'`,
  "lc_messages = 'en_US'",
  'sql_select_limit = 18446744073709551615',
  // A reader that is held up by a slow destination is no fault, nor is a load that waits for its source
  'net_write_timeout = 3600',
  'net_read_timeout = 3600',
  // Nor is a connection that waits for its turn
  'wait_timeout = 28800',
  `innodb_lock_wait_timeout = ${lockTimeoutSeconds}`,
  `lock_wait_timeout = ${lockTimeoutSeconds}`,
];

export interface Server {
  readonly mariadb: boolean;
  /** Major × 10,000 + minor × 100 + patch. */
  readonly version: number;
  /** As the server says it. */
  readonly text: string;
  /** LOAD DATA LOCAL is allowed by the server. */
  readonly localInfile: boolean;
  readonly maxAllowedPacket: number;
}

export interface ResultField {
  readonly name: string;
  readonly columnType: number;
  readonly columnLength: number;
  readonly characterSet: number;
  readonly decimals: number;
  readonly flags: number;
  readonly extendedFormat?: string;
  readonly extendedTypeName?: string;
}

export interface Outcome {
  readonly rows: (string | null)[][];
  readonly fields: readonly ResultField[];
  readonly affectedRows: number;
  /** The server counts to 65,535. */
  readonly warnings: number;
}

export type TypeCast = (field: { readonly type: string; readonly name: string; string(encoding?: string): string | null; buffer(): Buffer | null }) => unknown;

/** Text as the server sends it. The driver cannot tell the encoding of MySQL's JSON by itself. */
export const asText: TypeCast = (field) => (field.type === 'JSON' ? field.string('utf8') : field.string());

export class Session implements AsyncDisposable {
  readonly connection: mysql.Connection;
  readonly server: Server;
  readonly name: string;
  readonly #whenGone = new Set<() => void>();
  #gone = false;
  #lost = false;

  private constructor(connection: mysql.Connection, about: { server: Server; name: string }) {
    this.connection = connection;
    this.server = about.server;
    this.name = about.name;
    const end = (): void => {
      this.#lost = true;
      this.#gone = true;
      for (const listener of this.#whenGone) listener();
      this.#whenGone.clear();
    };
    // Without a listener the loss of an idle connection would end the process
    connection.on('error', end);
    connection.on('end', end);
    socketOf(connection).once('close', end);
  }

  static async open(settings: Settings, purpose: 'source' | 'destination'): Promise<Session> {
    const { host, port, user, password, database, name } = settings;
    const ssl = driverTls(settings);
    const connection = mysql.createConnection({
      ...(host.startsWith('/') ? { socketPath: host } : { host, port }),
      ...(user === undefined ? {} : { user }),
      ...(password === undefined ? {} : { password }),
      ...(database === undefined ? {} : { database }),
      ...(ssl === undefined ? {} : { ssl }),
      charset: 'utf8mb4',
      connectTimeout: 10_000,
      enableKeepAlive: true,
      keepAliveInitialDelay: 10_000,
      flags: [purpose === 'destination' ? '+LOCAL_FILES' : '-LOCAL_FILES'],
      connectAttributes: { program_name: 'idra' },
    });
    const encryption = watchEncryption(connection, settings);
    try {
      await new Promise<void>((resolve, reject) => {
        connection.once('error', reject);
        connection.connect((error) => (error === null ? resolve() : reject(error)));
      });
      encryption.assertCompared();
      const { rows } = await execute(connection, 'SELECT VERSION(), @@local_infile, @@max_allowed_packet', []);
      const session = new Session(connection, { server: readServer(rows[0] ?? []), name });
      await session.query('SET NAMES utf8mb4');
      await session.query(`SET SESSION ${fixedSettings.join(', SESSION ')}`);
      // MySQL answers with counts of rows that may be a day old
      await session.query(
        `SET SESSION ${session.server.mariadb ? 'max_statement_time = 0' : 'max_execution_time = 0, SESSION information_schema_stats_expiry = 0'}`,
      );
      return session;
    } catch (error) {
      connection.on('error', () => undefined);
      connection.destroy();
      throw mysqlError(encryption.explained(error), { doing: `Connecting to ${name}`, lost: true });
    }
  }

  /** Whatever the connection was doing has to be asked anew. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Rows as arrays of text and null. Driver errors come as they are. */
  async query(sql: string, params: readonly Value[] = []): Promise<(string | null)[][]> {
    return (await this.run(sql, params)).rows;
  }

  async run(sql: string, params: readonly Value[] = []): Promise<Outcome> {
    if (this.#lost) throw new SyncError('CONNECTION_FAILED', `The connection to ${this.name} was lost.`, { retry: 'now' });
    try {
      return await execute(this.connection, sql, params);
    } catch (error) {
      this.note(error);
      throw error;
    }
  }

  /** Calls `listener` when the connection is gone, whoever ended it. The function that it returns ends that: a session outlives many loads, and a promise would keep them all. */
  whenGone(listener: () => void): () => void {
    if (this.#gone) listener();
    else this.#whenGone.add(listener);
    return () => this.#whenGone.delete(listener);
  }

  /** An error may tell of the loss before the socket does. */
  note(error: unknown): void {
    if (endsConnection(error)) this.#lost = true;
  }

  /** What the connection writes to: for backpressure. */
  get socket(): Duplex {
    return socketOf(this.connection);
  }

  /** Ends the connection without asking the server, whatever it is in the middle of. */
  destroy(): void {
    this.#lost = true;
    this.connection.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#lost) return this.destroy();
    const timer = setTimeout(() => this.destroy(), 2000);
    await new Promise<void>((resolve) => {
      // The server closes last: before that it still counts the session, which could be one too many for a limit
      this.whenGone(resolve);
      // That it is gone already, or cannot be ended in order, changes nothing: it is being given up
      this.connection.end(() => undefined);
    });
    clearTimeout(timer);
    this.destroy();
  }
}

function socketOf(connection: mysql.Connection): Duplex {
  // The driver's own field: its types leave it out
  return (connection as unknown as { stream: Duplex }).stream;
}

function execute(connection: mysql.Connection, sql: string, params: readonly Value[]): Promise<Outcome> {
  const values = params.map((value) => (typeof value === 'bigint' ? String(value) : value));
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, result: unknown, fields: unknown): void => {
      if (error !== null) reject(error);
      else if (Array.isArray(result)) resolve({ rows: result, fields: (fields ?? []) as ResultField[], affectedRows: 0, warnings: 0 });
      else {
        const header = result as mysql.ResultSetHeader;
        resolve({ rows: [], fields: [], affectedRows: header.affectedRows, warnings: header.warningStatus });
      }
    };
    const options = { sql, rowsAsArray: true, typeCast: asText as mysql.TypeCast };
    if (values.length === 0) connection.query(options, done);
    else connection.query({ ...options, values }, done);
  });
}

function readServer(row: readonly (string | null)[]): Server {
  const [text = '', infile, packet] = row.map((value) => value ?? '');
  const [, major = 0, minor = 0, patch = 0] = (/(\d+)\.(\d+)\.(\d+)/.exec(text.replace(/^5\.5\.5-/, '')) ?? []).map(Number);
  return {
    mariadb: /mariadb/i.test(text),
    version: major * 10_000 + minor * 100 + patch,
    text,
    localInfile: infile === '1' || infile === 'ON',
    maxAllowedPacket: Number(packet),
  };
}
