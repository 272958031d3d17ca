import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { SyncError } from '../../errors.ts';
import type { Bucket } from './client.ts';
import { isMissing, isPrecondition, s3Error } from './errors.ts';

/** S3 takes no parts under 5 MiB but the last, and 10,000 of them at most: 8 MiB reach 80 GB, and a batch is bounded by 1 GB. */
const partBytes = 8 * 1024 ** 2;

export interface UploadOptions {
  readonly key: string;
  readonly contentType: string;
  /** Who writes, as user metadata of the object: tells one's own object from another's after a lost reply. */
  readonly owner: { readonly epoch: bigint; readonly fence: bigint; readonly attempt: string };
  /** ETag of an object that a run before left there without committing it; null: none may be there. */
  readonly replaces: string | null;
}

export interface Owner {
  readonly etag: string;
  readonly epoch: bigint;
  readonly fence: bigint;
  readonly attempt: string;
}

/** Who wrote an object; null where there is none. Throws `CONFLICT` where the object is not Idra's. */
export async function ownerOf(bucket: Bucket, key: string): Promise<Owner | null> {
  try {
    const { ETag, Metadata = {} } = await bucket.client.send(new HeadObjectCommand({ Bucket: bucket.name, Key: key }));
    const { 'idra-epoch': epoch, 'idra-fence': fence, 'idra-attempt': attempt } = Metadata;
    if (ETag === undefined || epoch === undefined || fence === undefined || attempt === undefined)
      throw new SyncError('CONFLICT', `${key} is there already and was not written by Idra: move it away.`, { key });
    return { etag: ETag, epoch: BigInt(epoch), fence: BigInt(fence), attempt };
  } catch (error) {
    if (isMissing(error)) return null;
    throw s3Error(error, `look at ${key}`, { key });
  }
}

/** One object that grows in memory up to a part, and in parts beyond. It appears whole when it is finished, or never. */
export class ObjectUpload {
  readonly #bucket: Bucket;
  readonly #o: UploadOptions;
  readonly #parts: { PartNumber: number; ETag: string }[] = [];
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #bytes = 0;
  #uploadId: string | null = null;

  constructor(bucket: Bucket, options: UploadOptions) {
    this.#bucket = bucket;
    this.#o = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  async append(bytes: Uint8Array): Promise<void> {
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    this.#bytes += bytes.length;
    if (this.#heldBytes >= partBytes) await this.#sendPart();
  }

  /** Returns the ETag. Throws `CONFLICT` where another object stands there now. */
  async finish(): Promise<string> {
    const { key, replaces, owner } = this.#o;
    const condition = replaces === null ? { IfNoneMatch: '*' } : { IfMatch: replaces };
    try {
      let etag: string | undefined;
      if (this.#uploadId === null) {
        etag = (await this.#bucket.client.send(new PutObjectCommand({ ...this.#names(), ...this.#description(), ...condition, Body: this.#take() }))).ETag;
      } else {
        if (this.#heldBytes > 0) await this.#sendPart();
        const complete = { ...this.#names(), UploadId: this.#uploadId, MultipartUpload: { Parts: this.#parts }, ...condition };
        etag = (await this.#bucket.client.send(new CompleteMultipartUploadCommand(complete))).ETag;
      }
      this.#uploadId = null;
      if (etag === undefined) throw new SyncError('INTERNAL', `${key} was stored without an ETag.`, { key });
      return etag;
    } catch (error) {
      // A request whose reply was lost is sent again by the SDK, and then meets its own object
      const stored = isPrecondition(error) || isMissing(error) ? await ownerOf(this.#bucket, key) : null;
      if (stored?.attempt !== owner.attempt) throw s3Error(error, `store ${key}`, { key });
      this.#uploadId = null;
      return stored.etag;
    }
  }

  /** Gives up: parts that were sent are removed. */
  async abort(): Promise<void> {
    this.#take();
    if (this.#uploadId === null) return;
    const UploadId = this.#uploadId;
    this.#uploadId = null;
    try {
      await this.#bucket.client.send(new AbortMultipartUploadCommand({ ...this.#names(), UploadId }));
    } catch (error) {
      if (!isMissing(error)) throw s3Error(error, `give up the upload of ${this.#o.key}`, { key: this.#o.key });
    }
  }

  async #sendPart(): Promise<void> {
    try {
      if (this.#uploadId === null) {
        const { UploadId } = await this.#bucket.client.send(new CreateMultipartUploadCommand({ ...this.#names(), ...this.#description() }));
        this.#uploadId = UploadId ?? null;
        if (this.#uploadId === null) throw new SyncError('INTERNAL', `${this.#o.key}: the upload of parts has no id.`, { key: this.#o.key });
      }
      const PartNumber = this.#parts.length + 1;
      const part = new UploadPartCommand({ ...this.#names(), UploadId: this.#uploadId, PartNumber, Body: this.#take() });
      const { ETag } = await this.#bucket.client.send(part);
      this.#parts.push({ PartNumber, ETag: ETag ?? '' });
    } catch (error) {
      throw s3Error(error, `store a part of ${this.#o.key}`, { key: this.#o.key });
    }
  }

  #take(): Uint8Array {
    const bytes = Buffer.concat(this.#held);
    this.#held = [];
    this.#heldBytes = 0;
    return bytes;
  }

  #names(): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket.name, Key: this.#o.key };
  }

  #description(): { ContentType: string; Metadata: Record<string, string> } {
    const { epoch, fence, attempt } = this.#o.owner;
    return { ContentType: this.#o.contentType, Metadata: { 'idra-epoch': String(epoch), 'idra-fence': String(fence), 'idra-attempt': attempt } };
  }
}
