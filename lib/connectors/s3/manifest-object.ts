import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SyncError } from '../../errors.ts';
import type { Bucket } from './client.ts';
import { isMissing, isPrecondition, s3Error } from './errors.ts';
import { controlPath, type SyncPlace, stateKey } from './layout.ts';
import { type Contents, type DataObject, type Manifest, maxListed, type Segment } from './manifest.ts';

export interface Stored {
  readonly manifest: Manifest;
  readonly etag: string;
}

export interface Change {
  /** What to store in place of what is there. Throws where this writer may not. Called again when somebody else came in between. */
  readonly change: (current: Manifest | null) => Manifest;
  /** Whether what is there is what this change has stored: a reply was lost. */
  readonly done: (current: Manifest) => boolean;
}

const maxTries = 20;

/** Reads and replaces the manifest, only ever on condition that it is still the one that was read. */
export class ManifestObject {
  readonly #bucket: Bucket;
  readonly #place: SyncPlace;
  readonly key: string;

  constructor(bucket: Bucket, place: SyncPlace) {
    this.#bucket = bucket;
    this.#place = place;
    this.key = stateKey(place);
  }

  async read(): Promise<Stored | null> {
    try {
      const { Body, ETag } = await this.#bucket.client.send(new GetObjectCommand({ Bucket: this.#bucket.name, Key: this.key }));
      if (Body === undefined || ETag === undefined) throw new SyncError('INTERNAL', `${this.key} came without a body or an ETag.`, { key: this.key });
      return { manifest: parse(await Body.transformToString(), this.key), etag: ETag };
    } catch (error) {
      if (isMissing(error)) return null;
      throw s3Error(error, `read ${this.key}`, { key: this.key });
    }
  }

  /** `known`: what was read or stored last; undefined: read it first. */
  async replace({ change, done }: Change, known?: Stored | null): Promise<Stored> {
    let current = known === undefined ? await this.read() : known;
    for (let attempt = 1; ; attempt++) {
      const manifest = change(current?.manifest ?? null);
      try {
        const { ETag } = await this.#bucket.client.send(
          new PutObjectCommand({
            Bucket: this.#bucket.name,
            Key: this.key,
            Body: JSON.stringify(manifest),
            ContentType: 'application/json',
            ...(current === null ? { IfNoneMatch: '*' } : { IfMatch: current.etag }),
          }),
        );
        if (ETag === undefined) throw new SyncError('INTERNAL', `${this.key} was stored without an ETag.`, { key: this.key });
        return { manifest, etag: ETag };
      } catch (error) {
        // A 404 answers If-Match where the object has been deleted meanwhile
        const passing = isPrecondition(error) || isMissing(error) || s3Error(error, '').code === 'CONNECTION_FAILED';
        if (!passing || attempt === maxTries) throw s3Error(error, `store ${this.key}`, { key: this.key });
        await sleep(Math.random() * Math.min(1_000, 20 * 2 ** attempt));
        current = await this.read();
        if (current !== null && done(current.manifest)) return current;
      }
    }
  }

  /** Moves what has grown long into a segment, and adds. Segments have names of their own: one that never comes to be named does no harm. */
  async append(contents: Contents, added: readonly DataObject[]): Promise<Contents> {
    if (added.length === 0) return contents;
    const { generation, segments, objects } = contents;
    if (objects.length === 0 || objects.length + added.length <= maxListed) return { generation, segments, objects: [...objects, ...added] };
    const key = `${controlPath(this.#place)}segments/${objects[0]?.seq ?? '0'}-${randomUUID()}.json`;
    try {
      await this.#bucket.client.send(
        new PutObjectCommand({ Bucket: this.#bucket.name, Key: key, Body: JSON.stringify({ version: 1, objects }), ContentType: 'application/json' }),
      );
    } catch (error) {
      throw s3Error(error, `store ${key}`, { key });
    }
    const rows = objects.reduce((sum, object) => sum + object.rows, 0);
    return { generation, segments: [...segments, { key, objects: objects.length, rows }], objects: [...added] };
  }

  async segment({ key }: Segment): Promise<readonly DataObject[]> {
    try {
      const { Body } = await this.#bucket.client.send(new GetObjectCommand({ Bucket: this.#bucket.name, Key: key }));
      const stored = JSON.parse((await Body?.transformToString()) ?? 'null') as { objects: DataObject[] } | null;
      if (stored === null) throw new SyncError('INTERNAL', `${key} is empty.`, { key });
      return stored.objects;
    } catch (error) {
      throw s3Error(error, `read ${key}`, { key });
    }
  }
}

function parse(text: string, key: string): Manifest {
  const invalid = (cause?: unknown): SyncError =>
    new SyncError(
      'CHECKPOINT_CONFLICT',
      `${key} is no manifest of Idra's, or of a later version: restore it from a version of the bucket, or choose another path.`,
      {
        key,
        cause,
      },
    );
  let manifest: Manifest;
  try {
    manifest = JSON.parse(text) as Manifest;
  } catch (error) {
    throw invalid(error);
  }
  if (manifest === null || typeof manifest !== 'object' || manifest.version !== 1 || !Array.isArray(manifest.live?.objects)) throw invalid();
  return manifest;
}
