/** Where things lie under a destination's path. `_idra/` begins with an underscore: Hive, Spark, Athena and Trino take such folders for hidden. */

export interface SyncPlace {
  /** With a closing slash. */
  readonly path: string;
  readonly sync: string;
  readonly shard: string;
}

export function normalPath(path: string): string {
  return path.endsWith('/') ? path : `${path}/`;
}

function stem({ sync, shard }: SyncPlace): string {
  return `${encodeURIComponent(sync)}-${encodeURIComponent(shard)}`;
}

export function controlPath(place: SyncPlace): string {
  return `${place.path}_idra/${stem(place)}/`;
}

/** The object whose replacement is the commit. */
export function stateKey(place: SyncPlace): string {
  return `${controlPath(place)}manifest.json`;
}

export interface DataName {
  readonly generation: number;
  readonly seq: bigint;
  /** Counts the times that a batch began new objects because too many were open; 0 in nearly all batches. */
  readonly round: number;
  /** Folders, with a closing slash. */
  readonly partition: string;
  readonly extension: string;
}

/** Deterministic: whoever writes batch `seq` writes this key, so that a second writer meets the first one's object. */
export function dataKey(place: SyncPlace, { generation, seq, round, partition, extension }: DataName): string {
  const part = round === 0 ? '' : `-${round}`;
  return `${place.path}${partition}${stem(place)}-g${generation}-${String(seq).padStart(12, '0')}${part}.${extension}`;
}

/** The generation in a key of this sync's data; null for what is not its own. */
export function generationOf(place: SyncPlace, key: string): number | null {
  const name = key.slice(key.lastIndexOf('/') + 1);
  const own = `${stem(place)}-g`;
  const generation = name.startsWith(own) ? /^\d+(?=-\d{12})/.exec(name.slice(own.length))?.[0] : undefined;
  return generation === undefined ? null : Number(generation);
}

/** Whether a key is one of Idra's own records, under whatever path. */
export function isControlKey(key: string): boolean {
  return key.startsWith('_idra/') || key.includes('/_idra/');
}
