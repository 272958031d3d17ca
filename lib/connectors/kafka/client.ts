import { promisify } from 'node:util';
import { zstdCompress, zstdDecompress } from 'node:zlib';
import kafkajs, { type Cluster, CompressionTypes, Kafka, type KafkaConfig, type SASLOptions } from 'kafkajs';
import type { KafkaConnection } from './config.ts';
import './request-queue.ts';
import { unlessAborted } from './unless-aborted.ts';

/** No batch of messages may grow past this when it is unpacked. */
const maxUnpackedBytes = 256 * 1024 ** 2;
/** Opening a connection, and the driver's own default for SASL: a request may take longer. */
const connectMs = 5_000;
const authenticateMs = 10_000;
const closeMs = 2_000;
const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

kafkajs.CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => compress(buffer),
  decompress: (buffer: Buffer) => decompress(buffer, { maxOutputLength: maxUnpackedBytes }),
});

export const compressions = { none: CompressionTypes.None, gzip: CompressionTypes.GZIP, zstd: CompressionTypes.ZSTD } as const;

export function createClient(connection: KafkaConnection): Kafka {
  const { brokers, clientId, timeoutSeconds, tls, tlsCa, tlsCert, tlsKey, mechanism, username, password } = connection;
  const timeoutMs = timeoutSeconds * 1000;
  const config: KafkaConfig = {
    brokers: [...brokers],
    clientId,
    connectionTimeout: Math.min(connectMs, timeoutMs),
    authenticationTimeout: Math.min(authenticateMs, timeoutMs),
    requestTimeout: timeoutMs,
    // The engine has its own pauses between attempts
    retry: { retries: 5, initialRetryTime: 100, maxRetryTime: 3_000 },
    // The driver logs what it throws as well
    logCreator: () => () => undefined,
  };
  if (tls) {
    config.ssl = {
      ...(tlsCa === undefined ? {} : { ca: [tlsCa] }),
      ...(tlsCert === undefined || tlsKey === undefined ? {} : { cert: tlsCert, key: tlsKey }),
    };
    if (Object.keys(config.ssl).length === 0) config.ssl = true;
  }
  if (username !== undefined && password !== undefined) config.sasl = { mechanism, username, password } as SASLOptions;
  return new Kafka(config);
}

/**
 * The driver's connection to the brokers for reading without a consumer group: a group would share the partitions with the consumer of a run that died, keep a new run waiting for its session to end, and hide
 * where the transactions stand. The driver hands it to partition assigners, which is the one public way to it.
 */
export async function openCluster(kafka: Kafka, signal: AbortSignal): Promise<Cluster> {
  let found: Cluster | undefined;
  kafka.consumer({
    groupId: 'idra-reader',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      ({ cluster }) => {
        found = cluster;
        return { name: 'idra', version: 0, assign: async () => [], protocol: () => ({ name: 'idra', metadata: Buffer.alloc(0) }) };
      },
    ],
  });
  if (found === undefined) throw new Error('the driver gave no connection');
  const cluster = found;
  const connecting = cluster.connect();
  try {
    await unlessAborted(connecting, signal);
    return cluster;
  } catch (error) {
    // One that comes about after all is closed again
    connecting.then(() => cluster.disconnect()).catch(() => undefined);
    throw error;
  }
}

/** The driver waits for requests that are under way: a broker that does not answer may not hold up the end. What is left ends with the time limit of its request. */
export async function disconnect(client: { disconnect(): Promise<void> } | null): Promise<void> {
  if (client === null) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, closeMs);
  try {
    await Promise.race([client.disconnect(), promise]);
  } finally {
    clearTimeout(timer);
  }
}
