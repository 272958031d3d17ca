/** Reads partitions from given offsets. What transactions have aborted is filtered here: the driver's own consumer lets rows of interleaved aborted transactions through. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from 'kafkajs';
import { SyncError } from '../../errors.ts';
import { protocolError } from './errors.ts';

export interface Message {
  readonly offset: string;
  /** Milliseconds since 1970; `-1`: none. */
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string | readonly (Buffer | string)[] | undefined>>;
  readonly isControlRecord?: boolean;
  /** Absent in the format before Kafka 0.11. */
  readonly batchContext?: { readonly firstOffset: string; readonly lastOffsetDelta: number; readonly producerId: string; readonly inTransaction: boolean };
}

export interface PartitionFetch {
  readonly partition: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  /** As stored: control records and aborted messages included, from the beginning of the batch in which the offset lies. */
  readonly messages: readonly Message[];
  readonly aborted: readonly { readonly producerId: string; readonly firstOffset: string }[];
}

export interface FetchOptions {
  readonly topic: string;
  readonly committed: boolean;
  /** For the response, and for each partition. The first batch comes whole whatever its size. */
  readonly maxBytes: number;
  readonly partitionBytes: number;
  /** How long the broker may wait where it has nothing; absent: a moment. */
  readonly waitMs?: number;
}

interface Response {
  readonly responses: readonly {
    readonly partitions: readonly {
      readonly partition: number;
      readonly highWatermark: string;
      readonly lastStableOffset: string;
      readonly abortedTransactions?: PartitionFetch['aborted'] | null;
      readonly messages: readonly Message[];
    }[];
  }[];
}

const maxWaitMs = 250;
/** How long answers without content are taken, and the pause between two of them. */
export const patienceMs = 60_000;
export const pauseMs = 50;
const attempts = 10;
/** The leader has moved, or a connection went away: known after a look at the brokers' metadata. */
const stale = new Set([
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'REPLICA_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'OFFSET_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

const connectionErrors = new Set(['KafkaJSConnectionError', 'KafkaJSConnectionClosedError', 'KafkaJSBrokerNotFound', 'KafkaJSRequestTimeoutError']);

/** One request to one broker; `nodeId` leads all the partitions, as `leaders` says. */
export async function fetchFrom(
  cluster: Cluster,
  options: FetchOptions,
  asked: { nodeId: string; from: ReadonlyMap<number, number> },
): Promise<PartitionFetch[]> {
  const broker = await cluster.findBroker({ nodeId: asked.nodeId });
  const response: Response = await broker.fetch({
    replicaId: -1,
    isolationLevel: options.committed ? 1 : 0,
    maxWaitTime: options.waitMs ?? maxWaitMs,
    minBytes: 1,
    maxBytes: options.maxBytes,
    topics: [
      {
        topic: options.topic,
        partitions: [...asked.from].map(([partition, offset]) => ({ partition, fetchOffset: String(offset), maxBytes: options.partitionBytes })),
      },
    ],
  });
  return response.responses.flatMap(({ partitions }) =>
    partitions.map(({ partition, highWatermark, lastStableOffset, abortedTransactions, messages }) => ({
      partition,
      highWatermark: Number(highWatermark),
      lastStableOffset: Number(lastStableOffset),
      aborted: abortedTransactions ?? [],
      messages,
    })),
  );
}

/** Fetches from all the brokers that lead the partitions. */
export function fetchAll(cluster: Cluster, options: FetchOptions, from: ReadonlyMap<number, number>): Promise<PartitionFetch[]> {
  return withLeaders(cluster, async () => {
    const leaders = cluster.findLeaderForPartitions(options.topic, [...from.keys()]);
    const requests = Object.entries(leaders).map(([nodeId, partitions]) =>
      fetchFrom(cluster, options, { nodeId, from: new Map(partitions.map((partition) => [partition, from.get(partition) ?? 0])) }),
    );
    return (await Promise.all(requests)).flat();
  });
}

/**
 * One partition alone, up to an offset that is known to be there: only so an answer without messages says that nothing is left before it. A client over its quota gets an answer without any partition, and a leader that was
 * elected a moment ago does not know yet how far its log is committed (KIP-207): neither says that there is nothing.
 */
export async function fetchAlone(
  cluster: Cluster,
  options: FetchOptions,
  at: { readonly partition: number; readonly offset: number; readonly until: number; readonly signal?: AbortSignal },
): Promise<PartitionFetch> {
  const { partition, offset, until, signal } = at;
  for (const end = Date.now() + patienceMs; ; ) {
    const [part] = await fetchAll(cluster, options, new Map([[partition, offset]]));
    if (part !== undefined && (part.messages.length > 0 || (options.committed ? part.lastStableOffset : part.highWatermark) >= until)) return part;
    signal?.throwIfAborted();
    if (Date.now() > end) throw silent(options.topic);
    await sleep(pauseMs);
  }
}

/** Where the brokers hold back for so long, another run has to go on. */
export function silent(topic: string): SyncError {
  return new SyncError(
    'TIMEOUT',
    `The brokers hold back messages of topic ${topic} that are there: a quota of this client is exhausted, or a leader was elected and does not come up.`,
    { table: topic, retry: 'backoff' },
  );
}

/** Asks those who lead the partitions, again where a leader has moved or a new topic has not settled yet. Only for what may be asked twice. */
export async function withLeaders<T>(cluster: Cluster, work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      const passing = stale.has(protocolError(error) ?? '') || (error instanceof Error && connectionErrors.has(error.name));
      if (attempt >= attempts || !passing) throw error;
      await sleep(100 * attempt);
      await cluster.refreshMetadata();
    }
  }
}

/** A control record that ends a transaction: its key is a version and a type, 0 for abort (https://kafka.apache.org/documentation/#controlbatch). */
export function endsTransaction(message: Message): 'commit' | 'abort' | null {
  if (message.isControlRecord !== true || message.key === null || message.key.length < 4) return null;
  const type = message.key.readInt16BE(2);
  return type === 0 ? 'abort' : type === 1 ? 'commit' : null;
}

/** The offset after a message, past what compaction has taken from the end of its batch. `following`: the next message as stored. */
export function offsetAfter(message: Message, following: Message | undefined): number {
  const { batchContext } = message;
  const after = Number(message.offset) + 1;
  if (batchContext === undefined || following?.batchContext?.firstOffset === batchContext.firstOffset) return after;
  return Math.max(after, Number(batchContext.firstOffset) + batchContext.lastOffsetDelta + 1);
}

/** For each stored message whether a reader of committed data sees it. */
export function visibility({ messages, aborted }: PartitionFetch): boolean[] {
  // The broker orders them by their end, a reader meets them by their beginning
  const coming = aborted.map(({ producerId, firstOffset }) => ({ producerId, firstOffset: Number(firstOffset) })).sort((a, b) => a.firstOffset - b.firstOffset);
  const open = new Set<string>();
  let next = 0;
  return messages.map((message) => {
    for (let first = coming[next]; first !== undefined && first.firstOffset <= Number(message.offset); first = coming[++next]) open.add(first.producerId);
    const { batchContext } = message;
    if (message.isControlRecord === true) {
      if (endsTransaction(message) === 'abort' && batchContext !== undefined) open.delete(batchContext.producerId);
      return false;
    }
    return batchContext === undefined || !batchContext.inTransaction || !open.has(batchContext.producerId);
  });
}
