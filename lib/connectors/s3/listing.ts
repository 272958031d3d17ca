import { setTimeout as sleep } from 'node:timers/promises';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import type { Bucket } from './client.ts';
import { compareKeys, type Front, fingerprint, isAfter, type ListedObject, type ParsedCursor } from './cursor.ts';
import { s3Error } from './errors.ts';
import { isControlKey } from './layout.ts';

export interface Prefix {
  readonly bucket: Bucket;
  readonly path: string;
  readonly suffix?: string;
}

/** Objects kept of a listing: the first of them in the order of reading. The rest is listed again when they are done. */
const maxKept = 50_000;
/** A second of uploads is listed whole only when it is over and the requests of its end have been answered. */
const closingMs = 2_000;

/** Folders' placeholders, Idra's own records, and what Hive and Spark hide (`_SUCCESS`, `_temporary/`, `.part`) are no data. */
function isData(key: string, { path, suffix }: Prefix): boolean {
  if (key.endsWith('/') || isControlKey(key) || (suffix !== undefined && !key.endsWith(suffix))) return false;
  return !/(?:^|\/)[_.][^/]*(?:\/|$)/.test(key.slice(path.lastIndexOf('/') + 1)) || key === path;
}

/** In the order of keys. */
export async function* listObjects(prefix: Prefix, after: string | null, signal: AbortSignal): AsyncGenerator<ListedObject[]> {
  const { bucket, path } = prefix;
  let token: string | undefined;
  do {
    signal.throwIfAborted();
    try {
      const page = await bucket.client.send(
        new ListObjectsV2Command({
          Bucket: bucket.name,
          Prefix: path,
          ...(token === undefined ? {} : { ContinuationToken: token }),
          ...(after === null || token !== undefined ? {} : { StartAfter: after }),
        }),
        { abortSignal: signal },
      );
      token = page.NextContinuationToken;
      yield (page.Contents ?? []).flatMap(({ Key, ETag, Size, LastModified }) =>
        Key === undefined || ETag === undefined || !isData(Key, prefix)
          ? []
          : [{ key: Key, etag: ETag, bytes: Size ?? 0, modified: LastModified?.getTime() ?? 0 }],
      );
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw s3Error(error, `list ${bucket.name}/${path}`, {});
    }
  } while (token !== undefined);
}

export interface Backlog {
  /** Not read yet, by time and then key. */
  readonly objects: readonly ListedObject[];
  /** Done already, as far as the cursor names each. */
  readonly kept: readonly ListedObject[];
  /** There are more than were kept. */
  readonly more: boolean;
}

export type Known = Pick<ParsedCursor, 'front' | 'since' | 'done'>;

function isDone(object: ListedObject, { front, since, done }: Known): boolean {
  if (done.size > 0 && object.modified >= since && done.has(fingerprint(object))) return true;
  return !isAfter(object, front) && object.modified < since;
}

function byTime(a: ListedObject, b: ListedObject): number {
  return a.modified - b.modified || compareKeys(a.key, b.key);
}

async function listOnce(prefix: Prefix, known: Known, { until, signal }: { until: number; signal: AbortSignal }): Promise<Backlog & { newest: number }> {
  let objects: ListedObject[] = [];
  const kept: ListedObject[] = [];
  let more = false;
  let newest = 0;
  for await (const page of listObjects(prefix, null, signal)) {
    for (const object of page) {
      if (isDone(object, known)) {
        if (object.modified >= known.since) kept.push(object);
        continue;
      }
      newest = Math.max(newest, object.modified);
      if (object.modified <= until) objects.push(object);
    }
    if (objects.length > 2 * maxKept) {
      objects = objects.sort(byTime).slice(0, maxKept);
      more = true;
    }
  }
  objects.sort(byTime);
  if (objects.length > maxKept) more = true;
  return { objects: objects.slice(0, maxKept), kept, more, newest };
}

/** What is there and not done, up to the moment of the call. Waits until the second of that moment is over where something was uploaded in it. */
export async function backlog(prefix: Prefix, known: Known, signal: AbortSignal): Promise<Backlog> {
  const first = await listOnce(prefix, known, { until: Number.POSITIVE_INFINITY, signal });
  const now = prefix.bucket.serverNow();
  if (first.newest < now - closingMs) return first;
  const until = Math.floor(now / 1000) * 1000 + 999;
  await sleep(Math.max(0, until + 1 + closingMs / 2 - prefix.bucket.serverNow()), undefined, { signal }).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error;
  });
  return listOnce(prefix, known, { until, signal });
}

export type { Front };
