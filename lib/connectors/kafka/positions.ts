/** Where a run begins and ends, and whether what was read before is still the same topic. */
import type { Cluster } from 'kafkajs';
import { SyncError } from '../../errors.ts';
import type { SourceOptions } from './config.ts';
import { type Position, parseRanges, writeRanges } from './cursor.ts';
import { fetchAlone } from './fetch.ts';
import type { Range } from './range.ts';
import { offsetsOf, partitionsOf } from './topics.ts';

const choices =
  'Reset the position (idra checkpoint reset) to read what is there from the beginning, or run with --existing replace where the destination can be emptied; what is gone from the topic has to come from elsewhere.';

const resync = (topic: string, what: string): SyncError => new SyncError('RESYNC_REQUIRED', `${what} ${choices}`, { table: topic });

/** The partitions that the definition asks for. Throws `NOT_FOUND` where the topic or one of them is missing. */
export async function chosenPartitions(cluster: Cluster, { topic, partitions }: Pick<SourceOptions, 'topic' | 'partitions'>): Promise<number[]> {
  const there = await partitionsOf(cluster, topic);
  if (there === null) throw new SyncError('NOT_FOUND', `There is no topic ${topic}, or this user may not see it.`, { table: topic });
  if (partitions === undefined) return there;
  const chosen = parseRanges(partitions);
  const missing = chosen.filter((partition) => !there.includes(partition));
  if (missing.length > 0)
    throw new SyncError('NOT_FOUND', `Topic ${topic} has no partition ${writeRanges(missing)}; it has ${writeRanges(there)}.`, {
      table: topic,
      field: 'source.partitions',
    });
  return chosen;
}

/** From the position to the last stable offsets of now. Throws `RESYNC_REQUIRED` where messages are gone that were not read, or the topic was made anew. */
export async function rangeFrom(cluster: Cluster, options: SourceOptions, position: Position | null): Promise<Range> {
  const { topic } = options;
  const partitions = await chosenPartitions(cluster, options);
  const first = await offsetsOf(cluster, topic, { partitions, earliest: true });
  const ends = await offsetsOf(cluster, topic, { partitions, earliest: false });
  if (position === null) return { topic, from: options.start === 'latest' ? ends : first, ends };
  const gone = [...position.offsets.keys()].filter((partition) => !partitions.includes(partition));
  if (gone.length > 0)
    throw resync(topic, `Topic ${topic} has no partition ${writeRanges(gone)} any more, or source.partitions leaves it out: positions of it would be lost.`);
  const from = new Map<number, number>();
  for (const partition of partitions) {
    // A partition that was added later is read from its beginning
    const offset = position.offsets.get(partition) ?? 0;
    const start = first.get(partition) ?? 0;
    const end = ends.get(partition) ?? 0;
    if (offset < start) throw resync(topic, `Messages ${offset} to ${start - 1} of ${topic}/${partition} were removed by retention before they were read.`);
    if (offset > end)
      throw resync(
        topic,
        `The position ${offset} is behind the end ${end} of ${topic}/${partition}: the topic was deleted and made anew, or has lost messages.`,
      );
    from.set(partition, offset);
  }
  await assertSameTopic(cluster, position, first);
  return { topic, from, ends };
}

/** The protocol that the driver speaks knows topics by name alone: another message where one was read tells that the topic is another one. */
async function assertSameTopic(cluster: Cluster, { topic, witness }: Position, first: ReadonlyMap<number, number>): Promise<void> {
  if (witness === null || witness.offset < (first.get(witness.partition) ?? Number.MAX_SAFE_INTEGER)) return;
  const { partition, offset: at } = witness;
  const part = await fetchAlone(cluster, { topic, committed: false, maxBytes: 1, partitionBytes: 1 }, { partition, offset: at, until: at + 1 });
  const found = part.messages.find(({ offset }) => Number(offset) === witness.offset);
  if (found === undefined || found.timestamp === witness.timestamp) return;
  throw resync(
    topic,
    `Another message stands at ${topic}/${witness.partition}@${witness.offset} than the one that was read there: the topic was deleted and made anew.`,
  );
}
