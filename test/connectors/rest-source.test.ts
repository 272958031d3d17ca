import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readAll } from '../conformance/drive.ts';
import type { Paging } from '../support/http/handlers.ts';
import { pages } from '../support/http/handlers.ts';
import type { Handler } from '../support/http/reply.ts';
import { HttpFaultServer } from '../support/http-fault-server.ts';
import { Lab, never, openRest } from './rest-support.ts';

let server: HttpFaultServer;
beforeEach(async () => {
  server = await HttpFaultServer.listen();
});
afterEach(() => server[Symbol.asyncDispose]());

interface Order {
  readonly id: number;
  readonly at: string;
  readonly note?: string;
}
const order = (id: number, at = `2026-01-01T00:00:${String(id % 60).padStart(2, '0')}Z`): Order => ({ id, at, note: `note ${id} ☕` });
const orders = (count: number): Order[] => Array.from({ length: count }, (_, i) => order(i + 1));
const ids = (rows: readonly (readonly unknown[])[]): number[] => rows.map(([id]) => Number(id));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Answers with records that have `since` or a later value of `field`, sorted by it, in pages. */
function since(records: () => readonly Order[], { field, size, sort = true }: { field: 'id' | 'at'; size: number; sort?: boolean }): Handler {
  return (request) => {
    const from = request.query.get('since');
    const found = records().filter((record) => from === null || (field === 'id' ? record.id >= Number(from) : record.at >= from));
    if (sort) found.sort((a, b) => (a[field] < b[field] ? -1 : a[field] > b[field] ? 1 : a.id - b.id));
    return pages(() => found, { paging: 'page', size })(request);
  };
}

