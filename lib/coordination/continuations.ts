import { get, put } from './calls.ts';
import { keys } from './keys.ts';
import type { KvStore } from './kv.ts';

/** Which link of a chain of invocations has handed over to the next. */
export interface HandOver {
  /** The same for all links of one chain. */
  readonly chain: string;
  /** Links before the one that handed over. */
  readonly hop: number;
}

/** The last hand-over of each sync and shard: it tells a continuation that came twice from one that is still to run. Only informs, so the last writer wins. */
export interface Continuations {
  /** Null where there was none, or where another program wrote it: the worst that follows is an invocation too many. */
  last(sync: string, shard: string): Promise<HandOver | null>;
  save(sync: string, shard: string, handOver: HandOver): Promise<void>;
}

export function continuationStore(store: KvStore): Continuations {
  return {
    async last(sync, shard) {
      const found = await get(store, keys.continuation(sync, shard));
      return found === null ? null : parse(found.value);
    },
    save: (sync, shard, { chain, hop }) => put(store, keys.continuation(sync, shard), `${hop} ${chain}`),
  };
}

function parse(value: string): HandOver | null {
  const [, hop, chain] = /^(\d+) (.+)$/.exec(value) ?? [];
  return hop === undefined || chain === undefined ? null : { hop: Number(hop), chain };
}
