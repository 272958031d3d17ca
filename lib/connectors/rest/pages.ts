/** Where the next page is. A position is text that goes into the cursor; null is the first page. */
import { SyncError } from '../../errors.ts';
import type { RestAnswer, RestClient } from './client.ts';
import type { RestSourceOptions } from './config.ts';
import { digest, followed, type Place, type Trail } from './cursor.ts';
import { nextAt } from './document.ts';
import { malformed } from './errors.ts';

export type Position = string | null;

export interface PageAnswer {
  readonly answer: RestAnswer;
  /** Records on it, whatever became of them. */
  readonly count: number;
  readonly what: string;
}

export class Pages {
  readonly place: Place;
  readonly #client: RestClient;
  readonly #options: RestSourceOptions;

  constructor(client: RestClient, options: RestSourceOptions) {
    this.#client = client;
    this.#options = options;
    const { path, records } = options;
    this.place = { path, list: digest([client.address(path).pathname.replace(/\/+$/, ''), records ?? '']), paging: digest(counting(options)) };
  }

  /** For messages: `GET /orders page 3`. Tokens and links may be secret and are counted, not shown. */
  title(at: Position): string {
    const { path, pagination } = this.#options;
    const place = {
      none: '',
      page: ` page ${at ?? firstNumber(this.#options)}`,
      offset: ` offset ${at ?? 0}`,
      cursor: at === null ? ' first page' : ' a later page',
      link: at === null ? ' first page' : ' a later page',
    };
    return `GET ${path === '' ? '/' : path}${place[pagination.type]}`;
  }

  /** `since`: value of the incremental parameter; null for everything. */
  address(at: Position, since: string | null): URL {
    const { path, params, pagination, incremental } = this.#options;
    if (pagination.type === 'link' && at !== null) return this.#client.follow(at, this.#client.base, this.title(at));
    const asked = new Map(Object.entries(params));
    if (incremental !== undefined && since !== null) asked.set(incremental.param, since);
    if ('sizeParam' in pagination && pagination.sizeParam !== undefined && pagination.size !== undefined)
      asked.set(pagination.sizeParam, String(pagination.size));
    if (pagination.type === 'page') asked.set(pagination.param, at ?? String(pagination.start));
    if (pagination.type === 'offset') asked.set(pagination.param, at ?? '0');
    if (pagination.type === 'cursor' && at !== null) asked.set(pagination.param, at);
    return this.#client.address(path, asked);
  }

  /** Null at the end. A short page is no end: many services cut pages below the size that was asked for. */
  next(at: Position, page: PageAnswer): Position {
    const { pagination } = this.#options;
    switch (pagination.type) {
      case 'none':
        return null;
      case 'page':
        return page.count === 0 ? null : String(BigInt(at ?? pagination.start) + 1n);
      case 'offset':
        return page.count === 0 ? null : String(BigInt(at ?? 0) + BigInt(page.count));
      case 'cursor':
        return this.#moved(at, nextAt(page.answer.text, pagination.next, page.what), page.what);
      case 'link':
        return this.#moved(at, this.#link(page, pagination.next), page.what);
    }
  }

  /** Tokens and links may lead round over several pages, which would go on for ever; numbers only grow. Throws `ROW_MALFORMED`. */
  trail(before: Trail | null, at: Position, what: string): Trail | null {
    const { type } = this.#options.pagination;
    if (at === null || (type !== 'cursor' && type !== 'link')) return null;
    const trail = followed(before, at);
    if (trail === null) throw malformed(what, 'the answer names a page as the next one that was read before it: the pages go round');
    return trail;
  }

  #link({ answer, what }: PageAnswer, path: string | undefined): Position {
    const link = path === undefined ? nextLink(answer.headers.link) : nextAt(answer.text, path, what);
    if (link === null || link === '') return null;
    const url = this.#client.follow(link, answer.url, what);
    return url.origin === this.#client.base.origin ? url.pathname + url.search : url.href;
  }

  #moved(at: Position, next: Position, what: string): Position {
    if (next === null || next === '') return null;
    if (next === at) throw malformed(what, 'the answer names itself as the next page');
    return next;
  }
}

function firstNumber({ pagination }: RestSourceOptions): number {
  return pagination.type === 'page' ? pagination.start : 1;
}

/** A link says everything itself; an offset is the same with pages of another size. */
function counting({ pagination, params }: RestSourceOptions): string[] {
  const { type } = pagination;
  if (type === 'link' || type === 'none') return [type];
  const asked = Object.entries(params).sort(([a], [b]) => (a < b ? -1 : 1));
  return [type, JSON.stringify(asked), ...(type === 'page' ? [pagination.sizeParam ?? '', String(pagination.size ?? '')] : [])];
}

/** Target of `rel="next"` (RFC 8288): `<https://…>; rel="next", <…>; rel="last"`. */
export function nextLink(header: string | string[] | undefined): string | null {
  const text = typeof header === 'string' ? header : (header ?? []).join(', ');
  for (const [, target = '', parameters = ''] of text.matchAll(/<([^>]*)>((?:\s*;\s*[^\s;,="]+\s*(?:=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]+))?)*)/g)) {
    const rel = /(?:^|;)\s*rel\s*=\s*(?:"([^"]*)"|([^\s;,"]+))/i.exec(parameters);
    const names = (rel?.[1] ?? rel?.[2] ?? '').toLowerCase().split(/\s+/);
    if (names.includes('next')) return target;
  }
  return null;
}

/** Answers that repeat themselves would go on for ever: the service does not know the parameter. */
export function refuseRepeated(pages: { readonly previous: string | null; readonly text: string; readonly count: number }, what: string): void {
  if (pages.count === 0 || pages.previous !== pages.text) return;
  throw new SyncError(
    'UNSUPPORTED',
    `${what} was answered exactly like the page before it: the service does not know the parameter of the page. Check pagination.`,
    { key: what },
  );
}
