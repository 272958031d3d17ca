/**
 * Positions of all partitions as one text: `kafka:1:` and JSON with the topic, the partitions (`0-99,120`), and for each the offset of the next message in base 36 above the smallest of them. The witness is one
 * message that was read: another one at its place means that the topic was made anew.
 */
import { SyncError } from '../../errors.ts';
import type { Cursor } from '../connector.ts';

export interface Witness {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: string;
}

export interface Position {
  readonly topic: string;
  /** Partition → offset of the next message to read. */
  readonly offsets: ReadonlyMap<number, number>;
  readonly witness: Witness | null;
}

const prefix = 'kafka:1:';
const maxBytes = 4096;

interface Stored {
  readonly t: string;
  readonly p: string;
  readonly b: string;
  readonly o: string;
  readonly w?: readonly [number, number, string];
}

/** `0-2,7` → 0, 1, 2, 7. */
export function parseRanges(text: string): number[] {
  return text.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
  });
}

export function writeRanges(sorted: readonly number[]): string {
  const ranges: string[] = [];
  for (let from = 0; from < sorted.length; ) {
    let to = from;
    while (sorted[to + 1] === (sorted[to] ?? 0) + 1) to++;
    ranges.push(from === to ? String(sorted[from]) : `${sorted[from]}-${sorted[to]}`);
    from = to + 1;
  }
  return ranges.join(',');
}

export function encodeCursor({ topic, offsets, witness }: Position): Cursor {
  const partitions = [...offsets.keys()].sort((a, b) => a - b);
  const base = partitions.reduce((least, partition) => Math.min(least, offsets.get(partition) ?? 0), Number.MAX_SAFE_INTEGER);
  const stored: Stored = {
    t: topic,
    p: writeRanges(partitions),
    b: base.toString(36),
    o: partitions.map((partition) => ((offsets.get(partition) ?? 0) - base).toString(36)).join('.'),
    ...(witness === null ? {} : { w: [witness.partition, witness.offset, witness.timestamp] as const }),
  };
  const text = prefix + JSON.stringify(stored);
  if (Buffer.byteLength(text) > maxBytes)
    throw new SyncError(
      'UNSUPPORTED',
      `The positions of the ${partitions.length} partitions of topic ${topic} do not fit into a checkpoint of ${maxBytes} bytes: share the topic among several syncs with source.partitions (\`0-299\`, \`300-599\`, …).`,
      { table: topic, field: 'source.partitions' },
    );
  return text;
}

export function decodeCursor(cursor: Cursor, topic: string): Position {
  const invalid = (): SyncError =>
    new SyncError(
      'CURSOR_INVALID',
      `The stored position is none of topic ${topic}: it belongs to another source. Reset it (idra checkpoint reset) to read from the beginning.`,
      {
        table: topic,
      },
    );
  if (!cursor.startsWith(prefix)) throw invalid();
  try {
    const stored: Stored = JSON.parse(cursor.slice(prefix.length));
    const base = Number.parseInt(stored.b, 36);
    const partitions = parseRanges(stored.p);
    const offsets = stored.o.split('.').map((text) => base + Number.parseInt(text, 36));
    if (stored.t !== topic || partitions.length !== offsets.length || !offsets.every((offset) => Number.isSafeInteger(offset) && offset >= 0)) throw invalid();
    const [partition, offset, timestamp] = stored.w ?? [];
    return {
      topic,
      offsets: new Map(partitions.map((number, index) => [number, offsets[index] ?? 0])),
      witness: partition === undefined || offset === undefined || timestamp === undefined ? null : { partition, offset, timestamp },
    };
  } catch {
    throw invalid();
  }
}