describe('pages', () => {
  const paginations: readonly [Paging, object][] = [
    ['page', { type: 'page' }],
    ['offset', { type: 'offset', size: 10 }],
    ['cursor', { type: 'cursor' }],
    ['link', { type: 'link' }],
  ];
  it.each(paginations)('%s: every record once, and a read from any boundary has the rest', async (paging, pagination) => {
    server.route(
      'GET /orders',
      pages(() => orders(35), { paging, size: 10 }),
    );
    await using source = await openRest(server.url, { path: '/orders', records: 'data', pagination });
    const all = await readAll(source);
    expect(ids(all.rows)).toEqual(upTo(35));
    expect(all.boundaries.length).toBeGreaterThanOrEqual(4);
    for (const { cursor, rows } of all.boundaries) {
      const rest = await readAll(source, { from: cursor });
      expect(ids(rest.rows)).toEqual(upTo(35).slice(rows));
    }
  });

  it('keeps on after a page that is shorter than asked for, and sends what the definition says', async () => {
    server.route('GET /v2/orders', (request) => {
      const page = Number(request.query.get('p'));
      return { json: { data: { items: page < 4 ? orders(page === 2 ? 1 : 3).map(({ id }) => ({ id: id + page * 10 })) : [] } } };
    });
    await using source = await openRest(`${server.url}/v2?tenant=7`, {
      path: 'orders',
      records: 'data.items',
      params: { status: 'open & paid' },
      pagination: { type: 'page', param: 'p', start: 0, sizeParam: 'n', size: 3 },
    });
    expect(ids((await readAll(source)).rows)).toEqual([1, 2, 3, 11, 12, 13, 21, 31, 32, 33]);
    for (const { query } of server.requests) expect([query.get('tenant'), query.get('status'), query.get('n')]).toEqual(['7', 'open & paid', '3']);
  });

  it('takes a single answer whole, and cuts chunks at the limits', async () => {
    server.route('GET /list', () => ({ json: orders(25) }));
    await using source = await openRest(server.url, { path: '/list' });
    const { rows, chunks, boundaries } = await readAll(source, { maxRows: 10 });
    expect(rows).toHaveLength(25);
    expect(chunks.map((chunk) => chunk.rows.length)).toEqual([10, 10, 5]);
    expect(boundaries).toHaveLength(1);
  });

  it.each([
    ['link', '_links.next', { _links: { next: { href: '/orders?p=2' } } }, /_links\.next is an object/],
    ['link', '_links.next.href', { _links: { next: [{ href: '/orders?p=2' }] } }, /_links\.next is a list/],
    ['link', 'next.href', { next: '/orders?p=2' }, /next is a text/],
    ['cursor', 'next', { next: { after: '1' } }, /next is an object/],
    ['cursor', 'next', { next: ['1'] }, /next is a list/],
    ['cursor', 'more', { more: true }, /more is true/],
  ] as const)('%s: refuses %s of %j, which is no end of the list', async (type, next, answer, message) => {
    server.route('GET /orders', () => ({ json: { data: orders(3), ...answer } }));
    await using source = await openRest(server.url, { path: '/orders', records: 'data', pagination: { type, next } });
    await expect(readAll(source)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message),
      place: { field: 'source.pagination.next' },
    });
  });

  it.each([{}, { next: null }, { next: false }, { next: '' }, { next: { href: null } }, { next: { href: '' } }, { next: {} }])(
    'takes %j for the end',
    async (answer) => {
      server.route('GET /orders', () => ({ json: { data: orders(3), ...answer } }));
      const ends = 'next' in answer && typeof answer.next === 'object' && answer.next !== null ? ['next.href'] : ['next', 'next.href'];
      for (const next of ends) {
        await using source = await openRest(server.url, { path: '/orders', records: 'data', pagination: { type: 'link', next } });
        expect((await readAll(source)).rows).toHaveLength(3);
      }
    },
  );

  it.each([
    ['link', 2, 0],
    ['cursor', 2, 0],
    ['cursor', 3, 5],
    ['cursor', 7, 1],
    ['cursor', 100, 300],
  ] as const)('%s: refuses pages that go round, %i of them, after %i that do not', async (type, round, before) => {
    let asked = 0;
    server.route('GET /orders', ({ query }) => {
      asked += 1;
      const page = Number(query.get('cursor') ?? 0);
      const next = page + 1 === before + round ? before : page + 1;
      return { json: { data: [{ id: page }], next: type === 'link' ? `/orders?cursor=${next}` : String(next) } };
    });
    await using source = await openRest(server.url, { path: '/orders', records: 'data', pagination: { type, next: 'next' } });
    const told = { code: 'ROW_MALFORMED', message: expect.stringContaining('go round') };
    const cursors: (string | null)[] = [];
    const reading = async (from: string | null): Promise<void> => {
      for await (const { boundary } of source.read({ from, maxRows: 100, maxBytes: 1_000_000 }, never)) if (boundary !== null) cursors.push(boundary);
    };
    await expect(reading(null)).rejects.toMatchObject(told);
    expect(asked).toBeLessThan(3 * (before + round) + 3);
    // The position knows of it too, so that no run repeats the round
    asked = 0;
    const found = cursors.length;
    await expect(reading(cursors.at(-1) ?? null)).rejects.toMatchObject(told);
    expect([asked, cursors.length - found]).toEqual([1, 0]);
  });

  it('refuses a token that is looked for in a list', async () => {
    server.route('GET /orders', () => ({ json: orders(3) }));
    await using source = await openRest(server.url, { path: '/orders', pagination: { type: 'cursor' } });
    await expect(readAll(source)).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('the answer itself is a list') });
  });

  it('refuses pages that repeat themselves', async () => {
    server.route('GET /orders', () => ({ json: { data: orders(3) } }));
    await using source = await openRest(server.url, { path: '/orders', records: 'data', pagination: { type: 'page' } });
    await expect(readAll(source)).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('page 2') });
  });
});

