/** Topics as tables: a message for each row, and for a row with a key the newest of its messages, as compaction keeps it. */
import type { Mode } from '../../lib/connectors/connector.ts';
import { createClient, openCluster } from '../../lib/connectors/kafka/client.ts';
import { config, type KafkaConnection } from '../../lib/connectors/kafka/config.ts';
import { fetchAll } from '../../lib/connectors/kafka/fetch.ts';
import { connector } from '../../lib/connectors/kafka/index.ts';
import { type Column, type Row, type Schema, typeName } from '../../lib/values/types.ts';
import type { Harness } from '../conformance/harness.ts';
import { documentOf, rowOf } from '../pairs/json-document.ts';
import { freshDatabase } from '../support/fresh.ts';
import { client, makeTopic, produce, readCommitted, withAdmin } from '../support/kafka-topic.ts';
import { waitUntil } from '../support/wait-until.ts';

export interface KafkaHarness extends Harness {
  readonly whole: Mode;
  /** `count`: how many messages are due. */
  read(table: string, columns: readonly Column[], count?: number): Promise<Row[]>;
}

/** Rows of 5 MB are messages here, and a request holds a few megabytes. */
const largest = { settings: { 'max.message.bytes': '20000000' } };
const rowsOfRequest = 1_000;
const never = new AbortController().signal;

/** A broker that has just started knows no coordinator of transactions for a while: the engine would try again, which a suite does not. */
async function transactionsBegin(brokers: string, name: string): Promise<void> {
  const attempt = async (): Promise<boolean> => {
    const producer = client(brokers).producer({ transactionalId: `${name}begin`, idempotent: true, maxInFlightRequests: 1 });
    try {
      await producer.connect();
      await (await producer.transaction()).abort();
      return true;
    } catch {
      return false;
    } finally {
      await producer.disconnect();
    }
  };
  await waitUntil(attempt, { timeoutMs: 30_000, what: 'transactions of the broker' });
}

export async function kafkaHarness(): Promise<KafkaHarness> {
  const fresh = await freshDatabase('kafka');
  await transactionsBegin(fresh.url, fresh.name);
  const topicOf = (table: string): string => `${fresh.name}${table}`;
  const connection = config.connection.parse({ type: 'kafka', brokers: fresh.url.split(','), stateTopic: topicOf('state') }) as KafkaConnection;
  let columns: readonly Column[] = [];
  const append = async (schema: Schema, rows: readonly Row[]): Promise<void> => {
    for (let at = 0; at < rows.length; at += rowsOfRequest) {
      const messages = rows.slice(at, at + rowsOfRequest).map((row) => ({ key: `{"id":${row[0]}}`, value: documentOf(schema.columns, row) }));
      await produce(fresh.url, topicOf(schema.name), messages);
    }
  };
  /** A broker answers the end of a transaction before readers see it. */
  const settled = async (topic: string): Promise<void> => {
    const cluster = await openCluster(createClient(connection), never);
    try {
      await cluster.addTargetTopic(topic);
      const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
      const look = { topic, committed: false, maxBytes: 1, partitionBytes: 1, waitMs: 0 };
      const isSettled = async (): Promise<boolean> =>
        (await fetchAll(cluster, look, new Map(partitions.map((partition) => [partition, 0])))).every(
          ({ highWatermark, lastStableOffset }) => highWatermark === lastStableOffset,
        );
      await waitUntil(isSettled, { timeoutMs: 20_000, intervalMs: 10, what: `transactions of ${topic}` });
    } finally {
      await cluster.disconnect();
    }
  };
  return {
    system: 'kafka',
    connector,
    config,
    connection,
    whole: 'stream',
    appends: true,
    claimShutsOut: true,
    refusesLargeRows: true,
    source: (table, wanted = columns) =>
      config.source.parse({ topic: topicOf(table), key: ['id'], fields: Object.fromEntries(wanted.map(({ name, type }) => [name, typeName(type)])) }),
    destination: (table) => config.destination.parse({ topic: topicOf(table), partitions: 1, replication: 1 }),
    create: async (schema, rows) => {
      columns = schema.columns;
      await makeTopic(fresh.url, topicOf(schema.name), largest);
      await append(schema, rows);
    },
    append: (schema, row) => append(schema, [row]),
    read: async (table, wanted, count = 0) => {
      const topic = topicOf(table);
      if (!(await withAdmin(fresh.url, (admin) => admin.listTopics())).includes(topic)) return [];
      await settled(topic);
      const newest = new Map<string, string | null>();
      for (const { key, value, partition, offset } of await readCommitted(fresh.url, topic, { atLeast: count })) {
        const name = key ?? `${partition}@${offset}`;
        newest.delete(name);
        newest.set(name, value);
      }
      return [...newest.values()].filter((value) => value !== null).map((value) => rowOf(wanted, value));
    },
    columns: () => Promise.reject(new Error('a topic has no catalogue')),
    cannotHold: { 'JSON null': 'a JSON object has one null for both' },
    [Symbol.asyncDispose]: () => fresh[Symbol.asyncDispose](),
  };
}
