import { setTimeout as sleep } from 'node:timers/promises';
import kafkajs, { type Admin, type Cluster } from 'kafkajs';
import { SyncError } from '../../errors.ts';
import { kafkaError, protocolError } from './errors.ts';
import { withLeaders } from './fetch.ts';

/** What Kafka takes where a topic sets nothing: 1 MiB and the overhead of a batch. */
export const defaultMaxMessageBytes = 1_048_588;

/** Numbers of the topic's partitions in order; null where there is no such topic. */
export async function partitionsOf(cluster: Cluster, topic: string): Promise<number[] | null> {
  try {
    await cluster.addTargetTopic(topic);
    await cluster.refreshMetadata();
  } catch (error) {
    if (protocolError(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return null;
    throw kafkaError(error, `look at topic ${topic}`, { table: topic });
  }
  const found = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
  return found.length === 0 ? null : found.sort((a, b) => a - b);
}

/** First offset that is still there (`earliest`) or the one after the last stable message, of each partition. */
export async function offsetsOf(cluster: Cluster, topic: string, asked: { partitions: readonly number[]; earliest: boolean }): Promise<Map<number, number>> {
  const partitions = asked.partitions.map((partition) => ({ partition }));
  const [found] = await withLeaders(cluster, () => cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning: asked.earliest }]));
  return new Map((found?.partitions ?? []).map(({ partition, offset }) => [partition, Number(offset)]));
}

/** A new topic is known to all brokers within moments. */
const settleAttempts = 200;

export interface NewTopic {
  readonly topic: string;
  readonly partitions?: number | undefined;
  readonly replication?: number | undefined;
  readonly settings?: Readonly<Record<string, string>>;
}

/** Makes a topic where it is missing, and waits until it can be used. */
export async function ensureTopic(admin: Admin, cluster: Cluster, { topic, partitions = -1, replication = -1, settings = {} }: NewTopic): Promise<void> {
  if ((await partitionsOf(cluster, topic)) !== null) return;
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: replication, configEntries }], waitForLeaders: false });
  } catch (error) {
    // Another run made it in between
    if (protocolError(error) !== 'TOPIC_ALREADY_EXISTS') throw kafkaError(error, `make topic ${topic}`, { table: topic });
  }
  for (let attempt = 0; attempt < settleAttempts; attempt++) {
    const there = await partitionsOf(cluster, topic);
    if (there !== null && cluster.findTopicPartitionMetadata(topic).every(({ leader }) => leader >= 0)) return;
    await sleep(100);
  }
  throw new SyncError('TIMEOUT', `Topic ${topic} was made, but its partitions have no leaders yet.`, { table: topic, retry: 'backoff' });
}

/** The topic's max.message.bytes; Kafka's own default where this user may not read it. */
export async function maxMessageBytes(admin: Admin, topic: string): Promise<number> {
  try {
    const { resources } = await admin.describeConfigs({
      resources: [{ type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: ['max.message.bytes'] }],
      includeSynonyms: false,
    });
    const value = Number(resources[0]?.configEntries[0]?.configValue);
    return Number.isSafeInteger(value) && value > 0 ? value : defaultMaxMessageBytes;
  } catch (error) {
    if (protocolError(error)?.endsWith('AUTHORIZATION_FAILED') === true) return defaultMaxMessageBytes;
    throw kafkaError(error, `read the settings of topic ${topic}`, { table: topic });
  }
}