describe('values', () => {
  it('keeps every number exactly, and nested values as JSON', async () => {
    const body =
      '[{"id":9223372036854775807,"big":18446744073709551615,"price":1.10,"tiny":-0.00000000000000000001,"e":1e3,"flag":true,"text":"1.10","nested":{"n":12345678901234567890.10},"list":[1,2],"none":null}]';
    server.route('GET /list', () => ({ body }));
    await using source = await openRest(server.url, { path: '/list' });
    expect(source.schema.columns.map(({ name, type }) => [name, type.kind])).toEqual([
      ['id', 'int64'],
      ['big', 'uint64'],
      ['price', 'float64'],
      ['tiny', 'float64'],
      ['e', 'float64'],
      ['flag', 'boolean'],
      ['text', 'string'],
      ['nested', 'json'],
      ['list', 'json'],
    ]);
    expect((await readAll(source)).rows).toEqual([
      ['9223372036854775807', '18446744073709551615', '1.1', '-1e-20', '1000', true, '1.10', '{"n":12345678901234567890.10}', '[1,2]'],
    ]);
  });

  it('fixes types by fields, and sets aside by place what does not fit them', async () => {
    server.route('GET /list', () => ({
      body: '[{"id":1,"at":"2026-01-01T00:00:00.123456Z","price":"12.50"},{"id":2,"at":"yesterday"},{"id":3,"price":12.505},7,{"id":"4","at":null}]',
    }));
    await using source = await openRest(
      server.url,
      { path: '/list', fields: { id: 'int32', at: 'timestamp(6, zoned)', price: 'decimal(10,2)' } },
      { cursor: { key: ['id'] } },
    );
    const { chunks, rows } = await readAll(source);
    expect(rows).toEqual([
      ['1', '2026-01-01 00:00:00.123456+00:00', '12.50'],
      ['4', null, null],
    ]);
    const rejected = chunks.flatMap((chunk) => chunk.rejected ?? []);
    expect(rejected.map(({ error, before }) => [error.code, error.place.key, error.place.column, before])).toEqual([
      ['ROW_MALFORMED', 'GET /list, record 2 (id=2)', 'at', 1],
      ['ROW_MALFORMED', 'GET /list, record 3 (id=3)', 'price', 1],
      ['ROW_MALFORMED', 'GET /list, record 4 (id=)', undefined, 1],
    ]);
  });

  it('refuses digits that a double does not keep, as numbers and as texts', async () => {
    const kept = ['0.1', '1.50', '1e3', '-0', '9007199254740992', '0.30000000000000004'];
    const lost = ['9007199254740993', '0.1234567890123456789012', '1e400', '1e-400'];
    const all = [...kept, ...lost].flatMap((digits) => [digits, `"${digits}"`]);
    const body = `[${[...all, '"NaN"', '"-Infinity"'].map((value, id) => `{"id":${id},"f":${value}}`).join(',')}]`;
    server.route('GET /list', () => ({ body }));
    await using source = await openRest(server.url, { path: '/list', fields: { f: 'float64' } });
    const { rows, chunks } = await readAll(source);
    expect(rows.map(([f]) => f)).toEqual([
      ...kept.flatMap((digits) => [digits, digits]).map((digits) => (digits === '-0' ? '-0' : String(Number(digits)))),
      'NaN',
      '-Infinity',
    ]);
    const rejected = chunks.flatMap((chunk) => chunk.rejected ?? []);
    expect(rejected.map(({ error }) => [error.code, error.message.replace(/^.*record [0-9]+/, '')])).toEqual(
      lost.flatMap(() => Array.from({ length: 2 }, () => ['ROW_MALFORMED', ': the value of f is no float64, as fields has it.'])),
    );
  });

  it('chooses columns, and names one that no record has', async () => {
    server.route('GET /list', () => ({ json: orders(2) }));
    await using source = await openRest(server.url, { path: '/list' }, { include: ['note', 'id'] });
    expect(source.schema.columns.map(({ name }) => name)).toEqual(['id', 'note']);
    await expect(openRest(server.url, { path: '/list' }, { include: ['nope'] })).rejects.toMatchObject({ code: 'NOT_FOUND', place: { column: 'nope' } });
  });
});

