/**
 * The one connection of a session, made by mssql. Its pool puts a new connection silently in the place of a lost one, which would be without the temporary table, the settings and the transaction of
 * the old: so the pool has room for one, which is taken from it once and never given back, and it is closed as that connection ends.
 */
import mssql from 'mssql';
import type tedious from 'tedious';

export interface HeldConnection {
  readonly connection: tedious.Connection;
  /** Resolves when the connection has ended, whoever ended it, and nothing of the pool is left. */
  readonly gone: Promise<void>;
}

/** `onRefusal`: what the server says as it refuses the login, which the error that is thrown leaves out. Throws the driver's own error. */
export async function holdConnection(config: mssql.config, onRefusal: (refusal: { number: number; message: string }) => void): Promise<HeldConnection> {
  let latest: tedious.Connection | undefined;
  const pool = new mssql.ConnectionPool({
    ...config,
    // Nothing is ever taken from it a second time, so nothing needs to be looked at before
    validateConnection: false,
    pool: { max: 1, min: 0 },
    beforeConnect: (connection) => {
      latest = connection;
      connection.on('errorMessage', onRefusal);
    },
  });
  // The connection tells of its own errors; without a listener the pool's echo of one would end the process
  pool.on('error', () => undefined);
  try {
    await pool.connect();
    const connection = await pool.pool.acquire().promise;
    connection.removeListener('errorMessage', onRefusal);
    const ended = new Promise<void>((resolve) => {
      connection.once('error', () => resolve());
      connection.once('end', () => resolve());
    });
    const gone = ended.then(() => {
      pool.pool.release(connection);
      return pool.close();
    });
    return { connection, gone };
  } catch (error) {
    latest?.close();
    await pool.close();
    throw error instanceof mssql.MSSQLError ? (error.originalError ?? error) : error;
  }
}
