/** What an ordinary API does, for `HttpFaultServer`: lists in pages, and resources that can be written. */
import type { Handler, Recorded } from './reply.ts';

export type Paging =
  /** `?page=1&per_page=…`, pages from 1; the last is shorter or empty. */
  | 'page'
  /** `?offset=0&limit=…`. */
  | 'offset'
  /** `{ data, next }`, `next` goes back as `?cursor=…` and is null at the end. */
  | 'cursor'
  /** A `Link: <…>; rel="next"` header. */
  | 'link';

/** `{ data: […] }` in pages of at most `size`; `records` is read anew for each request, so that it may grow between pages. */
export function pages(records: () => readonly unknown[], { paging, size }: { paging: Paging; size: number }): Handler {
  return ({ query, path, headers }) => {
    const asked = Number(query.get('per_page') ?? query.get('limit') ?? size);
    const limit = Math.min(asked, size);
    const page = Number(query.get('page') ?? 1);
    const from = { page: (page - 1) * limit, link: (page - 1) * limit, offset: Number(query.get('offset') ?? 0), cursor: Number(query.get('cursor') ?? 0) }[
      paging
    ];
    const all = records();
    const data = all.slice(from, from + limit);
    const next = from + limit < all.length ? from + limit : null;
    if (paging === 'cursor') return { json: { data, next: next === null ? null : String(next) } };
    if (paging === 'link' && next !== null) return { json: { data }, headers: { link: `<http://${headers.host}${path}?page=${page + 1}>; rel="next"` } };
    return { json: { data } };
  };
}

/** Resources under one path: PUT and DELETE `/path/{id}`, and POST, where equal `Idempotency-Key`s count once. */
export class Resources {
  readonly byId = new Map<string, unknown>();
  /** Every effect that a POST had, in order. */
  readonly posted: unknown[] = [];
  readonly #keys = new Set<string>();

  readonly handle: Handler = (request: Recorded) => {
    const id = decodeURIComponent(request.path.split('/').at(-1) ?? '');
    if (request.method === 'DELETE') return { status: this.byId.delete(id) ? 204 : 404 };
    const value: unknown = JSON.parse(request.body);
    if (request.method === 'PUT') {
      const status = this.byId.has(id) ? 200 : 201;
      this.byId.set(id, value);
      return { status, json: value };
    }
    const key = request.headers['idempotency-key'];
    if (typeof key === 'string' && this.#keys.has(key)) return { status: 200, json: value };
    if (typeof key === 'string') this.#keys.add(key);
    this.posted.push(value);
    return { status: 201, json: value };
  };
}
