/** Reads all partitions from given offsets to given ends. The next fetch is under way while the last is worked on. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from 'kafkajs';
import { fetchAll, fetchAlone, type Message, offsetAfter, type PartitionFetch, patienceMs, pauseMs, silent, visibility } from './fetch.ts';
import { unlessAborted } from './unless-aborted.ts';

export interface Piece {
  readonly partition: number;
  /** What a reader of committed data sees, each with the offset after it. */
  readonly items: readonly { readonly message: Message; readonly after: number }[];
  /** The position after the piece, past control records and what compaction has taken. */
  readonly at: number;
}

const mebibyte = 1024 ** 2;
/** Compressed messages unpack to any multiple: the size of a fetch follows what the one before it came to. Two of them are held at a time. */
const fetchLimits = { least: 16 * 1024, first: 64 * 1024, most: mebibyte };
const fetchMessages = 10_000;
const fetchUnpackedBytes = 4 * mebibyte;

/** Bytes for each partition of the next fetch; a broker gives at most four times as much. */
function nextLimit(limit: number, fetched: readonly PartitionFetch[]): number {
  let messages = 0;
  let bytes = 0;
  for (const part of fetched) {
    messages += part.messages.length;
    for (const { key, value } of part.messages) bytes += (key?.length ?? 0) + (value?.length ?? 0);
  }
  const share = Math.max(messages / fetchMessages, bytes / fetchUnpackedBytes);
  return share > 1 ? Math.max(fetchLimits.least, limit / 2) : share < 0.4 ? Math.min(fetchLimits.most, limit * 2) : limit;
}

/** Room for a quarter of a million empty batches. */
const alone = { maxBytes: 16 * mebibyte, partitionBytes: 16 * mebibyte };

export interface Range {
  readonly topic: string;
  readonly from: ReadonlyMap<number, number>;
  readonly ends: ReadonlyMap<number, number>;
}

export async function* readRange(cluster: Cluster, range: Range, signal: AbortSignal): AsyncGenerator<Piece> {
  const { topic, from, ends } = range;
  const at = new Map(from);
  const left = (): Map<number, number> => new Map([...at].filter(([partition, offset]) => offset < (ends.get(partition) ?? 0)));
  let limit = fetchLimits.first;
  const start = (): Promise<PartitionFetch[]> | null => {
    if (wanted.size === 0) return null;
    const started = fetchAll(cluster, { topic, committed: true, maxBytes: 4 * limit, partitionBytes: limit }, wanted);
    // Looked at below; a reader that leaves before may not bring the process down
    started.catch(() => undefined);
    return started;
  };
  let wanted = left();
  let answer = start();
  let answeredAt = Date.now();
  while (answer !== null) {
    const fetched: PartitionFetch[] = await unlessAborted(answer, signal);
    if (fetched.length === 0) {
      // Over its quota: the same again, no faster than the driver lets it go out
      if (Date.now() - answeredAt > patienceMs) throw silent(topic);
      await sleep(pauseMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      answer = start();
      continue;
    }
    answeredAt = Date.now();
    const pieces = fetched.filter(({ messages }) => messages.length > 0).map((part) => cut(part, at.get(part.partition) ?? 0, ends.get(part.partition) ?? 0));
    // A partition may go without an answer where others have filled it: only alone its silence says that nothing is left before the end
    if (pieces.length === 0) {
      for (const [partition, offset] of wanted) {
        const end = ends.get(partition) ?? 0;
        const part = await unlessAborted(fetchAlone(cluster, { topic, committed: true, ...alone }, { partition, offset, until: end, signal }), signal);
        pieces.push(part.messages.length === 0 ? { partition, items: [], at: end } : cut(part, offset, end));
      }
    }
    for (const piece of pieces) at.set(piece.partition, piece.at);
    wanted = left();
    limit = nextLimit(limit, fetched);
    answer = start();
    yield* pieces;
  }
}

function cut(part: PartitionFetch, from: number, end: number): Piece {
  const seen = visibility(part);
  const items: { message: Message; after: number }[] = [];
  let at = from;
  for (const [index, message] of part.messages.entries()) {
    const offset = Number(message.offset);
    const after = offsetAfter(message, part.messages[index + 1]);
    if (offset >= end) return { partition: part.partition, items, at: end };
    // The broker answers with the whole batch in which the offset lies
    if (offset >= from && seen[index] === true) items.push({ message, after: Math.min(after, end) });
    at = Math.max(at, Math.min(after, end));
  }
  return { partition: part.partition, items, at };
}
