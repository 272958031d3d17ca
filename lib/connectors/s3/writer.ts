import { randomUUID } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import type { Row } from '../../values/types.ts';
import { type Batch, type Chunk, type Committed, type DestinationState, Operation, type RowChunk, type Writer } from '../connector.ts';
import { advanced, type ClaimOptions, fencedError } from './claim.ts';
import type { Bucket } from './client.ts';
import type { LetterStore } from './dead-letters.ts';
import { extensionOf } from './encoders.ts';
import { s3Error } from './errors.ts';
import { dataKey, type SyncPlace } from './layout.ts';
import { type DataObject, emptyContents, stateOf } from './manifest.ts';
import type { ManifestObject, Stored } from './manifest-object.ts';
import { ownerOf } from './object-upload.ts';
import { ObjectWriter } from './object-writer.ts';
import type { Retired } from './retired.ts';
import { RowChecker } from './row-checker.ts';

export interface WriterOptions extends ClaimOptions {
  readonly bucket: Bucket;
  readonly place: SyncPlace;
  readonly manifest: ManifestObject;
  readonly letters: LetterStore;
  readonly retired: Retired;
  readonly partition: (row: Row) => string;
  readonly partitioned: boolean;
  readonly stored: Stored;
}

/** Objects that one batch fills at the same time, and what they may hold in memory together: past either they are finished and others begun. */
const maxOpen = 32;
const maxHeldBytes = 64 * 1024 ** 2;
/** Keys of an upsert whose folder is remembered within a round. */
const maxPlaces = 100_000;

/** One batch: some data objects, then the manifest that names them. What is not named is not there. */
export class S3Writer implements Writer {
  readonly pipelined = false;
  readonly #o: WriterOptions;
  readonly #checker: RowChecker;
  #stored: Stored;
  #open = new Map<string, ObjectWriter>();
  #finished: DataObject[] = [];
  #places = new Map<string, string>();
  #round = 0;
  #rows = 0;
  #attempt = randomUUID();
  /** Objects of a run that died can lie only where the first batch after the claim goes. */
  #first = true;

  constructor(options: WriterOptions) {
    this.#o = options;
    this.#stored = options.stored;
    this.#checker = new RowChecker(options.title, options.format, options.schema);
  }

