/** One connection whose settings are fixed, so that neither the machine nor the login's defaults change a value or its text. */
import type mssql from 'mssql';
import tedious from 'tedious';
import { SyncError } from '../../errors.ts';
import type { Value } from '../../values/types.ts';
import { endsConnection, serverError, sqlserverError } from './errors.ts';
import { type HeldConnection, holdConnection } from './held-connection.ts';
import type { Settings } from './settings.ts';

const { TYPES } = tedious;

/** How long to wait for another session's lock. */
export const lockTimeoutSeconds = 30;
const connectTimeoutMs = 15_000;
/** The largest that holds with encryption as well. */
const packetBytes = 16_383;

/** A value as the driver hands it over: text, number, boolean, bytes; BIGINT as text. */
export type Cell = string | number | boolean | Buffer | null;

/** What the driver says of a result's column. */
export interface ResultColumn {
  readonly colName: string;
  readonly type: { readonly name: string };
  readonly userType: number;
  readonly flags: number;
  /** Bytes; 65,535 for `max`. */
  readonly dataLength?: number;
  readonly precision?: number;
  readonly scale?: number;
  readonly udtInfo?: { readonly typeName: string };
}

export interface Outcome {
  readonly rows: Cell[][];
  readonly columns: readonly ResultColumn[];
  /** Rows read or changed, of all statements together. */
  readonly rowCount: number;
}

export interface BulkColumn {
  readonly name: string;
  readonly type: 'bigint' | 'float' | 'bit' | 'nvarchar' | 'varbinary';
  /** Characters or bytes; Infinity for `max`. */
  readonly length?: number;
}

const bulkTypes = { bigint: TYPES.BigInt, float: TYPES.Float, bit: TYPES.Bit, nvarchar: TYPES.NVarChar, varbinary: TYPES.VarBinary } as const;

export class Session implements AsyncDisposable {
  readonly connection: tedious.Connection;
  readonly name: string;
  /** Resolves when the connection is gone, whoever ended it. */
  readonly gone: Promise<void>;
  #lost = false;

  private constructor(held: HeldConnection, name: string) {
    this.connection = held.connection;
    this.name = name;
    this.gone = held.gone;
    const end = (): void => {
      this.#lost = true;
    };
    // Without a listener the loss of an idle connection would end the process
    held.connection.on('error', end);
    held.connection.on('end', end);
  }

  /** `application`: what the server's administrators see. */
  static async open(settings: Settings, application: string): Promise<Session> {
    const { name } = settings;
    let refusal: { number: number; message: string } | undefined;
    let session: Session | undefined;
    try {
      const held = await holdConnection(configOf(settings, application), (token) => {
        refusal ??= token;
      });
      session = new Session(held, name);
      // Changed rows are counted, whatever the server says for all (user options)
      await session.batch(`SET NOCOUNT OFF; SET LOCK_TIMEOUT ${lockTimeoutSeconds * 1000}`);
      return session;
    } catch (error) {
      session?.destroy();
      const context = { doing: `Connecting to ${name}`, lost: true };
      // The driver's own error tells only that the login failed
      throw refusal === undefined ? sqlserverError(error, context) : serverError(refusal.number, refusal.message, context);
    }
  }

  /** Whatever the connection was doing has to be asked anew. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Rows of a statement with its values `@p1`, `@p2`, …. Driver errors come as they are. */
  async query(sql: string, params: readonly Value[] = []): Promise<Cell[][]> {
    return (await this.run(sql, params)).rows;
  }

  /** Text, number or boolean in the server's own text; for catalogues. */
  async texts(sql: string, params: readonly Value[] = []): Promise<(string | null)[][]> {
    return (await this.query(sql, params)).map((row) => row.map((value) => (value === null ? null : String(value))));
  }

