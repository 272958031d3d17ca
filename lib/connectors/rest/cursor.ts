/** The position of a read: versioned text that names the list that it is of and the column it goes by. */
import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import { readTimestamp, toDayNumber, toUtc, utcText } from '../../values/datetime.ts';
import { isIntegerText, readDecimal } from '../../values/numbers.ts';
import type { Cursor } from '../connector.ts';
import type { Position } from './pages.ts';

const maxCursorBytes = 4096;
/** Rows of one value that a position remembers by a digest, so that they are not delivered again. */
export const maxTies = 100;

/** One page of the pass so far, against which the later ones are held (Brent's way to find a cycle): the mark moves on after 2, 4, 8, … pages, so that it comes to stand within any round and is met again. */
export interface Trail {
  readonly mark: string;
  /** Pages since the mark. */
  readonly steps: number;
  /** Pages after which it moves on. */
  readonly span: number;
}

export interface ReadState {
  /** Column that the incremental parameter is made from; null where everything is read. */
  readonly column: string | null;
  /** A full pass that has come to its end. */
  readonly end: boolean;
  /** Value of the parameter, as the service wrote it; null: none is sent. */
  readonly since: string | null;
  /** Digests of delivered rows that have the value `since`. */
  readonly seen: readonly string[];
  /** The page to ask for with `since`. */
  readonly at: Position;
  /** Of the tokens or links that led to `at`; null where pages are numbered, and on the first page. */
  readonly trail: Trail | null;
  /** Largest value met so far. */
  readonly max: string | null;
  readonly ties: readonly string[];
}

/** What a position is of. The host is no part of it: a service may move. Digests, since an address may hold what nobody else is to read, and may be long. */
export interface Place {
  /** As the definition has it, for messages. */
  readonly path: string;
  /** Of what makes it another list. */
  readonly list: string;
  /** Of what a page is counted by: page 5 of 50 records each is no page 5 of 100. */
  readonly paging: string;
}

/** Longest path that is written out; the digest tells longer ones apart. */
const maxPathLength = 100;

export function startState(column: string | null): ReadState {
  return { column, end: false, since: null, seen: [], at: null, trail: null, max: null, ties: [] };
}

export function writeCursor(state: ReadState, { place, what }: { readonly place: Place; readonly what: string }): Cursor {
  const { column, end, since, seen, at, trail, max, ties } = state;
  const fields = {
    v: 1,
    c: column,
    path: place.path.slice(0, maxPathLength),
    list: place.list,
    ...(end ? { end } : {}),
    since,
    at,
    ...(at === null ? {} : { paging: place.paging }),
    ...(at === null || trail === null ? {} : { trail: [trail.mark, trail.steps, trail.span] }),
    ...(seen.length > 0 ? { seen } : {}),
    ...(max === since ? {} : { max, ...(ties.length > 0 ? { ties } : {}) }),
  };
  const text = JSON.stringify(fields);
  if (Buffer.byteLength(text) <= maxCursorBytes) return text;
  throw new SyncError('TOO_LARGE', `${what}: the position of the next page is longer than ${maxCursorBytes} bytes, which is the most that is kept.`, {
    key: what,
  });
}

export interface Reading {
  readonly column: string | null;
  readonly place: Place;
  /** Whether a page may be left for the beginning of its list: nothing is doubled by reading records again. */
  readonly again: boolean;
}

/** Throws `CURSOR_INVALID` for what another connector, another list, another column or another mode has written. Positions of before they named their list are taken at their word. */
export function readCursor(text: Cursor, { column, place, again }: Reading): ReadState {
  const value = parse(text);
  const { v, c, path, list = place.list, paging = place.paging, end = false, since = null, at = null, seen = [], max = since } = value;
  const { ties = max === since ? seen : [] } = value;
  const valid =
    v === 1 &&
    c === column &&
    typeof end === 'boolean' &&
    [since, at, max].every((item) => item === null || typeof item === 'string') &&
    [seen, ties].every(isTexts);
  if (!valid) {
    throw new SyncError(
      'CURSOR_INVALID',
      `The stored position is not of this source${column === null ? ' in mode full' : ` by ${column}`}: reset it with idra checkpoint reset.`,
    );
  }
  if (list !== place.list)
    throw invalid(
      place,
      path === place.path.slice(0, maxPathLength)
        ? 'it was made for another base path in url, or for another list in the answer (records)'
        : `it was made for ${JSON.stringify(path)}`,
    );
  const state = { column, end, since, at, trail: trailOf(value.trail), seen, max, ties } as ReadState;
  if (at === null || paging === place.paging) return state;
  if (!again) throw invalid(place, 'it is a page in the midst of a pass that began with other params, or another pagination');
  return column === null ? startState(null) : { ...state, at: null, trail: null };
}

