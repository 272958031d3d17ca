import { type CollectionInfo, type Db, type Document, MongoClient, ReadConcern } from 'mongodb';
import { SyncError } from '../../errors.ts';
import { mongoError, serverCode } from './errors.ts';

export interface MongodbConnection {
  readonly url: string;
  readonly database?: string;
}

export interface Session extends AsyncDisposable {
  readonly client: MongoClient;
  readonly db: Db;
  /** Has transactions: a member of a replica set, or the router of a sharded cluster. */
  readonly transactions: boolean;
  /** `MongoDB 8.0.4 (replica set rs0)` */
  readonly server: string;
}

const commandNotFound = 59;

/** Numbers stay in the type that they have in the document, and regular expressions in the server's own syntax. */
export const exactTypes = { promoteValues: false, promoteLongs: false, promoteBuffers: false, bsonRegExp: true } as const;

/**
 * On a replica set everything is read as the majority holds it: what one member alone has can be rolled back after an election, and would stay in the destination, or let the position pass what takes its place.
 * A source may be read where the url says (`readPreference`, `readConcernLevel`); `primaryOnly` overrules it, for a destination that has to see what it wrote itself.
 *
 * Throws `CONNECTION_FAILED`, `AUTHENTICATION_FAILED`, or `CONFIG_INVALID` where neither url nor database name one. */
export async function connect(connection: MongodbConnection, { primaryOnly = false }: { readonly primaryOnly?: boolean } = {}): Promise<Session> {
  let client: MongoClient | undefined;
  try {
    client = new MongoClient(connection.url, {
      appName: 'idra',
      serverSelectionTimeoutMS: 10_000,
      connectTimeoutMS: 10_000,
      maxPoolSize: 4,
      ignoreUndefined: false,
    });
    await client.connect();
    const name = connection.database ?? client.options.dbName;
    if (connection.database === undefined && !namesDatabase(connection.url))
      throw new SyncError('CONFIG_INVALID', 'The connection names no database: set database, or put it into the path of url.', { field: 'database' });
    const plain = client.db(name);
    const greeting = await greet(plain);
    const version = await plain.command({ buildInfo: 1 }).then(
      (info) => String(info.version),
      () => 'of unknown version',
    );
    const set = greeting.setName as string | undefined;
    const sharded = greeting.msg === 'isdbgrid';
    const kind = sharded ? 'sharded cluster' : set === undefined ? 'standalone' : `replica set ${set}`;
    const open = client;
    const transactions = sharded || set !== undefined;
    const readConcern = (primaryOnly ? undefined : client.options.readConcern) ?? new ReadConcern('majority');
    const db = transactions ? client.db(name, { readConcern, ...(primaryOnly ? { readPreference: 'primary' } : {}) }) : plain;
    return { client, db, transactions, server: `MongoDB ${version} (${kind})`, [Symbol.asyncDispose]: () => open.close() };
  } catch (error) {
    await client?.close();
    throw mongoError(error, 'connect to MongoDB');
  }
}

async function greet(db: Db): Promise<Document> {
  try {
    return await db.command({ hello: 1 });
  } catch (error) {
    if (serverCode(error) !== commandNotFound) throw error;
    return db.command({ isMaster: 1 });
  }
}

/** Without one the driver would write to a database called `test`. */
function namesDatabase(url: string): boolean {
  return /^mongodb(\+srv)?:\/\/[^/]+\/[^?]/.test(url);
}

/** Null where there is none. Looked for here as well: not every server that speaks the protocol filters. */
export async function findCollection(db: Db, name: string): Promise<CollectionInfo | null> {
  const listed = await db.listCollections<CollectionInfo>({ name }).toArray();
  return listed.find((each) => each.name === name) ?? null;
}
