import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pages, Resources } from '../support/http/handlers.ts';
import { HttpFaultServer } from '../support/http-fault-server.ts';

const records = Array.from({ length: 5 }, (_, id) => ({ id }));

describe('HttpFaultServer', () => {
  let api: HttpFaultServer;
  beforeEach(async () => {
    api = await HttpFaultServer.listen();
    api.route('GET /orders', () => ({ json: { data: records } }));
  });
  afterEach(() => api[Symbol.asyncDispose]());

  it('answers its routes and records the requests', async () => {
    const response = await fetch(`${api.url}/orders?since=1`, { headers: { 'x-a': 'b' } });
    expect(await response.json()).toEqual({ data: records });
    expect((await fetch(`${api.url}/nothing`)).status).toBe(404);
    expect(api.requests.map(({ method, path }) => `${method} ${path}`)).toEqual(['GET /orders', 'GET /nothing']);
    expect(api.requests[0]?.query.get('since')).toBe('1');
    expect(api.requests[0]?.headers['x-a']).toBe('b');
  });

  it('throttles once with Retry-After, then answers', async () => {
    api.plan({ kind: 'throttle', retryAfter: 7 });
    const first = await fetch(`${api.url}/orders`);
    expect([first.status, first.headers.get('retry-after')]).toEqual([429, '7']);
    expect((await fetch(`${api.url}/orders`)).status).toBe(200);
  });

  it('plans faults for requests that match, in their order', async () => {
    api.plan({ kind: 'status', status: 503 }, { times: 2, matches: ({ path }) => path === '/orders' });
    api.plan({ kind: 'redirect', to: '/elsewhere' });
    const status = async (path: string) => (await fetch(api.url + path, { redirect: 'manual' })).status;
    expect([await status('/other'), await status('/orders'), await status('/orders'), await status('/orders')]).toEqual([302, 503, 503, 200]);
  });

  it('truncates, resets, hangs, is slow, and gives HTML', async () => {
    api.plan({ kind: 'truncate', atBytes: 10 });
    const cut = await fetch(`${api.url}/orders`);
    expect(cut.status).toBe(200);
    await expect(cut.text()).rejects.toThrow();
    api.plan({ kind: 'reset' });
    await expect(fetch(`${api.url}/orders`)).rejects.toThrow();
    api.plan({ kind: 'hang' });
    const hanging = await fetch(`${api.url}/orders`, { signal: AbortSignal.timeout(200) });
    await expect(hanging.text()).rejects.toThrow();
    api.plan({ kind: 'slow', ms: 100 });
    const start = performance.now();
    expect(await (await fetch(`${api.url}/orders`)).json()).toEqual({ data: records });
    expect(performance.now() - start).toBeGreaterThan(98);
    api.plan({ kind: 'html' });
    expect(await (await fetch(`${api.url}/orders`)).text()).toMatch(/^<!doctype html>/);
  });

  it('handles a request whose reply is lost', async () => {
    const resources = new Resources();
    api.route('POST /items', resources.handle);
    api.plan({ kind: 'lostReply' });
    const post = () => fetch(`${api.url}/items`, { method: 'POST', body: '{"x":1}', headers: { 'idempotency-key': 'k1' } });
    await expect(post()).rejects.toThrow();
    expect((await post()).status).toBe(200);
    expect(resources.posted).toEqual([{ x: 1 }]);
  });

  it('keeps resources by id', async () => {
    const resources = new Resources();
    api.route('PUT /items/*', resources.handle);
    api.route('DELETE /items/*', resources.handle);
    const send = async (method: string) => (await fetch(`${api.url}/items/a%2Fb`, { method, ...(method === 'PUT' ? { body: '{"x":1}' } : {}) })).status;
    expect([await send('PUT'), await send('PUT')]).toEqual([201, 200]);
    expect([...resources.byId]).toEqual([['a/b', { x: 1 }]]);
    expect([await send('DELETE'), await send('DELETE')]).toEqual([204, 404]);
  });

  it.each(['page', 'offset', 'cursor', 'link'] as const)('lists in pages by %s', async (paging) => {
    api.route(
      'GET /list',
      pages(() => records, { paging, size: 2 }),
    );
    const seen: unknown[] = [];
    let next: string | null = '/list';
    for (let page = 2; next !== null; page++) {
      const response: Response = await fetch(new URL(next, api.url));
      const { data, next: cursor } = (await response.json()) as { data: unknown[]; next?: string | null };
      seen.push(...data);
      const link: string | undefined = /<(.*)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
      const more = {
        page: data.length === 2 ? `?page=${page}` : null,
        offset: data.length === 2 ? `?offset=${(page - 1) * 2}` : null,
        cursor: cursor == null ? null : `?cursor=${cursor}`,
        link: link ?? null,
      };
      next = more[paging] === null ? null : new URL(more[paging], `${api.url}/list`).href;
    }
    expect(seen).toEqual(records);
  });
});
