/** What may be put in place of a manifest: the fence is checked here, in the change that the compare-and-set stores. */
import { randomUUID } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import type { Schema } from '../../values/types.ts';
import type { Batch, Claim, DestinationState, WriteMode } from '../connector.ts';
import type { Compression, Format } from './encoders.ts';
import { type Contents, emptyContents, isEmpty, type Letters, type Manifest } from './manifest.ts';

export interface ClaimOptions {
  readonly claim: Claim;
  readonly title: string;
  readonly schema: Schema;
  readonly write: WriteMode;
  readonly format: Format;
  readonly compression: Compression;
}

export function fencedError({ sync, fence }: Claim, title: string): SyncError {
  return new SyncError('FENCED', `Another run has claimed ${title} for sync ${sync} since fence ${fence}: this run writes nothing more.`, {
    sync,
    table: title,
  });
}

function isAbove({ epoch, fence }: Manifest, claim: Claim): boolean {
  const stored = BigInt(epoch);
  return stored > claim.epoch || (stored === claim.epoch && BigInt(fence) > claim.fence);
}

function retire(manifest: Manifest, contents: Contents | null): readonly Contents[] {
  return contents === null || isEmpty(contents) ? manifest.retired : [...manifest.retired, contents];
}

/** Takes the manifest over. Equal or higher (epoch, fence) passes; `nonce` makes every claim another object. */
export function claimed(current: Manifest | null, options: ClaimOptions, nonce: string): Manifest {
  const { claim, title, schema, write, format, compression } = options;
  if (current !== null && claim.enforced && isAbove(current, claim)) throw fencedError(claim, title);
  const { sync, shard } = claim;
  const base: Manifest = current ?? {
    version: 1,
    sync,
    shard,
    epoch: '0',
    fence: '0',
    seq: '0',
    batchId: null,
    cursor: null,
    claim: nonce,
    at: '',
    format,
    compression,
    columns: [],
    key: [],
    generations: 0,
    live: emptyContents(0),
    next: null,
    retired: [],
    letters: [],
  };
  const kept = write === 'replace' && base.cursor !== null ? base.next : null;
  const begun = write === 'replace' && kept === null;
  // A position belongs to the rows that were read up to it: the rest alone, beside or in the place of others, would lose those
  const elsewhere = begun || (write !== 'replace' && base.next !== null);
  return {
    ...base,
    cursor: elsewhere ? null : base.cursor,
    epoch: String(claim.epoch),
    fence: String(claim.fence),
    claim: nonce,
    at: new Date().toISOString(),
    format,
    compression,
    columns: schema.columns.map(({ name, type }) => ({ name, type })),
    key: write === 'upsert' ? schema.key : [],
    generations: base.generations + (begun ? 1 : 0),
    next: begun ? emptyContents(base.generations + 1) : kept,
    retired: kept === null ? retire(base, base.next) : base.retired,
  };
}

export interface Advance {
  readonly options: ClaimOptions;
  /** What this writer believes to be stored. */
  readonly committed: DestinationState;
  readonly batch: Batch;
  readonly nonce: string;
  /** The set that the batch adds to, with the batch. */
  readonly contents: Contents;
  readonly letters: readonly Letters[];
  /** Generations whose objects are deleted by now. */
  readonly cleaned: ReadonlySet<number>;
}

/** The commit: seq + 1 under the same (epoch, fence, seq), or `FENCED`. */
export function advanced(current: Manifest | null, advance: Advance): Manifest {
  const { options, committed, batch, contents, letters, cleaned } = advance;
  const { claim, title, write } = options;
  if (current === null) throw fencedError(claim, title);
  const held = BigInt(current.epoch) === claim.epoch && BigInt(current.fence) === claim.fence && BigInt(current.seq) === committed.seq;
  if (claim.enforced && !held) throw fencedError(claim, title);
  const replaced = write === 'replace' && batch.final === true;
  const merged = held ? contents : withAll(current.live, contents);
  return {
    ...current,
    seq: String(committed.seq + 1n),
    batchId: batch.batchId,
    cursor: batch.cursor,
    claim: advance.nonce,
    at: new Date().toISOString(),
    live: write === 'replace' && !replaced ? current.live : merged,
    next: write === 'replace' && !replaced ? merged : null,
    retired: (replaced ? retire(current, current.live) : current.retired).filter(({ generation }) => !cleaned.has(generation)),
    letters,
  };
}

/** Only where fences are not enforced: what another writer has added stays, as it would in a table. */
function withAll(theirs: Contents, ours: Contents): Contents {
  const known = new Set(theirs.objects.map(({ key }) => key));
  return { ...theirs, objects: [...theirs.objects, ...ours.objects.filter(({ key }) => !known.has(key))] };
}

/** After `clear`, under the claim that wrote the manifest last: nothing is there, and a fence that was refused is refused still. */
export function cleared(current: Manifest, claim: Claim, title: string): Manifest {
  if (claim.enforced && (BigInt(current.epoch) !== claim.epoch || BigInt(current.fence) !== claim.fence)) throw fencedError(claim, title);
  const generations = current.generations + 1;
  return {
    ...current,
    seq: '0',
    batchId: null,
    cursor: null,
    claim: randomUUID(),
    at: new Date().toISOString(),
    columns: [],
    generations,
    live: emptyContents(generations),
    next: null,
    retired: [],
  };
}
