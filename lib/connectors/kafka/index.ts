import type { CheckResult, Connector, DiscoveredTable } from '../connector.ts';
import { createClient, disconnect, openCluster } from './client.ts';
import { config, type KafkaConnection, type SourceOptions } from './config.ts';
import { KafkaDestination } from './destination.ts';
import { kafkaError } from './errors.ts';
import { sample } from './sample.ts';
import { openSource } from './source.ts';
import { offsetsOf, partitionsOf } from './topics.ts';
import { unlessAborted } from './unless-aborted.ts';

const isOwn = (topic: string): boolean => topic.startsWith('_');

const reaching = (connection: unknown): string => `reach the brokers ${(connection as KafkaConnection).brokers.join(', ')}`;

export const connector: Connector = {
  async check(connection, signal): Promise<CheckResult> {
    const admin = createClient(connection as KafkaConnection).admin();
    try {
      await unlessAborted(admin.connect(), signal);
      const { brokers, controller } = await admin.describeCluster();
      const topics = (await admin.listTopics()).filter((topic) => !isOwn(topic));
      return {
        server: `Apache Kafka, ${brokers.length} broker${brokers.length === 1 ? '' : 's'}${controller === null ? '' : `, controller ${controller}`}`,
        read: `see ${topics.length} topics`,
        write: 'not tried: what this user may write shows when a topic is prepared',
      };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw kafkaError(error, reaching(connection));
    } finally {
      await disconnect(admin);
    }
  },

  async discover(connection, signal): Promise<DiscoveredTable[]> {
    const kafka = createClient(connection as KafkaConnection);
    const admin = kafka.admin();
    const cluster = await openCluster(kafka, signal).catch((error: unknown) => {
      if (signal.aborted) throw signal.reason;
      throw kafkaError(error, reaching(connection));
    });
    try {
      await admin.connect();
      const found: DiscoveredTable[] = [];
      for (const topic of (await admin.listTopics()).filter((name) => !isOwn(name)).sort()) {
        signal.throwIfAborted();
        const options = config.source.parse({ topic }) as SourceOptions;
        const { columns, key } = (await sample(cluster, { request: {}, options, signal })).schema;
        const partitions = (await partitionsOf(cluster, topic)) ?? [];
        const first = await offsetsOf(cluster, topic, { partitions, earliest: true });
        const ends = await offsetsOf(cluster, topic, { partitions, earliest: false });
        const estimatedRows = partitions.reduce((sum, partition) => sum + (ends.get(partition) ?? 0) - (first.get(partition) ?? 0), 0);
        found.push({ name: topic, columns, key, estimatedRows });
      }
      return found;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw kafkaError(error, 'list the topics');
    } finally {
      await disconnect(admin);
      await disconnect(cluster);
    }
  },

  openSource: (connection, request, signal) => openSource(connection as KafkaConnection, request, signal),

  async openDestination(connection, request, signal) {
    return new KafkaDestination(connection as KafkaConnection, request, signal);
  },
};
