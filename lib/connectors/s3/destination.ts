import { randomUUID } from 'node:crypto';
import { HeadBucketCommand } from '@aws-sdk/client-s3';
import { SyncError } from '../../errors.ts';
import { type Schema, typeName } from '../../values/types.ts';
import type { Claim, Destination, DestinationRequest, DestinationState, StoredDeadLetter, Target, Writer } from '../connector.ts';
import { type ClaimOptions, claimed, cleared, fencedError } from './claim.ts';
import { type Bucket, openBucket, type S3Connection } from './client.ts';
import { LetterStore } from './dead-letters.ts';
import type { Compression, Format } from './encoders.ts';
import { s3Error } from './errors.ts';
import { generationOf, normalPath, type SyncPlace } from './layout.ts';
import { isEmpty, type Manifest, stateOf } from './manifest.ts';
import { ManifestObject, type Stored } from './manifest-object.ts';
import { partitioner } from './partition.ts';
import { requireConditionalWrites } from './probe.ts';
import { dataKeys, deleteKeys, Retired } from './retired.ts';
import { S3Writer } from './writer.ts';

export interface DestinationOptions {
  readonly path: string;
  readonly format: Format;
  readonly compression?: Compression;
  readonly partition?: string;
}

export class S3Destination implements Destination {
  readonly system = 's3';
  readonly #bucket: Bucket;
  readonly #request: DestinationRequest;
  readonly #options: DestinationOptions;
  readonly #place: SyncPlace;
  readonly #title: string;
  readonly #manifest: ManifestObject;
  readonly #letters: LetterStore;

  constructor(connection: S3Connection, request: DestinationRequest) {
    this.#bucket = openBucket(connection);
    this.#request = request;
    this.#options = request.options as DestinationOptions;
    this.#place = { path: normalPath(this.#options.path), sync: request.sync, shard: request.shard };
    this.#title = `s3://${connection.bucket}/${this.#place.path}`;
    this.#manifest = new ManifestObject(this.#bucket, this.#place);
    this.#letters = new LetterStore(this.#bucket, this.#place);
  }

  async state(): Promise<DestinationState | null> {
    const stored = await this.#manifest.read();
    return stored === null ? null : stateOf(stored.manifest);
  }

  async prepare(schema: Schema, options: { readonly dryRun?: boolean } = {}): Promise<Target> {
    try {
      await this.#bucket.client.send(new HeadBucketCommand({ Bucket: this.#bucket.name }));
    } catch (error) {
      throw s3Error(error, `reach bucket ${this.#bucket.name}`, { table: this.#title });
    }
    partitioner(this.#options.partition, schema);
    if (this.#request.write === 'upsert' && schema.key.length === 0)
      throw new SyncError('KEY_REQUIRED', `An upsert into ${this.#title} needs a key: name it in the definition.`, { table: this.#title });
    if (options.dryRun !== true) await requireConditionalWrites(this.#bucket, this.#place.path);
    const stored = await this.#manifest.read();
    if (stored !== null) this.#requireFit(schema, stored.manifest);
    const hasRows = (stored !== null && !isEmpty(stored.manifest.live)) || (await this.#hasObjects());
    const existed = stored !== null || hasRows;
    return {
      schema: { name: this.#title, columns: schema.columns, key: schema.key },
      existed,
      hasRows,
      ...(stored === null || stored.manifest.columns.length === 0 ? {} : { existingColumns: stored.manifest.columns.map(({ name }) => name) }),
    };
  }

  async open(target: Target, claim: Claim): Promise<Writer> {
    const { write } = this.#request;
    const { format, compression = format === 'parquet' ? 'snappy' : 'none', partition } = this.#options;
    const schema = { ...target.schema, name: this.#title };
    const options: ClaimOptions = { claim, title: this.#title, schema, write, format, compression };
    const nonce = randomUUID();
    const stored = await this.#manifest.replace({ change: (current) => claimed(current, options, nonce), done: (current) => current.claim === nonce });
    const retired = new Retired(this.#bucket, this.#manifest);
    await retired.clean(stored.manifest.retired);
    return new S3Writer({
      ...options,
      bucket: this.#bucket,
      place: this.#place,
      manifest: this.#manifest,
      letters: this.#letters,
      retired,
      partition: partitioner(partition, schema),
      partitioned: partition !== undefined,
      stored,
    });
  }

  async clear(_target: Target, claim: Claim): Promise<void> {
    let nonce = '';
    const change = (current: Manifest | null): Manifest => {
      if (current === null) throw fencedError(claim, this.#title);
      const made = cleared(current, claim, this.#title);
      nonce = made.claim;
      return made;
    };
    const { manifest } = await this.#manifest.replace({ change, done: (current) => current.claim === nonce });
    // After the manifest: it never names what is gone. A run that has taken over since writes under this generation or a later one
    const isOlder = (key: string): boolean => (generationOf(this.#place, key) ?? -1) < manifest.generations;
    for await (const keys of dataKeys(this.#bucket, this.#place.path)) await deleteKeys(this.#bucket, keys.filter(isOlder));
  }

  async deadLetters(): Promise<StoredDeadLetter[]> {
    const stored: Stored | null = await this.#manifest.read();
    return stored === null ? [] : this.#letters.read(stored.manifest.letters);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#bucket[Symbol.dispose]();
  }

  async #hasObjects(): Promise<boolean> {
    for await (const keys of dataKeys(this.#bucket, this.#place.path, 100)) if (keys.length > 0) return true;
    return false;
  }

  /** Objects describe themselves, so columns may come and go under `evolve`; one Parquet column of two types is what readers of many objects refuse. */
  #requireFit(schema: Schema, { columns, format, live }: Manifest): void {
    if (this.#request.write === 'replace' || isEmpty(live)) return;
    const refuse = (column: string, why: string): SyncError => new SyncError('SCHEMA_MISMATCH', `${this.#title}: ${why}`, { table: this.#title, column });
    const known = new Map(columns.map(({ name, type }) => [name, typeName(type)]));
    for (const { name, type } of schema.columns) {
      const before = known.get(name);
      if (before === undefined && this.#request.schema === 'freeze')
        throw refuse(name, `the objects before have no column ${JSON.stringify(name)}, and schema: freeze adds none.`);
      if (before === undefined || before === typeName(type)) continue;
      if (this.#request.schema === 'freeze' || (format === 'parquet' && this.#options.format === 'parquet'))
        throw refuse(
          name,
          `column ${JSON.stringify(name)} was ${before} in the objects before and is ${typeName(type)} now. Write to another path, or with write: replace.`,
        );
    }
  }
}
