/**
 * `manifest.json`: one object for each sync and shard, replaced by compare-and-set. It is the destination's state and its table of contents at once, so that replacing it is the commit:
 * an object that it does not name is not there. Numbers past 2^53 are text.
 *
 * The objects of the newest batches stand in it; older ones in segments, written once and never changed, that it names.
 */
import type { LogicalType } from '../../values/types.ts';
import type { DestinationState } from '../connector.ts';

/** Bounds what each commit uploads again. */
export const maxListed = 256;

export interface DataObject {
  readonly key: string;
  readonly etag: string;
  readonly seq: string;
  readonly rows: number;
  readonly bytes: number;
}

export interface Segment {
  readonly key: string;
  readonly objects: number;
  readonly rows: number;
}

/** One set of rows. `replace` builds the next one beside the live one. Order is that of writing: segments, then objects. */
export interface Contents {
  readonly generation: number;
  readonly segments: readonly Segment[];
  readonly objects: readonly DataObject[];
}

/** An object with dead letters, written once. */
export interface Letters {
  readonly key: string;
  readonly count: number;
}

export interface Manifest {
  readonly version: 1;
  readonly sync: string;
  readonly shard: string;
  readonly epoch: string;
  readonly fence: string;
  readonly seq: string;
  readonly batchId: string | null;
  readonly cursor: string | null;
  /** Fresh for each claim, so that the ETag changes with every claim and a write that is still under way from before it is refused. */
  readonly claim: string;
  /** ISO time of the last change, by the writer's clock. */
  readonly at: string;
  readonly format: string;
  readonly compression: string;
  readonly columns: readonly { readonly name: string; readonly type: LogicalType }[];
  /** With `upsert`: the columns by which the last row of each key is its newest state. */
  readonly key: readonly string[];
  /** The highest generation that was ever begun: keys hold it, and none is used twice. */
  readonly generations: number;
  readonly live: Contents;
  /** What an unfinished `replace` has written. */
  readonly next: Contents | null;
  /** Replaced or given up; their objects are being deleted. */
  readonly retired: readonly Contents[];
  readonly letters: readonly Letters[];
}

export const emptyContents = (generation: number): Contents => ({ generation, segments: [], objects: [] });

export function isEmpty({ segments, objects }: Contents): boolean {
  return segments.length === 0 && objects.length === 0;
}

export function stateOf(manifest: Manifest): DestinationState {
  const { epoch, fence, seq, batchId, cursor } = manifest;
  return { epoch: BigInt(epoch), fence: BigInt(fence), seq: BigInt(seq), batchId, cursor };
}
