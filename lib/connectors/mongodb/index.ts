import type { CheckResult, Connector, DiscoveredTable } from '../connector.ts';
import { connect, type MongodbConnection } from './client.ts';
import { sampleColumns } from './collection.ts';
import { MongodbDestination } from './destination.ts';
import { mongoError } from './errors.ts';
import { openSource } from './source.ts';

export const connector: Connector = {
  async check(connection: unknown): Promise<CheckResult> {
    await using session = await connect(connection as MongodbConnection);
    const { db, server, transactions } = session;
    try {
      const names = await db.listCollections({}, { nameOnly: true }).toArray();
      return {
        server,
        read: `read ${names.length} collections of ${db.databaseName}${transactions ? '' : ', without change streams'}`,
        write: transactions ? 'write in transactions' : 'write by key, without transactions (standalone server)',
      };
    } catch (error) {
      throw mongoError(error, `list the collections of ${db.databaseName}`);
    }
  },

  async discover(connection: unknown, signal: AbortSignal): Promise<DiscoveredTable[]> {
    await using session = await connect(connection as MongodbConnection);
    const { db } = session;
    try {
      const found: DiscoveredTable[] = [];
      const names = (await db.listCollections({}, { nameOnly: true }).toArray())
        .map(({ name }) => name)
        .filter((name) => !name.startsWith('system.') && !name.startsWith('_idra_'));
      for (const name of names.sort()) {
        signal.throwIfAborted();
        const collection = db.collection(name);
        const { schema } = await sampleColumns(collection, { collection: name }, {});
        found.push({ name, columns: schema.columns, key: schema.key, estimatedRows: await collection.estimatedDocumentCount() });
      }
      return found;
    } catch (error) {
      throw mongoError(error, `list the collections of ${db.databaseName}`);
    }
  },

  openSource: (connection, request) => openSource(connection as MongodbConnection, request),

  async openDestination(connection, request) {
    return new MongodbDestination(connection as MongodbConnection, request);
  },
};
