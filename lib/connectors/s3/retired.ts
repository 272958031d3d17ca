import { DeleteObjectsCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { SyncError } from '../../errors.ts';
import type { Bucket } from './client.ts';
import { s3Error } from './errors.ts';
import { isControlKey } from './layout.ts';
import type { Contents } from './manifest.ts';
import type { ManifestObject } from './manifest-object.ts';

/** DeleteObjects takes this many keys. */
const keysAtOnce = 1_000;

export async function deleteKeys(bucket: Bucket, keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += keysAtOnce) {
    const Objects = keys.slice(at, at + keysAtOnce).map((Key) => ({ Key }));
    try {
      const { Errors = [] } = await bucket.client.send(new DeleteObjectsCommand({ Bucket: bucket.name, Delete: { Objects, Quiet: true } }));
      const [first] = Errors;
      if (first === undefined) continue;
      const code = first.Code === 'AccessDenied' ? 'PERMISSION_DENIED' : 'CONNECTION_FAILED';
      throw new SyncError(code, `Could not delete ${first.Key} and ${Errors.length - 1} others (${first.Code}).`, { key: first.Key ?? '', retry: 'never' });
    } catch (error) {
      throw s3Error(error, `delete objects of ${bucket.name}`, {});
    }
  }
}

/** Keys under a path, Idra's own records left out. */
export async function* dataKeys(bucket: Bucket, path: string, maxKeys = keysAtOnce): AsyncGenerator<string[]> {
  let token: string | undefined;
  do {
    try {
      const { Contents = [], NextContinuationToken } = await bucket.client.send(
        new ListObjectsV2Command({ Bucket: bucket.name, Prefix: path, MaxKeys: maxKeys, ...(token === undefined ? {} : { ContinuationToken: token }) }),
      );
      token = NextContinuationToken;
      yield Contents.flatMap(({ Key }) => (Key === undefined || isControlKey(Key) ? [] : [Key]));
    } catch (error) {
      throw s3Error(error, `list ${bucket.name}/${path}`, {});
    }
  } while (token !== undefined);
}

/** Deletes what a `replace` has replaced, after the commit. What is left over by a run that died, the next one deletes. */
export class Retired {
  readonly #bucket: Bucket;
  readonly #manifest: ManifestObject;
  readonly #cleaned = new Set<number>();

  constructor(bucket: Bucket, manifest: ManifestObject) {
    this.#bucket = bucket;
    this.#manifest = manifest;
  }

  /** Generations of which nothing is left. */
  get cleaned(): ReadonlySet<number> {
    return new Set(this.#cleaned);
  }

  async clean(retired: readonly Contents[]): Promise<void> {
    for (const { generation, segments, objects } of retired) {
      if (this.#cleaned.has(generation)) continue;
      for (const segment of segments) {
        const listed = await this.#manifest.segment(segment);
        await deleteKeys(
          this.#bucket,
          listed.map(({ key }) => key),
        );
      }
      await deleteKeys(this.#bucket, [...objects.map(({ key }) => key), ...segments.map(({ key }) => key)]);
      this.#cleaned.add(generation);
    }
  }
}
