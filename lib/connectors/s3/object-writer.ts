import { SyncError } from '../../errors.ts';
import type { Row, Schema } from '../../values/types.ts';
import type { Bucket } from './client.ts';
import { type Compressor, compressorFor } from './compress.ts';
import { type Compression, contentTypes, type Encoder, encoderFor, type Format } from './encoders.ts';
import type { DataObject } from './manifest.ts';
import { ObjectUpload, type UploadOptions } from './object-upload.ts';

/** Rows of a chunk become text piece by piece, so that a large chunk is not held twice. */
const rowsAtOnce = 2_000;

export interface ObjectFormat {
  readonly format: Format;
  readonly compression: Compression;
  readonly schema: Schema;
}

/** Rows → bytes → compressed bytes → one object. */
export class ObjectWriter {
  readonly #upload: ObjectUpload;
  readonly #encoder: Encoder;
  readonly #compressor: Compressor;
  readonly #key: string;
  #rows = 0;

  constructor(bucket: Bucket, { format, compression, schema }: ObjectFormat, options: Omit<UploadOptions, 'contentType'>) {
    this.#key = options.key;
    this.#upload = new ObjectUpload(bucket, { ...options, contentType: contentTypes[format] });
    this.#encoder = encoderFor(format, schema, compression);
    this.#compressor = compressorFor(format === 'parquet' ? 'none' : compression);
  }

  get heldBytes(): number {
    return this.#upload.heldBytes;
  }

  async add(rows: readonly Row[]): Promise<void> {
    for (let at = 0; at < rows.length; at += rowsAtOnce) await this.#compress(this.#encoder.add(rows.slice(at, at + rowsAtOnce)));
    this.#rows += rows.length;
  }

  async finish(seq: bigint): Promise<DataObject> {
    await this.#compress(this.#encoder.end());
    for (const bytes of await this.#compressor.end()) await this.#upload.append(bytes);
    if (this.#rows === 0) throw new SyncError('INTERNAL', `${this.#key} would have no rows.`, { key: this.#key });
    const etag = await this.#upload.finish();
    return { key: this.#key, etag, seq: String(seq), rows: this.#rows, bytes: this.#upload.bytes };
  }

  async abort(): Promise<void> {
    this.#compressor.destroy();
    await this.#upload.abort();
  }

  async #compress(bytes: Uint8Array | null): Promise<void> {
    if (bytes === null) return;
    for (const piece of await this.#compressor.push(bytes)) await this.#upload.append(piece);
  }
}
