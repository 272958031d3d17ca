/** The columns before anything is read: from the first and the newest messages of some partitions. What differs later widens them while it is read. */
import type { Cluster } from 'kafkajs';
import type { SourceRequest } from '../connector.ts';
import type { SourceOptions } from './config.ts';
import { decode } from './decode.ts';
import { fetchAlone, visibility } from './fetch.ts';
import { Fields } from './fields.ts';
import { chosenPartitions } from './positions.ts';
import { offsetsOf } from './topics.ts';

const samplePartitions = 16;
const sampleMessages = 100;
const sampleBytes = 256 * 1024;

export async function sample(
  cluster: Cluster,
  from: { request: Pick<SourceRequest, 'include' | 'exclude'>; options: SourceOptions; signal: AbortSignal },
): Promise<Fields> {
  const { request, options, signal } = from;
  const { topic } = options;
  const fields = new Fields(request, options);
  const all = await chosenPartitions(cluster, options);
  const first = await offsetsOf(cluster, topic, { partitions: all, earliest: true });
  const ends = await offsetsOf(cluster, topic, { partitions: all, earliest: false });
  const filled = all.filter((partition) => (ends.get(partition) ?? 0) > (first.get(partition) ?? 0)).slice(0, samplePartitions);
  for (const partition of filled) {
    const start = first.get(partition) ?? 0;
    for (const offset of new Set([start, Math.max(start, (ends.get(partition) ?? 0) - sampleMessages)])) {
      signal.throwIfAborted();
      const options = { topic, committed: true, maxBytes: sampleBytes, partitionBytes: sampleBytes };
      const part = await fetchAlone(cluster, options, { partition, offset, until: offset + 1, signal });
      const seen = visibility(part);
      // Told again when they are read: only the columns count here
      for (const message of part.messages.filter((_, index) => seen[index] === true).slice(0, sampleMessages)) decode(message, { topic, partition, fields });
    }
  }
  return fields;
}