describe('through the engine', () => {
  it('widens columns when later pages bring new fields, and delivers each record once', async () => {
    const records = [...orders(4), { ...order(5), extra: 1 }, { ...order(6), extra: 1.5 }, { ...order(7), extra: 'text' }];
    server.route(
      'GET /orders',
      pages(() => records, { paging: 'page', size: 2 }),
    );
    await using lab = await Lab.make(server.url);
    const report = await lab.pull({ path: '/orders', records: 'data', pagination: { type: 'page' }, fields: { extra: 'json' } }, { mode: 'full' });
    expect(report.error).toBeNull();
    expect(lab.rows('SELECT id, extra FROM copy ORDER BY id')).toEqual([
      [1, null],
      [2, null],
      [3, null],
      [4, null],
      [5, '1'],
      [6, '1.5'],
      [7, '"text"'],
    ]);
    await using other = await Lab.make(server.url);
    const found = await other.pull(
      { path: '/orders', records: 'data', pagination: { type: 'page' } },
      { mode: 'full', columns: { rename: {}, exclude: ['note'] } },
    );
    // A text in a column of numbers is a change of type that the destination refuses; what came before stays
    expect(found.error?.code).toBe('SCHEMA_MISMATCH');
    expect(other.rows('SELECT count(*), max(id) FROM copy')).toEqual([[6, 6]]);
  });

  it('goes on at the page that failed', async () => {
    server.route(
      'GET /orders',
      pages(() => orders(50), { paging: 'page', size: 10 }),
    );
    await using lab = await Lab.make(server.url, { retries: 0 });
    server.plan({ kind: 'status', status: 403 }, { matches: ({ query }) => query.get('page') === '4' });
    const source = { path: '/orders', records: 'data', pagination: { type: 'page' } };
    const failed = await lab.pull(source, { mode: 'full' });
    expect(failed).toMatchObject({ status: 'failed', written: 30, error: { code: 'PERMISSION_DENIED', message: expect.stringContaining('page 4') } });
    const before = server.requests.length;
    expect(await lab.pull(source, { mode: 'full' })).toMatchObject({ status: 'succeeded', written: 20 });
    // The first is the sample of the columns
    expect(server.requests.slice(before).map(({ query }) => query.get('page'))).toEqual(['1', '4', '5', '6']);
    expect(lab.rows('SELECT id FROM copy ORDER BY id')).toEqual(upTo(50).map((id) => [id]));
  });

  it.each([
    ['a page of HTML', { kind: 'html' } as const, /page 2.*HTML/],
    ['a body that is cut short', { kind: 'truncate', atBytes: 40 } as const, /page 2.*lost/],
  ])('names the page with %s; what came before is committed, nothing is passed over', async (_, fault, message) => {
    server.route(
      'GET /orders',
      pages(() => orders(30), { paging: 'page', size: 10 }),
    );
    await using lab = await Lab.make(server.url, { retries: 0 });
    server.plan(fault, { times: 20, matches: ({ query }) => query.get('page') === '2' });
    const source = { path: '/orders', records: 'data', pagination: { type: 'page' } };
    const failed = await lab.pull(source, { mode: 'full' });
    expect(failed.status).toBe('failed');
    expect(failed.error?.message).toMatch(message);
    expect(lab.rows('SELECT max(id) FROM copy')).toEqual([[10]]);
  });

  it('moves by an id: only what is above the last one', async () => {
    let count = 25;
    server.route(
      'GET /orders',
      since(() => orders(count), { field: 'id', size: 10 }),
    );
    await using lab = await Lab.make(server.url);
    const source = { path: '/orders', records: 'data', pagination: { type: 'page' }, incremental: { param: 'since', order: 'ascending' } };
    expect(await lab.pull(source)).toMatchObject({ status: 'succeeded', written: 25 });
    expect(await lab.pull(source)).toMatchObject({ status: 'succeeded', read: 0, batches: 0 });
    count = 28;
    expect(await lab.pull(source)).toMatchObject({ status: 'succeeded', read: 3, written: 3 });
    expect(lab.rows('SELECT id FROM copy ORDER BY id')).toEqual(upTo(28).map((id) => [id]));
  });

  it.each(['insert', 'upsert'] as const)('moves by a time with equal values at the edges of pages and runs: %s', async (write) => {
    // Sixty seconds for 200 records: three or four of each value, pages of seven
    let records = Array.from({ length: 200 }, (_, i) => order(i + 1));
    server.route(
      'GET /orders',
      since(() => records, { field: 'at', size: 7 }),
    );
    await using lab = await Lab.make(server.url);
    const source = { path: '/orders', records: 'data', pagination: { type: 'page' }, incremental: { param: 'since', order: 'ascending' } };
    const sync = {
      mode: 'timestamp',
      write,
      cursor: { column: 'at', key: ['id'], lookbackSeconds: 0, nulls: 'refuse' },
      batch: { rows: 20, bytes: 1_000_000 },
    } as const;
    expect(await lab.pull(source, sync)).toMatchObject({ status: 'succeeded', read: 200, written: 200 });
    expect(await lab.pull(source, sync)).toMatchObject({ status: 'succeeded', read: 0 });
    // Later, but of the value that the run ended with
    records = [...records, order(201, '2026-01-01T00:00:59Z'), order(202, '2026-01-01T00:00:59Z')];
    expect(await lab.pull(source, sync)).toMatchObject({ status: 'succeeded', read: 2, written: 2 });
    expect(lab.rows('SELECT id FROM copy ORDER BY id')).toEqual(upTo(202).map((id) => [id]));
  });

  it('takes a record again that has changed within the same value, for an upsert', async () => {
    let records = orders(3).map(({ id }) => ({ ...order(id, '2026-01-01T00:00:00Z'), note: 'old' }));
    server.route(
      'GET /orders',
      since(() => records, { field: 'at', size: 10 }),
    );
    await using lab = await Lab.make(server.url);
    const source = { path: '/orders', records: 'data', pagination: { type: 'page' }, incremental: { param: 'since' } };
    const sync = { mode: 'timestamp', write: 'upsert', cursor: { column: 'at', key: ['id'], lookbackSeconds: 0, nulls: 'refuse' } } as const;
    await lab.pull(source, sync);
    records = records.map((record) => (record.id === 2 ? { ...record, note: 'new' } : record));
    expect(await lab.pull(source, sync)).toMatchObject({ read: 1, written: 1 });
    expect(lab.rows('SELECT note FROM copy ORDER BY id')).toEqual([['old'], ['new'], ['old']]);
  });

  it('goes back by the lookback', async () => {
    server.route(
      'GET /orders',
      since(() => orders(30), { field: 'at', size: 10 }),
    );
    await using lab = await Lab.make(server.url);
    const source = { path: '/orders', records: 'data', pagination: { type: 'page' }, incremental: { param: 'since' } };
    const sync = { mode: 'timestamp', write: 'upsert', cursor: { column: 'at', key: ['id'], lookbackSeconds: 5, nulls: 'refuse' } } as const;
    await lab.pull(source, sync);
    expect(await lab.pull(source, sync)).toMatchObject({ read: 6 });
    expect(server.requests.at(-1)?.query.get('since')).toBe('2026-01-01T00:00:25Z');
  });

  it('goes back by the lookback over as many pages as it has, sorted as well, and goes on within it after a failure', async () => {
    const late: Order[] = [];
    let records = orders(30);
    server.route(
      'GET /orders',
      since(() => [...records, ...late], { field: 'at', size: 3 }),
    );
    await using lab = await Lab.make(server.url, { retries: 0 });
    const source = { path: '/orders', records: 'data', pagination: { type: 'page' }, incremental: { param: 'since', order: 'ascending' } };
    const sync = {
      mode: 'timestamp',
      write: 'upsert',
      cursor: { column: 'at', key: ['id'], lookbackSeconds: 20, nulls: 'refuse' },
      batch: { rows: 3, bytes: 1_000_000 },
    } as const;
    expect(await lab.pull(source, sync)).toMatchObject({ written: 30 });
    // Two of them within the lookback, far behind its first page; seven of one value go over pages by number
    late.push(order(98, '2026-01-01T00:00:27Z'), ...upTo(7).map((n) => order(100 + n, '2026-01-01T00:00:21Z')), order(97, '2026-01-01T00:00:05Z'));
    expect(await lab.pull(source, sync)).toMatchObject({ status: 'succeeded', error: null });
    const found = (): unknown[] => lab.rows('SELECT id FROM copy WHERE id > 30 ORDER BY id').flat();
    expect(found()).toEqual([98, ...upTo(7).map((n) => 100 + n)]);
    late.push(order(96, '2026-01-01T00:00:29Z'));
    server.plan({ kind: 'status', status: 403 }, { matches: ({ query }) => query.get('since') === '2026-01-01T00:00:20Z' });
    expect(await lab.pull(source, sync)).toMatchObject({ status: 'failed' });
    const asked = server.requests.length;
    expect(await lab.pull(source, sync)).toMatchObject({ status: 'succeeded' });
    // Behind the sample of the columns
    expect(server.requests[asked + 1]?.query.get('since')).toBe('2026-01-01T00:00:20Z');
    expect(found()).toContain(96);
    // The position is the largest value again, also where the record that had it is gone
    records = records.filter(({ id }) => id < 15);
    late.length = 0;
    await lab.pull(source, sync);
    const before = server.requests.length;
    await lab.pull(source, sync);
    expect(server.requests[before + 1]?.query.get('since')).toBe('2026-01-01T00:00:10Z');
  });
});

