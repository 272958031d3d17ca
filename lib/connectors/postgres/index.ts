import type { Connector } from '../connector.ts';
import { checkSession, discoverTables } from './check.ts';
import { PostgresDestination } from './destination.ts';
import { postgresError } from './errors.ts';
import { Session } from './session.ts';
import { type PostgresConnection, resolveSettings } from './settings.ts';
import { PostgresSource } from './source.ts';

async function withSession<T>(connection: unknown, doing: string, work: (session: Session) => Promise<T>): Promise<T> {
  await using session = await Session.open(await resolveSettings(connection as PostgresConnection), 'idra');
  try {
    return await work(session);
  } catch (error) {
    throw postgresError(error, { doing, lost: session.lost });
  }
}

export const connector: Connector = {
  check: (connection, signal) => {
    signal.throwIfAborted();
    return withSession(connection, 'Checking the connection', checkSession);
  },
  discover: (connection, signal) => withSession(connection, 'Reading the catalogue', (session) => discoverTables(session, signal)),
  openSource: async (connection, request, signal) => {
    signal.throwIfAborted();
    return PostgresSource.open(await resolveSettings(connection as PostgresConnection), request);
  },
  openDestination: async (connection, request, signal) => {
    signal.throwIfAborted();
    return PostgresDestination.open(await resolveSettings(connection as PostgresConnection), request);
  },
};
