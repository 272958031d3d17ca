import type { Connector } from '../connector.ts';
import { RestClient } from './client.ts';
import type { RestConnection } from './config.ts';
import { RestDestination } from './destination.ts';
import { openSource } from './source.ts';

/** Statuses of the base that tell at least that the service is there and does not refuse the credentials. */
const reached = [304, 400, 404, 405, 406, 410, 415, 422];

export const connector: Connector = {
  async check(connection, signal) {
    const rest = connection as RestConnection;
    await using client = new RestClient(rest, signal);
    const answer = await client.send({ method: 'GET', url: client.address(''), what: `GET of ${client.base.origin}`, accept: reached });
    const named = answer.headers.server;
    return {
      server: `${client.base.host}${typeof named === 'string' ? ` (${named})` : ''}`,
      read: 'whatever the credentials allow below the base',
      write: 'PUT to the address of a key is idempotent; POST counts once where the API honours Idempotency-Key, otherwise at least once',
    };
  },

  /** A service has no catalogue: its paths stand in its documentation. */
  async discover() {
    return [];
  },

  openSource: (connection, request, signal) => openSource(connection as RestConnection, request, signal),

  async openDestination(connection, request, signal) {
    return new RestDestination(connection as RestConnection, request, signal);
  },
};