describe('what a position is of', () => {
  const source = { path: '/v2/orders', records: 'data', params: { kind: 'a' }, pagination: { type: 'page', sizeParam: 'per_page', size: 10 } };
  const answer: Handler = (request) => {
    const found = pages(() => orders(35), { paging: 'page', size: 10 })(request) as { json: { data: unknown } };
    return { json: { data: found.json.data, other: found.json.data } };
  };
  beforeEach(() => {
    for (const path of ['/v2/orders', '/v2/customers', '/a/b/orders'] as const) server.route(`GET ${path}`, answer);
  });
  const firstBoundary = async (options: object = {}, ask: object = {}): Promise<string> => {
    await using opened = await openRest(server.url, { ...source, ...options }, ask);
    for (const { cursor } of (await readAll(opened, { maxRows: 10 })).boundaries) return cursor;
    throw new Error('no boundary');
  };

  it.each([
    ['another path', '', { path: '/v2/customers' }, /was made for "\/v2\/orders"/],
    ['another base', '/a/b', { path: '/orders' }, /was made for/],
    ['another list of the answer', '', { records: 'other' }, /\(records\)/],
  ] as const)('%s is refused', async (_, base, options, message) => {
    const cursor = await firstBoundary();
    await using changed = await openRest(`${server.url}${base}`, { ...source, ...options });
    for (const use of [readAll(changed, { from: cursor }), changed.remaining?.(cursor)])
      await expect(use).rejects.toMatchObject({ code: 'CURSOR_INVALID', message: expect.stringMatching(message) });
  });

  it('is none of the host, the credentials, the headers, the limits, and of how base and path share the address', async () => {
    const cursor = await firstBoundary();
    const connection = { token: 't', headers: { A: 'b' }, timeoutSeconds: 4, retries: 1 };
    await using moved = await openRest(`${server.url.replace('127.0.0.1', 'localhost')}/v2/?key=canary`, { ...source, path: 'orders' }, { connection });
    const { rows, boundaries } = await readAll(moved, { from: cursor });
    expect(ids(rows)).toEqual(upTo(35).slice(10));
    expect(JSON.stringify(boundaries)).not.toContain('canary');
  });

  it('positions that do not name it stay valid', async () => {
    const { path: _, list: __, paging: ___, ...old } = JSON.parse(await firstBoundary());
    await using opened = await openRest(server.url, source);
    expect(ids((await readAll(opened, { from: JSON.stringify(old) })).rows)).toEqual(upTo(35).slice(10));
  });

  it.each([
    ['the size of numbered pages', { pagination: { ...source.pagination, size: 5 } }],
    ['params', { params: { kind: 'b' } }],
  ])('a page that was counted otherwise is none: %s', async (_, edit) => {
    const cursor = await firstBoundary();
    await using inserts = await openRest(server.url, { ...source, ...edit }, { write: 'insert' });
    await expect(readAll(inserts, { from: cursor })).rejects.toMatchObject({ code: 'CURSOR_INVALID', message: expect.stringContaining('params') });
    await using upserts = await openRest(server.url, { ...source, ...edit });
    expect(ids((await readAll(upserts, { from: cursor })).rows)).toEqual(upTo(35));
    // By a value the list begins anew, without what was delivered
    const ask = { mode: 'timestamp', write: 'insert', cursor: { column: 'at', key: ['id'] } } as const;
    const incremental = { param: 'since', order: 'ascending' };
    const same = orders(35).map(({ id }) => order(id, '2026-01-01T00:00:00Z'));
    server.route(
      'GET /v2/orders',
      since(() => same, { field: 'at', size: 10 }),
    );
    await using sorted = await openRest(server.url, { ...source, incremental }, ask);
    const { boundaries } = await readAll(sorted);
    const amid = boundaries.find(({ cursor: text }) => JSON.parse(text).at !== null);
    await using edited = await openRest(server.url, { ...source, ...edit, incremental }, ask);
    expect(ids((await readAll(edited, { from: amid?.cursor ?? '' })).rows)).toEqual(upTo(35).slice(amid?.rows));
  });

  it('offsets stay with another size, and a long path does not make the position long', async () => {
    const path = `/${'x'.repeat(1_900)}` as const;
    server.route(
      `GET ${path}`,
      pages(() => orders(35), { paging: 'offset', size: 10 }),
    );
    const cursor = await firstBoundary({ path, pagination: { type: 'offset', size: 10 } });
    expect(cursor.length).toBeLessThan(300);
    await using opened = await openRest(server.url, { ...source, path, pagination: { type: 'offset', size: 5 } });
    expect(ids((await readAll(opened, { from: cursor })).rows)).toEqual(upTo(35).slice(10));
  });

  it('is told by a run whose definition was edited', async () => {
    await using lab = await Lab.make(server.url);
    const sync = { mode: 'id', write: 'upsert', cursor: { column: 'id', key: ['id'], lookbackSeconds: 0, nulls: 'refuse' } } as const;
    const incremental = { param: 'since' };
    expect(await lab.pull({ ...source, incremental }, sync)).toMatchObject({ status: 'succeeded', written: 35 });
    expect(await lab.pull({ ...source, incremental, path: '/v2/customers' }, sync)).toMatchObject({ status: 'failed', error: { code: 'CURSOR_INVALID' } });
  });
});

