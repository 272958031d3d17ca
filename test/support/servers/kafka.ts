/**
 * Apache Kafka, one broker that is its own controller (KRaft), with transactions. Topics are not made by being asked for: many managed clusters refuse that too.
 * Clients reach it at the address that it advertises, so a proxy before it needs a broker of its own: `startKafka({ advertised })`.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
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

interface Listen {
  readonly port: number;
  readonly controllerPort: number;
  readonly advertised: string;
  readonly data: string;
}

function properties({ port, controllerPort, advertised, data }: Listen): string {
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    `advertised.listeners=PLAINTEXT://${advertised}`,
    'controller.listener.names=CONTROLLER',
    'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    `log.dirs=${data}`,
    'auto.create.topics.enable=false',
    'group.initial.rebalance.delay.ms=0',
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=4',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=4',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    // Compaction and retention are seen to work within a test.
    'log.cleaner.backoff.ms=500',
    'log.retention.check.interval.ms=1000',
    'log.cleaner.dedupe.buffer.size=16777216',
    '',
  ].join('\n');
}

export interface KafkaOptions {
  /** `host:port` that clients are sent to, given the broker's own port; a proxy before it listens there. */
  readonly advertised?: (port: number) => string | Promise<string>;
}

/** A broker of one's own, for tests that kill, pause or restart it. The jars must have been fetched, as `describeWith(['kafka'], …)` does. */
export async function startKafka(options: KafkaOptions = {}): Promise<RunningServer & { readonly process: ServerProcess }> {
  const found = await classPath(artifacts);
  const java = findProgram('java');
  if (typeof found === 'string' || java === undefined) throw new Error(typeof found === 'string' ? found : 'no java on this machine');
  const folder = await dataFolder('kafka');
  const port = await freePort();
  const own = `127.0.0.1:${port}`;
  const advertised = (await options.advertised?.(port)) ?? own;
  const file = join(folder, 'server.properties');
  await writeFile(file, properties({ port, controllerPort: await freePort(), advertised, data: join(folder, 'data') }));
  const run = [...javaOptions, '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', found.path];
  const cluster = randomBytes(16).toString('base64url');
  await runTool(java, [...run, 'kafka.tools.StorageTool', 'format', '-t', cluster, '-c', file]);
  const server = await ServerProcess.start({ name: 'Kafka', command: java, arguments: [...run, 'kafka.Kafka', file] }, folder);
  try {
    await server.ready(() => version(own));
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return { url: advertised, product: `Apache Kafka ${release}`, process: server, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
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
