import type { Report } from '../engine/report.ts';
import { SyncError } from '../errors.ts';
import { get, getAll, put } from './calls.ts';
import { keys, lastName } from './keys.ts';
import type { KeyValue, KvStore } from './kv.ts';

export interface StoredRun {
  readonly report: Report;
  /** ISO time, UTC, at which it was stored. */
  readonly at: string;
}

/** Each sync's last report, for `idra status`. */
export interface Runs {
  save(sync: string, report: Report): Promise<void>;
  load(sync: string): Promise<StoredRun | null>;
  /** By the name of the sync. */
  list(): Promise<ReadonlyMap<string, StoredRun>>;
}

export function runStore(store: KvStore): Runs {
  return {
    async save(sync, report) {
      await put(store, keys.run(sync), JSON.stringify({ report, at: new Date().toISOString() }));
    },
    async load(sync) {
      const found = await get(store, keys.run(sync));
      return found === null ? null : parse(found, store.name);
    },
    async list() {
      const found = await getAll(store, keys.runs);
      return new Map(found.map((run) => [lastName(run.key), parse(run, store.name)]));
    },
  };
}

function parse({ key, value }: KeyValue, storeName: string): StoredRun {
  try {
    const { report, at } = JSON.parse(value) as StoredRun;
    if (typeof report === 'object' && report !== null && typeof at === 'string') return { report, at };
  } catch (cause) {
    throw unreadable(key, { storeName, cause });
  }
  throw unreadable(key, { storeName });
}

function unreadable(key: string, { storeName, cause }: { storeName: string; cause?: unknown }): SyncError {
  return new SyncError('STORE_REWOUND', `The report ${key} in ${storeName} cannot be read: another program wrote it. The next run replaces it.`, { cause });
}
