/**
 * How a read moves on. The incremental parameter asks for records with a value or a later one, so those with the last value come again: they are left out by a digest.
 *
 * Where the service sorts by the cursor column (`order: ascending`) each page is asked for by the largest value before it, and never by a number or token alone while that value moves: records that are
 * changed meanwhile go to the end and cannot push others over the edge of a page. Otherwise the parameter stays the same for the whole pass, and moves to the largest value at its end.
 */
import { SyncError } from '../../errors.ts';
import type { Value } from '../../values/types.ts';
import type { SourceRequest } from '../connector.ts';
import type { RestSourceOptions } from './config.ts';
import { compareValues, digest, isOrdered, maxTies, type ReadState } from './cursor.ts';
import { type Item, scalarText } from './document.ts';
import type { Position } from './pages.ts';

export interface Advance {
  /** Those of the page that are new. */
  readonly items: Item[];
  /** The state that holds when they are committed. */
  readonly next: ReadState;
  readonly done: boolean;
}

const idModes = new Set(['id', 'fullWithId', 'lastDestinationId']);
const moment = /^([+-]?[0-9]{4,6}-[0-9]{2}-[0-9]{2}) ([0-9:.]+)([+-][0-9:]+)?$/;

export class Progress {
  /** Column that the parameter is made from; null: everything is read. */
  readonly column: string | null;
  readonly #request: SourceRequest;
  readonly #ascending: boolean;
  readonly #unique: boolean;
  /** Whether to ask again after the largest value: always where there are pages; an answer without pages is whole, unless ids above the last one can come in portions. */
  readonly #again: boolean;