  run(sql: string, params: readonly Value[] = []): Promise<Outcome> {
    return this.#execute(sql, (request) => {
      addParameters(request, params);
      this.connection.execSql(request);
    });
  }

  /** Null where the server has not begun to answer after this time. */
  async tryRun(sql: string, params: readonly Value[], patienceMs: number): Promise<Outcome | null> {
    try {
      return await this.#execute(sql, (request) => {
        addParameters(request, params);
        request.setTimeout(patienceMs);
        this.connection.execSql(request);
      });
    } catch (error) {
      if (!this.#lost && isTimeout(error)) return null;
      throw error;
    }
  }

  /** Without parameters, and in the session's own scope: temporary tables, settings and open transactions outlive it. */
  batch(sql: string): Promise<Outcome> {
    return this.#execute(sql, (request) => this.connection.execSqlBatch(request));
  }

  /** Loads rows, values in the order of `columns`; answers how many the server took. `table` is quoted. */
  async bulk(table: string, columns: readonly BulkColumn[], rows: Iterable<readonly unknown[]>): Promise<number> {
    this.#check();
    try {
      return await new Promise<number>((resolve, reject) => {
        const load = this.connection.newBulkLoad(table, { keepNulls: true }, (error, count) => {
          if (error === undefined || error === null) resolve(count ?? 0);
          else reject(error);
        });
        for (const { name, type, length } of columns) load.addColumn(name, bulkTypes[type], { nullable: true, ...(length === undefined ? {} : { length }) });
        this.connection.execBulkLoad(load, rows as Iterable<unknown[]>);
      });
    } catch (error) {
      this.note(error);
      throw error;
    }
  }

  /** An error may tell of the loss before the socket does. */
  note(error: unknown): void {
    if (endsConnection(error)) this.#lost = true;
  }

  /** Ends the connection without asking the server, whatever it is in the middle of; the server rolls back what is open. */
  destroy(): void {
    this.#lost = true;
    this.connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.destroy();
    await this.gone;
  }

  #check(): void {
    if (this.#lost) throw new SyncError('CONNECTION_FAILED', `The connection to ${this.name} was lost.`, { retry: 'now' });
  }

  async #execute(sql: string, start: (request: tedious.Request) => void): Promise<Outcome> {
    this.#check();
    const rows: Cell[][] = [];
    let columns: readonly ResultColumn[] = [];
    try {
      const rowCount = await new Promise<number>((resolve, reject) => {
        const request = new tedious.Request(sql, (error, count) => (error === undefined || error === null ? resolve(count ?? 0) : reject(error)));
        request.on('columnMetadata', (metadata) => {
          columns = metadata as unknown as readonly ResultColumn[];
        });
        request.on('row', (cells: readonly { value: Cell }[]) => {
          rows.push(cells.map(({ value }) => value));
        });
        start(request);
      });
      return { rows, columns, rowCount };
    } catch (error) {
      this.note(error);
      throw error;
    }
  }
}

export function addParameters(request: tedious.Request, params: readonly Value[]): void {
  for (const [i, value] of params.entries()) request.addParameter(`p${i + 1}`, ...parameterOf(value));
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && (error as { code?: string }).code === 'ETIMEOUT';
}

function parameterOf(value: Value): [(typeof TYPES)[keyof typeof TYPES], unknown] {
  if (typeof value === 'bigint') return [TYPES.BigInt, value];
  if (value instanceof Uint8Array) return [TYPES.VarBinary, Buffer.from(value.buffer, value.byteOffset, value.byteLength)];
  return [TYPES.NVarChar, value === null ? null : String(value)];
}

function configOf(settings: Settings, application: string): mssql.config {
  const { host, port, instance, user, password, database, ssl, ca } = settings;
  return {
    server: host,
    user: user ?? '',
    password: password ?? '',
    requestTimeout: settings.requestTimeoutMs,
    connectionTimeout: connectTimeoutMs,
    ...(port === undefined ? {} : { port }),
    ...(database === undefined ? {} : { database }),
    options: {
      ...(instance === undefined ? {} : { instanceName: instance }),
      encrypt: ssl !== 'disable',
      trustServerCertificate: ssl === 'require',
      ...(ca === undefined ? {} : { cryptoCredentialsDetails: { ca } }),
      appName: application.slice(0, 128),
      maxRetriesOnTransientErrors: 0,
      packetSize: packetBytes,
      // An error ends the whole transaction, so that nothing of it can be committed by what follows
      abortTransactionOnError: true,
      dateFormat: 'ymd',
      language: 'us_english',
      lowerCaseGuids: true,
    },
  };
}
