/** One connection whose settings are fixed, so that neither the machine nor the role nor the database changes a value's text. */
import type { EventEmitter } from 'node:events';
import pg from 'pg';
import { SyncError } from '../../errors.ts';
import type { Value } from '../../values/types.ts';
import { postgresError, sqlState } from './errors.ts';
import type { Settings } from './settings.ts';

/** Text as the server sends it: no type is parsed. */
const asText: pg.CustomTypesConfig = { getTypeParser: () => (value: string | Buffer) => String(value) } as pg.CustomTypesConfig;

const fixedSettings = [
  "SET TimeZone = 'UTC'",
  "SET DateStyle = 'ISO, YMD'",
  "SET IntervalStyle = 'postgres'",
  // 1 and above: the shortest text that reads back to the same number
  'SET extra_float_digits = 1',
  "SET bytea_output = 'hex'",
  "SET client_encoding = 'UTF8'",
  'SET standard_conforming_strings = on',
  "SET xmloption = 'content'",
  // A long read or load is no fault; waiting for a lock is bounded instead
  'SET statement_timeout = 0',
  'SET idle_in_transaction_session_timeout = 0',
].join('; ');

/** How long to wait for another session's lock, in milliseconds. */
export const lockTimeoutMs = 15_000;

export class Session implements AsyncDisposable {
  readonly client: pg.Client;
  readonly name: string;
  #lost = false;

  private constructor(client: pg.Client, name: string) {
    this.client = client;
    this.name = name;
    // Without a listener the loss of an idle connection would end the process
    client.on('error', () => {
      this.#lost = true;
    });
    client.on('end', () => {
      this.#lost = true;
    });
  }

  static async open(settings: Settings, applicationName: string): Promise<Session> {
    const place = { doing: `Connecting to ${settings.name}` };
    try {
      const client = await connect(settings, applicationName);
      const session = new Session(client, settings.name);
      try {
        await client.query(`${fixedSettings}; SET lock_timeout = ${lockTimeoutMs}`);
      } catch (error) {
        session.destroy();
        throw error;
      }
      return session;
    } catch (error) {
      throw postgresError(error, { ...place, lost: true });
    }
  }

  /** The connection is gone, or about to be: whatever it was doing has to be asked anew. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Rows as arrays of text and null. Driver errors come as they are. */
  async query(text: string, params: readonly Value[] = []): Promise<(string | null)[][]> {
    return (await this.run(text, params)).rows;
  }

  /** The same with the number of rows that the statement changed, and the columns that it returned. */
  async run(text: string, params: readonly Value[] = []): Promise<{ rows: (string | null)[][]; rowCount: number; fields: pg.FieldDef[] }> {
    const values = params.map((value) => (typeof value === 'bigint' ? String(value) : value));
    const config = { text, rowMode: 'array' as const, types: asText };
    const result = await this.client.query<(string | null)[]>(values.length === 0 ? config : { ...config, values });
    return { rows: result.rows, rowCount: result.rowCount ?? 0, fields: result.fields };
  }

  /** Ends the connection without asking the server, whatever it is in the middle of. */
  destroy(): void {
    this.#lost = true;
    socketOf(this.client)?.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#lost) return this.destroy();
    const timer = setTimeout(() => this.destroy(), 2000);
    try {
      await this.client.end();
    } catch {
      // The connection was being given up: that it is gone already changes nothing
      this.destroy();
    } finally {
      clearTimeout(timer);
    }
  }
}

async function connect(settings: Settings, applicationName: string): Promise<pg.Client> {
  const { tls } = settings;
  if (tls.mode !== 'prefer') return attempt(settings, applicationName, tls.mode === 'force');
  try {
    return await attempt(settings, applicationName, true);
  } catch (error) {
    // The driver's own errors have no code: the server answered that it does not encrypt
    if (sqlState(error) !== undefined || (error instanceof Error && 'code' in error && error.code !== undefined)) throw error;
    return attempt(settings, applicationName, false);
  }
}

async function attempt(settings: Settings, applicationName: string, encrypted: boolean): Promise<pg.Client> {
  const { host, port, user, password, database, options, connectTimeoutMs, tls } = settings;
  const client = new pg.Client({
    host,
    port,
    user,
    password,
    database,
    ...(options === undefined ? {} : { options }),
    connectionTimeoutMillis: connectTimeoutMs,
    application_name: cutName(applicationName),
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ssl: encrypted ? tls.options : false,
  });
  let asked = false;
  let upgrading = false;
  const connection = (client as unknown as { connection: EventEmitter }).connection;
  connection.once('sslconnect', () => {
    upgrading = true;
  });
  for (const request of ['authenticationCleartextPassword', 'authenticationMD5Password', 'authenticationSASL'])
    connection.once(request, () => {
      asked = true;
    });
  try {
    await client.connect();
  } catch (error) {
    client.on('error', () => undefined);
    const socket = socketOf(client);
    socket?.destroy();
    // One byte answers the request to encrypt, and it was no yes
    if (encrypted && tls.mode === 'force' && !upgrading && (socket?.bytesRead ?? 0) > 0)
      throw new SyncError('CONNECTION_FAILED', `${settings.name} makes no encrypted connections, and the connection asks for one. See ssl.`, {
        field: 'ssl',
        cause: error,
      });
    // Without a password the driver gives up by itself, in words alone
    if (asked && password === undefined && sqlState(error) === undefined)
      throw new SyncError('AUTHENTICATION_FAILED', `${settings.name} asks for a password, and the connection has none.`, { field: 'password', cause: error });
    throw error;
  }
  return client;
}

/** The server keeps 63 bytes of printable ASCII. */
function cutName(name: string): string {
  return name.replace(/[^\x20-\x7e]/g, '?').slice(0, 63);
}

/** The driver's socket: its own way to end a connection waits for the server. */
function socketOf(client: pg.Client): { destroy(): void; readonly bytesRead: number } | undefined {
  return (client as unknown as { connection?: { stream?: { destroy(): void; readonly bytesRead: number } } }).connection?.stream;
}