  /** Refuses what could lose or double rows. */
  constructor(request: SourceRequest, options: RestSourceOptions) {
    const { mode, cursor, write, sync } = request;
    const { incremental } = options;
    this.#request = request;
    this.column = mode === 'full' ? null : (cursor.column ?? null);
    this.#ascending = this.column !== null && incremental?.order === 'ascending';
    this.#unique = idModes.has(mode);
    this.#again = this.#unique || options.pagination.type !== 'none';
    if (mode === 'full') return;
    if (incremental === undefined)
      throw new SyncError(
        'CONFIG_INVALID',
        `Sync ${sync} has mode ${mode}: say with source.incremental which parameter makes the service answer with new records alone.`,
        { sync, field: 'source.incremental' },
      );
    if (this.column === null) throw new SyncError('CONFIG_INVALID', `Sync ${sync} has mode ${mode} and needs cursor.column.`, { sync, field: 'cursor.column' });
    if (cursor.nulls === 'include')
      throw new SyncError('UNSUPPORTED', `Sync ${sync}: a service gives no pass of its own over records without ${this.column}; leave cursor.nulls out.`, {
        sync,
        field: 'cursor.nulls',
      });
    if (write !== 'insert') return;
    if (!this.#ascending)
      throw new SyncError(
        'UNSUPPORTED',
        `Sync ${sync} inserts, and pages of an unsorted list can show a record twice: set source.incremental.order to ascending where the service sorts by ${this.column}, or write: upsert.`,
        { sync, field: 'source.incremental.order' },
      );
    if (!this.#unique && cursor.key.length === 0)
      throw new SyncError(
        'KEY_REQUIRED',
        `Sync ${sync} inserts, and records with the last ${this.column} come again: name their key with cursor.key, or write: upsert.`,
        { sync, field: 'cursor.key' },
      );
    if (mode === 'lastDestinationTimestamp')
      throw new SyncError(
        'UNSUPPORTED',
        `Sync ${sync} inserts, and the destination's largest ${this.column} does not tell which records of that value it has: use mode timestamp, or write: upsert.`,
        { sync, field: 'mode' },
      );
  }

  advance(state: ReadState, items: readonly Item[], page: { readonly next: Position; readonly what: string }): Advance {
    const { next: at, what } = page;
    if (this.column === null) return { items: [...items], next: { ...state, at, end: at === null }, done: at === null };
    const fresh: Item[] = [];
    // A sorted list goes on from the values of its own pages: after a lookback they are below the largest that was met before
    let [max, ties] = this.#ascending ? [state.since, state.seen] : [state.max, state.ties];
    let before: string | null = null;
    for (const [index, item] of items.entries()) {
      if (item.members === null) {
        fresh.push(item);
        continue;
      }
      const place = `${what}, record ${index + 1}`;
      const value = this.#value(item, place);
      if (this.#ascending && before !== null && order(value, before, place) < 0) throw this.#unsorted(place);
      before = value;
      if (this.#known(state, item, { value, place })) continue;
      fresh.push(item);
      const against = max === null ? 1 : order(value, max, place);
      if (against > 0) [max, ties] = [value, []];
      if (against >= 0 && !this.#unique) ties = this.#remember(ties, item, place);
    }
    const below = this.#ascending && state.max !== null && (max === null || order(max, state.max, what) < 0);
    const largest = below ? { max: state.max, ties: state.ties } : { max, ties };
    const moved = max !== null && (state.since === null || order(max, state.since, what) > 0);
    if (this.#ascending && this.#again && moved) return { items: fresh, next: { ...state, since: max, seen: ties, at: null, ...largest }, done: false };
    if (at !== null) return { items: fresh, next: { ...state, at, seen: this.#ascending ? ties : state.seen, ...largest }, done: false };
    return { items: fresh, next: { ...state, since: largest.max, seen: largest.ties, at: null, ...largest }, done: true };
  }

  /** The value after which to go on, as the destination reports it in canonical text, in the form that services read. */
  written([value]: readonly Value[]): string {
    const text = String(value);
    const match = moment.exec(text);
    return match === null ? text : `${match[1]}T${match[2]}${match[3] === '+00:00' ? 'Z' : (match[3] ?? '')}`;
  }

  /** Whether it was delivered before. */
  #known(state: ReadState, item: Item, { value, place }: { value: string; place: string }): boolean {
    if (state.since === null) return false;
    const against = order(value, state.since, place);
    if (against !== 0 || this.#unique) return against <= 0;
    return state.seen.includes(this.#digest(item));
  }

  #value({ members }: Item, place: string): string {
    const column = this.column ?? '';
    const raw = members?.get(column);
    const value = scalarText(raw);
    if (value === null && (raw === undefined || raw === 'null'))
      throw new SyncError('CURSOR_NULL', `${place} has no ${column}, which the sync goes by: choose another cursor.column, or mode full.`, {
        column,
        key: place,
      });
    if (value === null || !isOrdered(value))
      throw new SyncError(
        'UNSUPPORTED',
        `${place}: ${column} is neither a number nor a moment in ISO form, so that Idra cannot tell which is later. Choose another cursor.column.`,
        { column, key: place },
      );
    return value;
  }

  /** For an upsert a record that has changed within the same value is new; for an insert it is the same one. */
  #digest({ members, text }: Item): string {
    const { write, cursor } = this.#request;
    return write === 'insert' ? digest(cursor.key.map((name) => members?.get(name) ?? 'null')) : digest([text]);
  }

  #remember(ties: readonly string[], item: Item, place: string): readonly string[] {
    if (ties.length < maxTies) return [...ties, this.#digest(item)];
    // Delivered once more by the next run, which changes nothing
    if (this.#request.write !== 'insert') return ties;
    throw new SyncError(
      'UNSUPPORTED',
      `${place}: more than ${maxTies} records have the same ${this.column}, too many to tell which were inserted. Use write: upsert.`,
      { column: this.column ?? '' },
    );
  }

  #unsorted(place: string): SyncError {
    return new SyncError(
      'UNSUPPORTED',
      `${place} has a lower ${this.column} than the one before it: the service does not sort by it. Leave source.incremental.order out, or ask for that order with params.`,
      {
        column: this.column ?? '',
      },
    );
  }
}

function order(a: string, b: string, place: string): number {
  const found = compareValues(a, b);
  if (found === null)
    throw new SyncError('UNSUPPORTED', `${place}: its cursor value cannot be compared with the one before it: one is a number, the other a moment.`, {
      key: place,
    });
  return found;
}
