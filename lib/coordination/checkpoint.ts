import * as z from 'zod';
import { SyncError } from '../errors.ts';
import { commit, get, getAll, put, removeAll } from './calls.ts';
import type { Checkpoint, CheckpointStore, StoredCheckpoint } from './contract.ts';
import { keys, lastName } from './keys.ts';
import type { Compare, KeyValue, KvStore, Op } from './kv.ts';

/** A position, not a place for data; etcd keeps every version of it until it is compacted. */
export const maxCheckpointBytes = 4096;

const text = z.string();
const integer = text.regex(/^\d+$/).transform(BigInt);
const format = z.object({ epoch: integer, fence: integer, seq: integer, batchId: text, cursor: text.nullable(), at: text });

export interface ShardCheckpoint {
  readonly shard: string;
  readonly checkpoint: StoredCheckpoint;
}

export interface Checkpoints extends CheckpointStore {
  list(sync: string): Promise<ShardCheckpoint[]>;
  /** Writes whatever is there: a run that is under way stops at its next checkpoint with CHECKPOINT_CONFLICT. */
  set(sync: string, shard: string, checkpoint: Checkpoint): Promise<void>;
  /** Removes the checkpoints of all shards; how many there were. */
  reset(sync: string): Promise<number>;
}

export function checkpointStore(store: KvStore): Checkpoints {
  return {
    async load(sync, shard) {
      const found = await get(store, keys.checkpoint(sync, shard));
      return found === null ? null : parse(found, store.name);
    },
    async save(sync, shard, { checkpoint, expected, lock }) {
      const key = keys.checkpoint(sync, shard);
      const value = serialize(checkpoint, sync);
      const own: Compare = { key: lock.key, target: 'create', equals: lock.fence };
      const unmoved: Compare = { key, target: 'mod', equals: expected };
      const both: Op[] = [
        { op: 'get', key },
        { op: 'get', key: lock.key },
      ];
      // A repetition after a lost reply fails its compares if the first one was stored, and finds its own batch id.
      const result = await commit(store, { compare: [own, unmoved], success: [{ op: 'put', key, value }], failure: both });
      if (result.succeeded) return result.revision;
      const [[stored] = [], [holder] = []] = result.results;
      if (stored !== undefined && parse(stored, store.name).batchId === checkpoint.batchId) return stored.modRevision;
      if (holder?.createRevision !== lock.fence) {
        throw new SyncError('LOCK_LOST', `The lock of ${sync} is gone: its lease has ended, and another run may go on in its place.`, { retry: 'now', sync });
      }
      throw new SyncError('CHECKPOINT_CONFLICT', `The checkpoint of ${sync} (${key}) was changed by somebody else while this run held its lock.`, {
        retry: 'now',
        sync,
      });
    },
    async list(sync) {
      return (await getAll(store, keys.checkpoints(sync))).map((found) => ({ shard: lastName(found.key), checkpoint: parse(found, store.name) }));
    },
    async set(sync, shard, checkpoint) {
      await put(store, keys.checkpoint(sync, shard), serialize(checkpoint, sync));
    },
    async reset(sync) {
      const found = await getAll(store, keys.checkpoints(sync));
      await removeAll(
        store,
        found.map(({ key }) => key),
      );
      return found.length;
    },
  };
}

function serialize({ epoch, fence, seq, batchId, cursor, at }: Checkpoint, sync: string): string {
  const value = JSON.stringify({ epoch: String(epoch), fence: String(fence), seq: String(seq), batchId, cursor, at });
  const bytes = Buffer.byteLength(value);
  if (bytes <= maxCheckpointBytes) return value;
  throw new SyncError(
    'TOO_LARGE',
    `The checkpoint of ${sync} would take ${bytes} bytes; the limit is ${maxCheckpointBytes}. Use a shorter key in its cursor.`,
    { sync },
  );
}

function parse({ key, value, modRevision }: KeyValue, storeName: string): StoredCheckpoint {
  const parsed = format.safeParse(json(value));
  if (parsed.success) return { ...parsed.data, revision: modRevision };
  const sync = lastName(key.slice(0, key.lastIndexOf('/')));
  throw new SyncError('CURSOR_INVALID', `The checkpoint ${key} in ${storeName} cannot be read: show it with \`idra checkpoint show ${sync}\`, or reset it.`, {
    sync,
  });
}

function json(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
