/** Dead letters: objects beside the manifest, written once; those that count are the ones it names. */
import { randomUUID } from 'node:crypto';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SyncError } from '../../errors.ts';
import type { DeadLetter, StoredDeadLetter } from '../connector.ts';
import type { Bucket } from './client.ts';
import { s3Error } from './errors.ts';
import { controlPath, type SyncPlace } from './layout.ts';
import type { Letters } from './manifest.ts';

export class LetterStore {
  readonly #bucket: Bucket;
  readonly #place: SyncPlace;

  constructor(bucket: Bucket, place: SyncPlace) {
    this.#bucket = bucket;
    this.#place = place;
  }

  async read(letters: readonly Letters[]): Promise<StoredDeadLetter[]> {
    const found: StoredDeadLetter[] = [];
    for (const { key } of letters) found.push(...(await this.#readOne(key)));
    return found;
  }

  /** What the manifest names after a batch that adds some and resolves others. */
  async change(letters: readonly Letters[], added: readonly DeadLetter[], resolved: readonly string[]): Promise<readonly Letters[]> {
    const after: Letters[] = [];
    const gone = new Set(resolved);
    for (const named of letters) {
      if (gone.size === 0) {
        after.push(named);
        continue;
      }
      const found = await this.#readOne(named.key);
      const left = found.filter(({ id }) => !gone.has(id));
      if (left.length === found.length) after.push(named);
      else if (left.length > 0) after.push(await this.#store(left));
    }
    if (added.length === 0) return after;
    const at = new Date().toISOString();
    const { sync } = this.#place;
    return [...after, await this.#store(added.map((letter) => ({ ...letter, id: randomUUID(), sync, at })))];
  }

  async #readOne(key: string): Promise<StoredDeadLetter[]> {
    try {
      const { Body } = await this.#bucket.client.send(new GetObjectCommand({ Bucket: this.#bucket.name, Key: key }));
      if (Body === undefined) throw new SyncError('INTERNAL', `${key} came without a body.`, { key });
      return JSON.parse(await Body.transformToString()) as StoredDeadLetter[];
    } catch (error) {
      throw s3Error(error, `read the dead letters in ${key}`, { key });
    }
  }

  async #store(letters: readonly StoredDeadLetter[]): Promise<Letters> {
    const key = `${controlPath(this.#place)}dead-letters/${randomUUID()}.json`;
    try {
      await this.#bucket.client.send(
        new PutObjectCommand({ Bucket: this.#bucket.name, Key: key, Body: JSON.stringify(letters), ContentType: 'application/json' }),
      );
    } catch (error) {
      throw s3Error(error, `store dead letters in ${key}`, { key });
    }
    return { key, count: letters.length };
  }
}
