/**
 * Apache Kafka, one broker that is its own controller (KRaft), with transactions. Topics are not made by being asked for: many managed clusters refuse that too.
 * Clients reach it at the address that it advertises, so a proxy before it needs a broker of its own: `startKafka({ advertised })`.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { openCluster } from '../../../lib/connectors/kafka/client.ts';
import { startContainer } from './container.ts';
import { type Artifact, classPath, fetchJars, javaOptions } from './java.ts';
import { freePort } from './ports.ts';
import { dataFolder, ServerProcess } from './process.ts';
import { findProgram, runTool } from './programs.ts';
import type { Recipe, RunningServer } from './recipe.ts';

const release = '4.1.1';
const artifacts: readonly Artifact[] = [`org.apache.kafka:kafka_2.13:${release}`, 'org.slf4j:slf4j-simple:1.7.36'];

/** Asks for the cluster; Kafka's protocol does not tell the product's version. */
async function version(brokers: string): Promise<string> {
  const admin = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING, connectionTimeout: 3_000, retry: { retries: 0 } }).admin();
  try {
    await admin.connect();
    const { brokers: known } = await admin.describeCluster();
    if (known.length === 0) throw new Error('the cluster has no broker yet');
    return `Kafka (${known.length} broker${known.length === 1 ? '' : 's'})`;
  } finally {
    await admin.disconnect();
  }
}

/**
 * The first transaction and the first group of a cluster make the broker create the topic of each, which takes a busy machine longer than the driver waits: a broker is ready once it coordinates both.
 */
async function coordinates(brokers: string): Promise<void> {
  const client = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING, connectionTimeout: 3_000, retry: { retries: 1 } });
  const producer = client.producer({ transactionalId: 'idra-ready', maxInFlightRequests: 1, allowAutoTopicCreation: false });
  const cluster = await openCluster(client, new AbortController().signal);
  try {
    await producer.connect();
    await (await producer.transaction()).abort();
    await cluster.findGroupCoordinator({ groupId: 'idra-ready' });
  } finally {
    await Promise.all([producer.disconnect(), cluster.disconnect()]);
  }
}

/** A listener beside the plain one, for tests of what protects a broker. */
export interface KafkaListener {
  /** Its lines of the broker's configuration begin with `listener.name.` and this. */
  readonly name: string;
  readonly protocol: 'SSL' | 'SASL_SSL' | 'SASL_PLAINTEXT';
  readonly settings: readonly string[];
}

export interface KafkaOptions {
  /** `host:port` that clients are sent to, given the broker's own port; a proxy before it listens there. */
  readonly advertised?: (port: number) => string | Promise<string>;
  readonly listeners?: readonly KafkaListener[];
  /** Further lines of the configuration. */
  readonly settings?: readonly string[];
  /** Further arguments for the formatting of the storage, such as `--add-scram`. */
  readonly format?: readonly string[];
}

export interface KafkaBroker extends RunningServer {
  readonly process: ServerProcess;
  /** `host:port` of each further listener by its name. */
  readonly listeners: Readonly<Record<string, string>>;
}

interface Node {
  readonly id: number;
  readonly roles: 'broker' | 'broker,controller';
  readonly cluster: string;
  /** Port of the one controller, which is node 1. */
  readonly controllerPort: number;
  readonly replicas: number;
}

const listen = (name: string, port: number): string => `${name}://127.0.0.1:${port}`;