  get committed(): DestinationState {
    return stateOf(this.#stored.manifest);
  }

  async write(chunk: Chunk): Promise<void> {
    if (chunk.kind !== 'rows') throw new SyncError('INTERNAL', 'S3 speaks no raw format.');
    if (chunk.operations?.includes(Operation.delete) === true)
      throw new SyncError('UNSUPPORTED', `${this.#o.title} is written by adding objects and deletes no rows: set deletes: ignore.`, { table: this.#o.title });
    this.#checker.check(chunk.rows);
    if (!this.#o.partitioned) await this.#add('', chunk.rows);
    else for (const [partition, rows] of await this.#byPartition(chunk.rows)) await this.#add(partition, rows);
    this.#rows += chunk.rows.length;
  }

  /** A chunk is checked whole before any of it is taken. */
  attempt(chunk: RowChunk): Promise<void> {
    return this.write(chunk);
  }

  async commit(batch: Batch): Promise<Committed> {
    const { manifest, letters, retired, claim, title, write } = this.#o;
    const { seq } = this.committed;
    await this.#endRound();
    const { manifest: known } = this.#stored;
    const target = write === 'replace' ? (known.next ?? emptyContents(known.generations)) : known.live;
    const contents = await manifest.append(target, this.#finished);
    const named = await letters.change(known.letters, batch.deadLetters ?? [], batch.resolved ?? []);
    const nonce = randomUUID();
    const cleaned = retired.cleaned;
    const advance = { options: this.#o, committed: this.committed, batch, nonce, contents, letters: named, cleaned };
    this.#stored = await manifest.replace(
      { change: (current) => advanced(current, advance), done: (current) => current.claim === nonce && current.batchId === batch.batchId },
      this.#stored,
    );
    const rows = this.#rows;
    this.#begin();
    this.#first = false;
    if (this.#stored.manifest.seq !== String(seq + 1n)) throw fencedError(claim, title);
    await retired.clean(this.#stored.manifest.retired);
    return { seq: seq + 1n, written: rows, deleted: 0 };
  }

  async discard(): Promise<void> {
    const open = [...this.#open.values()];
    this.#begin();
    for (const object of open) await object.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discard();
  }

  #begin(): void {
    this.#open = new Map();
    this.#finished = [];
    this.#places = new Map();
    this.#round = 0;
    this.#rows = 0;
    this.#attempt = randomUUID();
    this.#checker.begin();
  }

  /**
   * Rows by folder. Readers of an upsert go by the order of objects: where a key moves to another folder within a batch, the objects of before are finished first, so that the newer row
   * stands in a later one.
   */
  async #byPartition(rows: readonly Row[]): Promise<Map<string, Row[]>> {
    const { partition, write } = this.#o;
    let groups = new Map<string, Row[]>();
    for (const row of rows) {
      const folder = partition(row);
      if (write === 'upsert') {
        const key = this.#checker.keyOf(row);
        const before = this.#places.get(key);
        if ((before !== undefined && before !== folder) || this.#places.size >= maxPlaces) {
          for (const [open, group] of groups) await this.#add(open, group);
          groups = new Map();
          await this.#endRound();
        }
        this.#places.set(key, folder);
      }
      const group = groups.get(folder);
      if (group === undefined) groups.set(folder, [row]);
      else group.push(row);
    }
    return groups;
  }

  async #add(partition: string, rows: readonly Row[]): Promise<void> {
    if (rows.length === 0) return;
    let object = this.#open.get(partition);
    if (object === undefined) {
      if (this.#open.size >= maxOpen) await this.#endRound();
      object = await this.#begun(partition);
      this.#open.set(partition, object);
    }
    try {
      await object.add(rows);
    } catch (error) {
      throw s3Error(error, `write to ${this.#o.title}`, { table: this.#o.title });
    }
    let held = 0;
    for (const { heldBytes } of this.#open.values()) held += heldBytes;
    if (held > maxHeldBytes) await this.#endRound();
  }

  async #begun(partition: string): Promise<ObjectWriter> {
    const { bucket, place, format, compression, schema, claim, title, write } = this.#o;
    const { live, next, generations } = this.#stored.manifest;
    const generation = write === 'replace' ? (next?.generation ?? generations) : live.generation;
    const extension = extensionOf(format, compression);
    // Without fences two writers may have the same seq: each has keys of its own then
    const own = claim.enforced ? extension : `${this.#attempt}.${extension}`;
    const key = dataKey(place, { generation, seq: this.committed.seq + 1n, round: this.#round, partition, extension: own });
    const left = this.#first ? await ownerOf(bucket, key) : null;
    if (left !== null && (left.epoch > claim.epoch || (left.epoch === claim.epoch && left.fence > claim.fence))) throw fencedError(claim, title);
    if (left !== null) await this.#assertHeld();
    const owner = { epoch: claim.epoch, fence: claim.fence, attempt: this.#attempt };
    return new ObjectWriter(bucket, { format, compression, schema }, { key, owner, replaces: left?.etag ?? null });
  }

  /** An object of a dead run is replaced only by whoever still holds the manifest: another may have committed it meanwhile. */
  async #assertHeld(): Promise<void> {
    const { manifest, claim, title } = this.#o;
    const found = await manifest.read();
    if (found === null || found.etag !== this.#stored.etag) throw fencedError(claim, title);
  }

  async #endRound(): Promise<void> {
    const open = [...this.#open.values()];
    if (open.length === 0) return;
    const seq = this.committed.seq + 1n;
    try {
      for (const object of open) this.#finished.push(await object.finish(seq));
    } catch (error) {
      const failure = s3Error(error, `write to ${this.#o.title}`, { table: this.#o.title });
      // Somebody else's object stands there: either the manifest is theirs by now, or it is a dead run's and the next claim replaces it
      if (failure.code === 'CONFLICT') await this.#assertHeld();
      throw failure;
    }
    this.#open = new Map();
    this.#places = new Map();
    this.#round++;
  }
}
