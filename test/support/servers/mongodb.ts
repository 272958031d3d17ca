/**
 * MongoDB as a replica set of one where a mongod is to be had. Otherwise mongo-java-server stands in, and what it lacks is tested only where the real one is:
 *
 * - no replica set, no sessions, hence no transactions and no retryable writes: for Idra it is a standalone server;
 * - change streams on a collection only, not on a database; in an update's event `documentKey` holds the update instead of the key (`fullDocument` is right);
 * - no `hello` (the driver falls back to the older greeting), no `$clusterTime`, no snapshot reads, no authentication;
 * - the data lives in memory: `kill` and `start` give an empty server.
 *
 * `hasTransactions` and `isReplicaSet` tell them apart.
 */
import { fileURLToPath } from 'node:url';
import { MongoClient } from 'mongodb';
import { startContainer } from './container.ts';
import { type Artifact, classPath, fetchJars, javaOptions } from './java.ts';
import { freePort } from './ports.ts';
import { dataFolder, ServerProcess } from './process.ts';
import { findProgram } from './programs.ts';
import type { Recipe, RunningServer, Server } from './recipe.ts';

const standIn = '1.47.0';
const artifacts: readonly Artifact[] = [`de.bwaldvogel:mongo-java-server:${standIn}`, 'org.slf4j:slf4j-simple:2.0.17'];
const launcher = fileURLToPath(new URL('java/ChangeStreamServer.java', import.meta.url));
/** Direct, so that a proxy or a container's port may stand between: a replica set would send its clients to the members' own addresses. */
const urlAt = (port: number): string => `mongodb://127.0.0.1:${port}/?directConnection=true`;

async function withClient<T>(url: string, work: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 2_000 });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

async function version(url: string): Promise<string> {
  return withClient(url, async (client) => {
    const build = await client.db('admin').command({ buildInfo: 1 });
    const greeting = await client.db('admin').command({ isMaster: 1 });
    const kind = greeting.msg === 'isdbgrid' ? 'sharded cluster' : greeting.setName === undefined ? 'standalone' : 'replica set';
    return `MongoDB ${build.version} (${kind})`;
  });
}

/** A replica set, or anything that answers as the router of a sharded cluster does. */
export const hasTransactions = (server: Server): boolean => /replica set|sharded cluster/.test(server.version);

/** Whether it has all that goes with a replica set, change streams included. */
export const isReplicaSet = (server: Server): boolean => server.version.includes('replica set');

/** Makes a fresh server the primary of a set of its own, whose member it is by `member`. Rejects until it takes writes. */
async function initiate(url: string, member: string): Promise<void> {
  await withClient(url, async (client) => {
    const admin = client.db('admin');
    const { setName, isWritablePrimary } = await admin.command({ hello: 1 });
    if (setName === undefined) await admin.command({ replSetInitiate: { _id: 'idra', members: [{ _id: 0, host: member }] } });
    if (isWritablePrimary !== true) throw new Error('the replica set has no primary yet');
  });
}

async function startMongod(program: string): Promise<RunningServer> {
  const folder = await dataFolder('mongodb');
  const port = await freePort();
  const own = ['--replSet', 'idra', '--bind_ip', '127.0.0.1', '--port', String(port), '--dbpath', folder, '--nounixsocket'];
  const server = await ServerProcess.start({ name: 'MongoDB', command: program, arguments: own }, folder);
  return started(server, port, { answers: (url) => initiate(url, `127.0.0.1:${port}`) });
}

async function started(
  server: ServerProcess,
  port: number,
  { answers, product }: { answers(url: string): Promise<unknown>; product?: string },
): Promise<RunningServer> {
  const url = urlAt(port);
  try {
    await server.ready(() => answers(url));
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return { url, ...(product === undefined ? {} : { product }), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function startStandIn(path: string): Promise<RunningServer> {
  const folder = await dataFolder('mongodb');
  const port = await freePort();
  const options = [...javaOptions, '-Dorg.slf4j.simpleLogger.defaultLogLevel=off', '-cp', path];
  const server = await ServerProcess.start(
    { name: 'mongo-java-server', command: findProgram('java') ?? 'java', arguments: [...options, launcher, String(port)] },
    folder,
  );
  return started(server, port, { answers: version, product: `mongo-java-server ${standIn} (stands in for a standalone MongoDB)` });
}

export const mongodb: Recipe = {
  backend: 'mongodb',
  environment: 'TEST_MONGODB_URL',
  version,
  program: async () => {
    const mongod = findProgram('mongod');
    if (mongod !== undefined) return startMongod(mongod);
    const found = await classPath(artifacts);
    return typeof found === 'string' ? `no mongod on this machine, and ${found}` : startStandIn(found.path);
  },
  install: () => fetchJars(artifacts, 'javac'),
  container: () => startContainer({ service: 'mongodb', port: 27017, url: urlAt, answers: (url) => initiate(url, '127.0.0.1:27017') }),
};