async function startNode({ id, roles, cluster, controllerPort, replicas }: Node, options: KafkaOptions): Promise<KafkaBroker> {
  const found = await classPath(artifacts);
  const java = findProgram('java');
  if (typeof found === 'string' || java === undefined) throw new Error(typeof found === 'string' ? found : 'no java on this machine');
  const folder = await dataFolder('kafka');
  const port = await freePort();
  const own = `127.0.0.1:${port}`;
  const advertised = (await options.advertised?.(port)) ?? own;
  const further: { name: string; protocol: string; port: number }[] = [];
  for (const { name, protocol } of options.listeners ?? []) further.push({ name, protocol, port: await freePort() });
  const file = join(folder, 'server.properties');
  const lines = [
    `process.roles=${roles}`,
    `node.id=${id}`,
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=${[
      listen('PLAINTEXT', port),
      ...(roles === 'broker' ? [] : [listen('CONTROLLER', controllerPort)]),
      ...further.map(({ name, port: at }) => listen(name, at)),
    ].join(',')}`,
    `advertised.listeners=${[`PLAINTEXT://${advertised}`, ...further.map(({ name, port: at }) => listen(name, at))].join(',')}`,
    'controller.listener.names=CONTROLLER',
    `listener.security.protocol.map=${['PLAINTEXT:PLAINTEXT', 'CONTROLLER:PLAINTEXT', ...further.map(({ name, protocol }) => `${name}:${protocol}`)].join(',')}`,
    `log.dirs=${join(folder, 'data')}`,
    'auto.create.topics.enable=false',
    'group.initial.rebalance.delay.ms=0',
    `offsets.topic.replication.factor=${replicas}`,
    'offsets.topic.num.partitions=4',
    `transaction.state.log.replication.factor=${replicas}`,
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=4',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    // Compaction and retention are seen to work within a test.
    'log.cleaner.backoff.ms=500',
    'log.retention.check.interval.ms=1000',
    'log.cleaner.dedupe.buffer.size=16777216',
    // Nobody follows its log of metadata, which otherwise grows twice a second while nothing happens
    'metadata.max.idle.interval.ms=0',
    ...(options.listeners ?? []).flatMap(({ name, settings }) => settings.map((setting) => `listener.name.${name.toLowerCase()}.${setting}`)),
    ...(options.settings ?? []),
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  const run = [...javaOptions, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', found.path];
  await runTool(java, [...run, 'kafka.tools.StorageTool', 'format', `--cluster-id=${cluster}`, '-c', file, ...(options.format ?? [])]);
  const server = await ServerProcess.start({ name: 'Kafka', command: java, arguments: [...run, 'kafka.Kafka', file] }, folder);
  try {
    await server.ready(() => version(own));
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return {
    url: advertised,
    product: `Apache Kafka ${release}`,
    process: server,
    listeners: Object.fromEntries(further.map(({ name, port: at }) => [name, `127.0.0.1:${at}`])),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

const clusterId = (): string => randomBytes(16).toString('base64url');

/** Kafka's own tool for what the driver cannot set, such as quotas: its arguments behind `--bootstrap-server`. */
export async function configureKafka(brokers: string, ...parameters: string[]): Promise<void> {
  const found = await classPath(artifacts);
  const java = findProgram('java');
  if (typeof found === 'string' || java === undefined) throw new Error(typeof found === 'string' ? found : 'no java on this machine');
  await runTool(java, [...javaOptions, '-cp', found.path, 'kafka.admin.ConfigCommand', '--bootstrap-server', brokers, ...parameters]);
}

/** A broker of one's own, for tests that kill, pause or restart it. The jars must have been fetched, as `describeWith(['kafka'], …)` does. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaBroker> {
  const broker = await startNode({ id: 1, roles: 'broker,controller', cluster: clusterId(), controllerPort: await freePort(), replicas: 1 }, options);
  try {
    await broker.process.ready(() => coordinates(broker.url));
    return broker;
  } catch (error) {
    await broker[Symbol.asyncDispose]();
    throw error;
  }
}

/** Two brokers that keep two replicas of all there is; the first is the controller as well, so the second is the one to kill. What it led moves after two seconds. */
export async function startKafkaPair(): Promise<AsyncDisposable & { readonly url: string; readonly second: ServerProcess }> {
  const stack = new AsyncDisposableStack();
  try {
    const settings = ['default.replication.factor=2', 'min.insync.replicas=1', 'broker.session.timeout.ms=2000', 'broker.heartbeat.interval.ms=400'];
    const both = { cluster: clusterId(), controllerPort: await freePort(), replicas: 2 };
    const first = stack.use(await startNode({ id: 1, roles: 'broker,controller', ...both }, { settings }));
    const second = stack.use(await startNode({ id: 2, roles: 'broker', ...both }, { settings }));
    await first.process.ready(() => coordinates(first.url));
    return { url: `${first.url},${second.url}`, second: second.process, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

export const kafka: Recipe = {
  backend: 'kafka',
  environment: 'TEST_KAFKA_BROKERS',
  version,
  program: async () => {
    const found = await classPath(artifacts);
    return typeof found === 'string' ? found : startKafka();
  },
  install: () => fetchJars(artifacts),
  container: () =>
    startContainer({
      service: 'kafka',
      port: 9092,
      url: (port) => `127.0.0.1:${port}`,
      environment: (port) => ({ KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}` }),
      answers: version,
    }),
};
