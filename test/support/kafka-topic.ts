/** Reads and writes topics with the driver's own consumer and producer, beside the connector: what any reader with `isolation.level=read_committed` sees. */
import { randomUUID } from 'node:crypto';
import { type Admin, type IHeaders, Kafka, logLevel, type Message } from 'kafkajs';
import '../../lib/connectors/kafka/request-queue.ts';
import { waitUntil } from './wait-until.ts';

export interface Seen {
  readonly partition: number;
  readonly offset: string;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: IHeaders;
}

export const client = (brokers: string): Kafka => new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING });

export async function withAdmin<T>(brokers: string, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = client(brokers).admin();
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.disconnect();
  }
}

export async function makeTopic(brokers: string, topic: string, options: { partitions?: number; settings?: Record<string, string> } = {}): Promise<void> {
  const configEntries = Object.entries(options.settings ?? {}).map(([name, value]) => ({ name, value }));
  await withAdmin(brokers, async (admin) => {
    await admin.createTopics({ topics: [{ topic, numPartitions: options.partitions ?? 1, replicationFactor: 1, configEntries }], waitForLeaders: false });
    // The brokers know it before they lead it
    await waitUntil(() => admin.fetchTopicOffsets(topic).then((offsets) => offsets.length > 0), { timeoutMs: 20_000, what: `topic ${topic}` });
  });
}

export async function produce(brokers: string, topic: string, messages: Message[]): Promise<void> {
  const producer = client(brokers).producer({
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
  });
  await producer.connect();
  try {
    await producer.send({ topic, messages });
  } finally {
    await producer.disconnect();
  }
}

/**
 * Everything committed up to the end of now, in the order of each partition. A broker answers the end of a transaction before it has put the marker into
 * each partition, and until then readers do not see it: `atLeast` waits for that many messages, and takes what is there after 20 seconds.
 */
export async function readCommitted(brokers: string, topic: string, options: { atLeast?: number } = {}): Promise<Seen[]> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const seen = await readOnce(brokers, topic);
    if (seen.length >= (options.atLeast ?? 0) || Date.now() > deadline) return seen;
  }
}

async function readOnce(brokers: string, topic: string): Promise<Seen[]> {
  const ends = await withAdmin(brokers, (admin) => admin.fetchTopicOffsets(topic));
  const left = new Map(ends.filter(({ low, high }) => BigInt(high) > BigInt(low)).map(({ partition, high }) => [partition, BigInt(high)]));
  const seen: Seen[] = [];
  if (left.size === 0) return seen;
  const consumer = client(brokers).consumer({ groupId: `test-${randomUUID()}`, maxWaitTimeInMs: 200 });
  const { promise, resolve } = Promise.withResolvers<void>();
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    if (BigInt(payload.lastOffset) + 1n >= (left.get(payload.partition) ?? 0n)) left.delete(payload.partition);
    if (left.size === 0) resolve();
  });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        for (const { offset, key, value, headers } of batch.messages)
          seen.push({ partition: batch.partition, offset, key: key?.toString() ?? null, value: value?.toString() ?? null, headers: headers ?? {} });
      },
    });
    await promise;
  } finally {
    await consumer.disconnect();
  }
  return seen;
}
