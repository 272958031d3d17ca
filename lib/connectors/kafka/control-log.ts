/** Reads a partition of the connector's own compacted topics to its end: what is committed, and whether a transaction with records of ours is still undecided. */
import type { Cluster } from 'kafkajs';
import { endsTransaction, type FetchOptions, fetchAlone, type Message, offsetAfter, type PartitionFetch, visibility } from './fetch.ts';
import { offsetsOf } from './topics.ts';

const fetchBytes = 1024 ** 2;

export interface LogReader {
  /** Each committed record in order. */
  committed(message: Message): void;
  /** Records of other syncs may stay undecided. */
  own(message: Message): boolean;
}

/**
 * Up to the last stable offset the broker says what was aborted. Behind it transactions are open, those of other syncs among them: there a record counts once the marker of its own transaction is seen.
 * True: a record of ours is still undecided.
 */
export async function readLog(cluster: Cluster, at: { topic: string; partition: number }, reader: LogReader): Promise<boolean> {
  const { topic, partition } = at;
  await cluster.addTargetTopic(topic);
  const start = (await offsetsOf(cluster, topic, { partitions: [partition], earliest: true })).get(partition) ?? 0;
  // Not what a fetch says of it: a leader that was just elected may say too little there, and gives no answer here
  const stable = (await offsetsOf(cluster, topic, { partitions: [partition], earliest: false })).get(partition) ?? 0;
  await readTo(cluster, { topic, partition, from: start, until: stable, committed: true }, (fetched) => {
    const seen = visibility(fetched);
    return (message, index) => {
      if (seen[index] === true) reader.committed(message);
    };
  });
  const open = new Map<string, Message[]>();
  await readTo(cluster, { topic, partition, from: stable, until: null, committed: false }, () => (message) => {
    const { batchContext } = message;
    const end = endsTransaction(message);
    if (end !== null && batchContext !== undefined) {
      if (end === 'commit') for (const decided of open.get(batchContext.producerId) ?? []) reader.committed(decided);
      open.delete(batchContext.producerId);
    } else if (message.isControlRecord === true) return;
    else if (batchContext?.inTransaction !== true) reader.committed(message);
    else if (reader.own(message)) open.set(batchContext.producerId, [...(open.get(batchContext.producerId) ?? []), message]);
  });
  return open.size > 0;
}

/** Visits from an offset to another one; null: to where the partition ends when it begins. */
async function readTo(
  cluster: Cluster,
  from: { topic: string; partition: number; from: number; until: number | null; committed: boolean },
  visitor: (fetched: PartitionFetch) => (message: Message, index: number) => void,
): Promise<void> {
  const { topic, partition, committed } = from;
  const options: FetchOptions = { topic, committed, maxBytes: fetchBytes, partitionBytes: fetchBytes, waitMs: 0 };
  let position = from.from;
  for (let end = from.until; end === null || position < end; ) {
    const fetched = await fetchAlone(cluster, options, { partition, offset: position, until: end ?? position });
    end ??= fetched.highWatermark;
    const visit = visitor(fetched);
    for (const [index, message] of fetched.messages.entries()) {
      const offset = Number(message.offset);
      if (offset >= position && offset < end) visit(message, index);
    }
    const last = fetched.messages.at(-1);
    position = last === undefined ? end : Math.max(position, offsetAfter(last, undefined));
  }
}