describe('refusals', () => {
  const incremental = { param: 'since', order: 'ascending' };
  it.each([
    ['CONFIG_INVALID', {}, { mode: 'id', cursor: { column: 'id' } }],
    ['UNSUPPORTED', { incremental: { param: 'since' } }, { mode: 'id', write: 'insert', cursor: { column: 'id' } }],
    ['KEY_REQUIRED', { incremental }, { mode: 'timestamp', write: 'insert', cursor: { column: 'at' } }],
    ['UNSUPPORTED', { incremental }, { mode: 'timestamp', cursor: { column: 'at', nulls: 'include' } }],
    ['UNSUPPORTED', { incremental }, { mode: 'lastDestinationTimestamp', write: 'insert', cursor: { column: 'at', key: ['id'] } }],
  ] as const)('%s: %j %j', async (code, options, ask) => {
    server.route('GET /orders', () => ({ json: { data: orders(2) } }));
    await expect(openRest(server.url, { path: '/orders', records: 'data', ...options }, ask)).rejects.toMatchObject({ code });
  });

  it('a list that is not sorted as promised, a record without the cursor, a list that is missing, a position of another source', async () => {
    server.route('GET /orders', () => ({ json: { data: orders(3).reverse(), odd: [{ id: null }], text: [{ id: 'b' }] } }));
    const ask = { mode: 'id', cursor: { column: 'id' } } as const;
    await using unsorted = await openRest(server.url, { path: '/orders', records: 'data', incremental }, ask);
    await expect(readAll(unsorted)).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('record 2') });
    await using odd = await openRest(server.url, { path: '/orders', records: 'odd', incremental, fields: { id: 'int64' } }, ask);
    await expect(readAll(odd)).rejects.toMatchObject({ code: 'CURSOR_NULL' });
    await using text = await openRest(server.url, { path: '/orders', records: 'text', incremental }, ask);
    await expect(readAll(text)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(openRest(server.url, { path: '/orders', records: 'none' })).rejects.toMatchObject({ code: 'ROW_MALFORMED' });
    await expect(readAll(text, { from: '{"v":1,"c":"at","since":"1","at":null}' })).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
    await expect(text.remaining?.('rubbish')).rejects.toMatchObject({ code: 'CURSOR_INVALID' });
  });
});
