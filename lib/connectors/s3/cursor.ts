/**
 * A position among objects that appear over time. S3 tells the second of an upload and no more, lists by key, and dates an upload of several parts by its beginning, so that an object may come to be seen
 * beside or behind others that were read long ago. What was read is therefore told in two ways: all objects up to the front (time, then key), and among those of the settle time before it exactly those
 * whose fingerprint is in the cursor.
 */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import type { Cursor } from '../connector.ts';

export interface ListedObject {
  readonly key: string;
  readonly etag: string;
  readonly bytes: number;
  /** Milliseconds since the epoch, as the server tells it: whole seconds on AWS. */
  readonly modified: number;
}

/** Within one object: `bytes` of its content (decompressed) are done, which were `rows` records or lines. */
export interface Position {
  readonly bytes: number;
  readonly rows: number;
}

export interface Half extends ListedObject {
  readonly at: Position;
}

/** The last object in the order of reading; `modified` is 0 where keys alone are the order. */
export interface Front {
  readonly modified: number;
  readonly key: string;
}

export interface ParsedCursor {
  readonly front: Front | null;
  /** Objects at or after this time are done where their fingerprint is in `done`, those before it by the front. */
  readonly since: number;
  readonly done: ReadonlySet<string>;
  readonly half: Half | null;
}

type Order = 'modified' | 'key';

/** What a position is of. `place`: see `placeOf`. */
export interface Listing {
  readonly order: Order;
  readonly place: string;
}

/** Of a bucket and the keys in it that are read: behind a position in one place stands nothing of another. */
export function placeOf({ bucket, path, suffix = '' }: { readonly bucket: string; readonly path: string; readonly suffix?: string | undefined }): string {
  return createHash('sha256').update(`${bucket}\0${path}\0${suffix}`).digest().subarray(0, 9).toString('base64');
}

const maxCursorBytes = 4_000;
/** 40 bits: among the 500 or so in a cursor one of 2 × 10⁹ new objects is mistaken for an old one. */
const fingerprintBytes = 5;

/** Of one version of an object: a key that is written again is a new object. */
export function fingerprint({ key, etag }: Pick<ListedObject, 'key' | 'etag'>): string {
  return createHash('sha256').update(key).update('\0').update(etag).digest().subarray(0, fingerprintBytes).toString('latin1');
}

export function isAfter(object: Pick<ListedObject, 'modified' | 'key'>, front: Front | null): boolean {
  if (front === null) return true;
  return object.modified === front.modified ? compareKeys(object.key, front.key) > 0 : object.modified > front.modified;
}

/** S3 lists by UTF-8 bytes, which is the order of code points. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export const noCursor: ParsedCursor = { front: null, since: 0, done: new Set(), half: null };

/** Throws `CURSOR_INVALID` for what another connector, order or place has written; a position of an older version names no place. */
export function readCursor(text: Cursor, { order, place }: Listing): ParsedCursor {
  const invalid = (why: string): SyncError =>
    new SyncError('CURSOR_INVALID', `The stored position ${why}: set the option back, or begin anew with \`idra checkpoint reset\`.`, {});
  let stored: { v: number; o: string; p?: string; f: [number, string] | null; w?: number; d?: string; r?: [string, string, number, number, number, number] };
  try {
    stored = JSON.parse(text);
  } catch {
    throw invalid('is none of objects in S3');
  }
  if (stored === null || typeof stored !== 'object' || stored.v !== 1 || stored.f === undefined) throw invalid('is none of objects in S3');
  if (stored.o !== order) throw invalid(`goes by the order ${stored.o}, the definition by ${order}`);
  if (stored.p !== undefined && stored.p !== place) throw invalid('was made for another bucket, path or suffix');
  const bytes = Buffer.from(stored.d ?? '', 'base64').toString('latin1');
  const done = new Set<string>();
  for (let at = 0; at + fingerprintBytes <= bytes.length; at += fingerprintBytes) done.add(bytes.slice(at, at + fingerprintBytes));
  const [key, etag, modified, size, offset, rows] = stored.r ?? [];
  const half =
    key === undefined || etag === undefined ? null : { key, etag, modified: modified ?? 0, bytes: size ?? 0, at: { bytes: offset ?? 0, rows: rows ?? 0 } };
  return { front: stored.f === null ? null : { modified: stored.f[0], key: stored.f[1] }, since: stored.w ?? 0, done, half };
}

interface Done {
  readonly modified: number;
  readonly print: string;
}

/** Moves as objects are done, and writes itself down. */
export class Progress {
  readonly #order: Order;
  readonly #place: string;
  readonly #settleMs: number;
  #front: Front | null;
  /** Never goes back: what was once told by the front alone has no fingerprint. */
  #since: number;
  #done: Done[];
  #written: { readonly since: number; readonly prints: string; readonly room: number } | null = null;

  /** `kept`: objects of the listing that the cursor named as done. */
  constructor(
    { order, place }: Listing,
    { settleMs, from, kept }: { settleMs: number; from: Pick<ParsedCursor, 'front' | 'since'>; kept: readonly ListedObject[] },
  ) {
    this.#order = order;
    this.#place = place;
    this.#settleMs = settleMs;
    this.#front = from.front;
    this.#since = from.since;
    this.#done = kept.map((object) => ({ modified: object.modified, print: fingerprint(object) }));
  }

  finish(object: ListedObject): void {
    if (this.#order === 'modified') this.#done.push({ modified: object.modified, print: fingerprint(object) });
    if (isAfter(this.#order === 'key' ? { modified: 0, key: object.key } : object, this.#front))
      this.#front = { modified: this.#order === 'key' ? 0 : object.modified, key: object.key };
    this.#written = null;
  }

  cursor(half: Half | null = null): Cursor {
    const rest = {
      v: 1,
      o: this.#order,
      p: this.#place,
      f: this.#front === null ? null : [this.#front.modified, this.#front.key],
      ...(half === null ? {} : { r: [half.key, half.etag, half.modified, half.bytes, half.at.bytes, half.at.rows] }),
    };
    if (this.#order === 'key') return JSON.stringify(rest);
    const room = maxCursorBytes - Buffer.byteLength(JSON.stringify(rest)) - 40;
    if (this.#written === null || this.#written.room > room) this.#written = this.#window(room);
    return JSON.stringify({ ...rest, w: this.#written.since, d: this.#written.prints });
  }

  /** The newest whole seconds whose fingerprints have room, not further back than the settle time. */
  #window(room: number): { since: number; prints: string; room: number } {
    const front = this.#front?.modified ?? 0;
    const most = Math.floor((room * 3) / 4 / fingerprintBytes) - 1;
    const floor = Math.max(this.#since, front - this.#settleMs);
    this.#done = this.#done.filter(({ modified }) => modified >= floor).sort((a, b) => b.modified - a.modified);
    if (this.#done.length > most) {
      // Whole seconds alone: the oldest that has no room for all of its objects goes
      const cut = this.#done[most]?.modified ?? front;
      this.#done = this.#done.filter(({ modified }) => modified > cut);
      this.#since = cut + 1;
    } else this.#since = floor;
    const since = this.#since;
    const prints = this.#done.map(({ print }) => print);
    return { since, prints: Buffer.from(prints.join(''), 'latin1').toString('base64'), room };
  }
}
