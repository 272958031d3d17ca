import { type Admin, Kafka, logLevel } from 'kafkajs';
import '../../../lib/connectors/kafka/request-queue.ts';
import type { Fresh } from './fresh.ts';

async function withAdmin(brokers: string, work: (admin: Admin) => Promise<void>): Promise<void> {
  const admin = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await work(admin);
  } finally {
    await admin.disconnect();
  }
}

/** A prefix for topics, ending in a hyphen. Disposal deletes the topics that begin with it; groups and transactional ids expire by themselves. */
export function freshKafka(brokers: string, name: string): Fresh {
  const prefix = `${name}-`;
  const remove = (admin: Admin) =>
    admin.listTopics().then(async (topics) => {
      const own = topics.filter((topic) => topic.startsWith(prefix));
      if (own.length > 0) await admin.deleteTopics({ topics: own });
    });
  return { url: brokers, name: prefix, [Symbol.asyncDispose]: () => withAdmin(brokers, remove) };
}
