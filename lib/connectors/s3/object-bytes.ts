import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { SyncError } from '../../errors.ts';
import type { Bucket } from './client.ts';
import type { ListedObject } from './cursor.ts';
import { s3Error, statusOf } from './errors.ts';
import { zstdContent } from './zstd-frames.ts';

/** One request brings this much: no connection stays open while a destination is slow, and what breaks off is asked for again. */
const rangeBytes = 8 * 1024 ** 2;
const maxTries = 4;

export type ObjectCompression = 'none' | 'gzip' | 'zstd';

/** The bytes [from, to) of exactly this version of an object. Throws `RESYNC_REQUIRED` where it was changed or removed since it was listed. */
export async function readRange(bucket: Bucket, object: ListedObject, [from, to]: readonly [number, number], signal: AbortSignal): Promise<Buffer> {
  const { key, etag } = object;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      const range = { Bucket: bucket.name, Key: key, IfMatch: etag, Range: `bytes=${from}-${to - 1}` };
      const { Body } = await bucket.client.send(new GetObjectCommand(range), { abortSignal: signal });
      const bytes = await Body?.transformToByteArray();
      if (bytes !== undefined && bytes.length === to - from) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      if (attempt === maxTries)
        throw new SyncError('CONNECTION_FAILED', `${key} broke off after ${bytes?.length ?? 0} of ${to - from} bytes.`, { key, retry: 'backoff' });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const status = statusOf(error);
      if (status === 412 || status === 404) {
        throw new SyncError(
          'RESYNC_REQUIRED',
          `${key} was ${status === 412 ? 'overwritten' : 'removed'} while it was being read: what was read of it stays, and the rest is not known. Put the version of before back, or begin anew with \`idra checkpoint reset\`.`,
          { key, cause: error },
        );
      }
      const failure = s3Error(error, `read ${key}`, { key });
      if (failure.retry === 'never' || attempt === maxTries) throw failure;
    }
  }
}

async function* stored(bucket: Bucket, object: ListedObject, from: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  const fetchAt = (at: number): Promise<Buffer> => {
    const range = readRange(bucket, object, [at, Math.min(at + rangeBytes, object.bytes)], signal);
    // Asked for ahead: a failure is told when it is waited for
    range.catch(() => undefined);
    return range;
  };
  let next = from < object.bytes ? fetchAt(from) : null;
  for (let at = from; next !== null; ) {
    const bytes = await next;
    at += bytes.length;
    next = at < object.bytes ? fetchAt(at) : null;
    yield bytes;
  }
}

/** The content from a position on, decompressed. What is compressed is read from its beginning. */
export async function* contentOf(
  bucket: Bucket,
  object: ListedObject,
  { from, compression, signal }: { from: number; compression: ObjectCompression; signal: AbortSignal },
): AsyncGenerator<Buffer> {
  if (compression === 'none') {
    yield* stored(bucket, object, from, signal);
    return;
  }
  const bytes = stored(bucket, object, 0, signal);
  let skip = from;
  for await (const piece of compression === 'gzip' ? gzipContent(bytes) : zstdContent(bytes)) {
    if (skip >= piece.length) skip -= piece.length;
    else {
      yield skip === 0 ? piece : piece.subarray(skip);
      skip = 0;
    }
  }
}

async function* gzipContent(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const source = Readable.from(bytes, { objectMode: false, highWaterMark: rangeBytes });
  const inflate = createGunzip({ chunkSize: 256 * 1024 });
  source.on('error', (error) => inflate.destroy(error));
  source.pipe(inflate);
  try {
    yield* inflate as AsyncIterable<Buffer>;
  } finally {
    source.destroy();
    inflate.destroy();
  }
}
