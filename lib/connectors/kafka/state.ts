/** State and dead letters as records of compacted topics, written in the transactions of the rows. */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from 'kafkajs';
import { SyncError } from '../../errors.ts';
import type { Claim, DestinationState, StoredDeadLetter } from '../connector.ts';
import { readLog } from './control-log.ts';
import type { Message } from './fetch.ts';
import { type NewTopic, partitionsOf } from './topics.ts';

/** A sync's partition goes by this number, so that partitions added later change nothing. */
const statePartitions = 50;

export const stateTopic = (topic: string, replication: number | undefined): NewTopic => ({
  topic,
  partitions: statePartitions,
  replication,
  settings: { 'cleanup.policy': 'compact', 'min.cleanable.dirty.ratio': '0.1', 'segment.ms': '3600000', 'segment.bytes': '16777216' },
});

export const letterTopicName = (topic: string): string => `${topic}.dead-letters`;

/** One partition: letters are few, and come back in their order. */
export const letterTopic = (topic: string, replication: number | undefined): NewTopic => ({
  topic: letterTopicName(topic),
  partitions: 1,
  replication,
  settings: { 'cleanup.policy': 'compact' },
});

export interface StatePlace {
  readonly topic: string;
  readonly sync: string;
  readonly shard: string;
}

export const stateKey = ({ sync, shard }: Pick<StatePlace, 'sync' | 'shard'>): string => JSON.stringify([sync, shard]);

export interface Record {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly value: string | null;
}

/** Null where the topic is missing. */
export async function statePartition(cluster: Cluster, place: StatePlace): Promise<number | null> {
  const partitions = await partitionsOf(cluster, place.topic);
  if (partitions === null) return null;
  const hash = createHash('sha256').update(stateKey(place)).digest().readUInt32BE(0);
  return hash % Math.min(partitions.length, statePartitions);
}

export function stateRecord(place: StatePlace, partition: number, state: DestinationState): Record {
  const { epoch, fence, seq, batchId, cursor } = state;
  const value = JSON.stringify({ v: 1, epoch: String(epoch), fence: String(fence), seq: String(seq), batchId, cursor, at: new Date().toISOString() });
  return { topic: place.topic, partition, key: stateKey(place), value };
}

function parseState(place: StatePlace, text: string): DestinationState {
  try {
    const { v, epoch, fence, seq, batchId, cursor } = JSON.parse(text) as {
      v: number;
      epoch: string;
      fence: string;
      seq: string;
      batchId: string | null;
      cursor: string | null;
    };
    if (v === 1) return { epoch: BigInt(epoch), fence: BigInt(fence), seq: BigInt(seq), batchId, cursor };
  } catch {
    // Told below, as every other text that is no state
  }
  throw new SyncError('RESYNC_REQUIRED', `The record of sync ${place.sync} in topic ${place.topic} is no state that this version can read.`, {
    table: place.topic,
    sync: place.sync,
    key: stateKey(place),
  });
}

/**
 * The last committed state; null where there is none. `settleMs`: how long to wait for the end of a transaction of this sync that is still open. After that `undecided` decides: the state before it, or an error.
 */
export async function readState(
  cluster: Cluster,
  place: StatePlace,
  options: { settleMs: number; undecided: 'before' | 'refuse' },
): Promise<DestinationState | null> {
  const partition = await statePartition(cluster, place);
  if (partition === null) return null;
  const key = stateKey(place);
  const own = (message: Message): boolean => message.key?.toString() === key;
  for (const until = Date.now() + options.settleMs; ; ) {
    let found: string | null = null;
    const undecided = await readLog(
      cluster,
      { topic: place.topic, partition },
      {
        own,
        committed: (message) => {
          if (own(message)) found = message.value === null ? null : message.value.toString();
        },
      },
    );
    if (!undecided || (Date.now() > until && options.undecided === 'before')) return found === null ? null : parseState(place, found);
    if (Date.now() > until)
      throw new SyncError('CONFLICT', `The last transaction of sync ${place.sync} is still being decided by the brokers.`, {
        sync: place.sync,
        retry: 'backoff',
      });
    await sleep(50);
  }
}

/** `settleMs`: how long to wait for the end of open transactions with letters; after that they do not count. */
export async function readLetters(
  cluster: Cluster,
  stateTopicName: string,
  { sync, settleMs }: { sync: string; settleMs: number },
): Promise<StoredDeadLetter[]> {
  const topic = letterTopicName(stateTopicName);
  if ((await partitionsOf(cluster, topic)) === null) return [];
  // A commit is answered before its end is written into every partition
  for (const until = Date.now() + settleMs; ; ) {
    const found = new Map<string, StoredDeadLetter>();
    const undecided = await readLog(
      cluster,
      { topic, partition: 0 },
      {
        own: () => true,
        committed: ({ key, value }) => {
          const id = key?.toString() ?? '';
          const letter = value === null ? null : (JSON.parse(value.toString()) as StoredDeadLetter);
          if (letter?.sync === sync) found.set(id, letter);
          else found.delete(id);
        },
      },
    );
    if (!undecided || Date.now() > until) return [...found.values()];
    await sleep(50);
  }
}

export function isNewer(state: DestinationState | null, claim: Claim): boolean {
  return state !== null && (state.epoch > claim.epoch || (state.epoch === claim.epoch && state.fence > claim.fence));
}

export function fencedError(claim: Claim, topic: string): SyncError {
  return new SyncError('FENCED', `Another run has claimed topic ${topic} for sync ${claim.sync} since fence ${claim.fence}: this run writes nothing more.`, {
    sync: claim.sync,
    table: topic,
  });
}