function invalid(place: Place, why: string): SyncError {
  const { path } = place;
  return new SyncError(
    'CURSOR_INVALID',
    `The stored cursor does not belong to ${path === '' ? '/' : path}: ${why}. Set the definition back, reset the checkpoint, or set a cursor of this path.`,
    { table: path },
  );
}

function trailOf(value: unknown): Trail | null {
  const [mark, steps, span] = Array.isArray(value) ? value : [];
  return typeof mark === 'string' && typeof steps === 'number' && typeof span === 'number' ? { mark, steps, span } : null;
}

/** The trail with one page more; null where that page is the marked one. Whoever goes round in `n` pages is found before three rounds are through, often in the first. */
export function followed(trail: Trail | null, at: string): Trail | null {
  const page = digest([at]);
  if (trail === null) return { mark: page, steps: 0, span: 2 };
  if (page === trail.mark) return null;
  const steps = trail.steps + 1;
  return steps < trail.span ? { ...trail, steps } : { mark: page, steps: 0, span: trail.span * 2 };
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? { ...value } : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** 72 bits: enough to tell a hundred rows apart. */
export function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 9).toString('base64');
}

function momentText(text: string): string | null {
  const utc = readTimestamp(text) === null ? null : utcText(text);
  return utc === null || !/^[0-9]{4}-/.test(utc) ? null : utc.replace(/(\.[0-9]*?)0+$/, '$1').replace(/\.$/, '');
}

/** Order of two values of the cursor's column as the service writes them: numbers as numbers, moments as moments. Null where they have no order that Idra knows. */
export function compareValues(a: string, b: string): number | null {
  if (a === b) return 0;
  if (isIntegerText(a) && isIntegerText(b)) return Number(BigInt(a) > BigInt(b)) - Number(BigInt(a) < BigInt(b));
  const [left, right] = [momentText(a), momentText(b)];
  if (left !== null && right !== null) return Number(left > right) - Number(left < right);
  const [x, y] = [readDecimal(a), readDecimal(b)];
  if (x === null || y === null) return null;
  const scale = Math.max(x.fraction.length, y.fraction.length);
  const scaled = ({ negative, whole, fraction }: typeof x): bigint => BigInt(`${negative ? '-' : ''}0${whole}${fraction.padEnd(scale, '0')}`);
  return Number(scaled(x) > scaled(y)) - Number(scaled(x) < scaled(y));
}

/** Whether values of this form have an order that Idra knows. */
export function isOrdered(text: string): boolean {
  return momentText(text) !== null || readDecimal(text) !== null;
}

/** From this many on, a number of time counts milliseconds: as seconds it would be the year 5138. */
const millisecondsFrom = 100_000_000_000n;

/** A moment some seconds earlier, written as the service can read it: ISO text in UTC, or seconds or milliseconds since 1970 where it is a number. */
export function earlier(text: string, seconds: number): string {
  if (isIntegerText(text)) {
    const value = BigInt(text);
    return String(value - BigInt(seconds) * (value >= millisecondsFrom ? 1000n : 1n));
  }
  const parts = readTimestamp(text);
  if (parts === null)
    throw new SyncError('UNSUPPORTED', 'cursor.lookback needs a cursor column with moments: ISO text, or whole seconds or milliseconds since 1970.', {
      field: 'cursor.lookback',
    });
  const { date, time } = toUtc(parts);
  const days = toDayNumber(date) - toDayNumber({ year: 1970, month: 1, day: 1 });
  const total = days * 86_400 + time.hour * 3600 + time.minute * 60 + time.second - seconds;
  const fraction = time.fraction === '' ? '' : `.${time.fraction}`;
  return `${new Date(total * 1000).toISOString().slice(0, 19)}${fraction}${parts.offsetSeconds === null ? '' : 'Z'}`;
}
