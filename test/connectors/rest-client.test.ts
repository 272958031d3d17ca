import type { LookupAddress } from 'node:dns';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Resolver, reservedRange } from '../../lib/connectors/rest/addresses.ts';
import { RestClient, type RestRequest } from '../../lib/connectors/rest/client.ts';
import { config } from '../../lib/connectors/rest/config.ts';
import { retryAfterMs } from '../../lib/connectors/rest/pace.ts';
import { nextLink } from '../../lib/connectors/rest/pages.ts';
import { HttpFaultServer } from '../support/http-fault-server.ts';
import { connectionTo, never } from './rest-support.ts';

let server: HttpFaultServer;
beforeEach(async () => {
  server = await HttpFaultServer.listen();
  server.route('GET /*', () => ({ json: { ok: true } }));
  server.route('POST /*', () => ({ json: { ok: true } }));
});
afterEach(() => server[Symbol.asyncDispose]());

const get = (client: RestClient, path = '/x', more: Partial<RestRequest> = {}) =>
  client.send({ method: 'GET', url: client.address(path), what: `GET ${path}`, ...more });

/** Answers every name with these addresses, one list for each time it is asked; the last one stays. */
function names(...answers: readonly string[][]): Resolver {
  let asked = 0;
  return ((_host: string, _options: object, callback: (error: null, found: LookupAddress[]) => void) => {
    const found = answers[Math.min(asked++, answers.length - 1)] ?? [];
    callback(
      null,
      found.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  }) as Resolver;
}

describe('addresses', () => {
  it.each([
    '127.0.0.1',
    '127.9.9.9',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '169.254.1.1',
    '100.64.0.1',
    '100.100.100.200',
    '0.0.0.0',
    '255.255.255.255',
    '224.0.0.1',
    '192.0.2.1',
    '198.18.0.1',
    '240.0.0.1',
    '::',
    '::1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '::ffff:169.254.169.254',
    '64:ff9b::10.0.0.1',
    '2002:7f00:1::',
    '::127.0.0.1',
    '2001:db8::1',
    '168.63.129.16',
    'nonsense',
  ])('%s is no public address', (address) => {
    expect(reservedRange(address)).not.toBeNull();
  });

  it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '::ffff:8.8.8.8', '64:ff9b::8.8.8.8'])('%s is one', (address) => {
    expect(reservedRange(address)).toBeNull();
  });

  it.each(['http://127.0.0.1:9', 'http://2130706433:9', 'http://0x7f.1:9', 'http://[::1]:9', 'http://[::ffff:7f00:1]:9'])(
    '%s is refused unless the definition says so',
    async (url) => {
      await using client = new RestClient(connectionTo(url, { allowPrivate: false }), never);
      await expect(get(client)).rejects.toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringContaining('allowPrivate') });
    },
  );

  it('goes by the address that a name has when the connection is made, and by every one of them', async () => {
    const { port } = new URL(server.url);
    const connection = connectionTo(`http://api.example.com:${port}`, { allowPrivate: false, retries: 0 });
    for (const found of [['127.0.0.1'], ['93.184.216.34', '10.0.0.1'], ['::ffff:127.0.0.1']]) {
      await using client = new RestClient(connection, never, { resolver: names(found) });
      await expect(get(client)).rejects.toMatchObject({ code: 'PERMISSION_DENIED', message: expect.stringContaining('api.example.com') });
    }
    expect(server.requests).toEqual([]);
  });

  it('asks for the addresses of a name once for each connection, and connects to the very ones that it has checked (DNS rebinding)', async () => {
    const { port } = new URL(server.url);
    const asked: string[][] = [];
    const resolver: Resolver = ((host: string, options: object, callback: never) => {
      asked.push([host]);
      return (names(['127.0.0.1']) as unknown as (h: string, o: object, c: never) => void)(host, options, callback);
    }) as Resolver;
    await using open = new RestClient(connectionTo(`http://api.example.com:${port}`), never, { resolver });
    await get(open);
    expect(asked).toHaveLength(1);
    await using shut = new RestClient(connectionTo(`http://api.example.com:${port}`, { allowPrivate: false, retries: 0 }), never, { resolver });
    await expect(get(shut)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    // The checked answer is what was connected to: nobody asked a second time between check and connection
    expect(asked).toHaveLength(2);
    expect(server.requests).toHaveLength(1);
  });
});

describe('hosts and redirects', () => {
  it('follows on the same host, a bounded number of times', async () => {
    await using client = new RestClient(connectionTo(server.url), never);
    server.plan({ kind: 'redirect', to: '/other?a=1' });
    expect((await get(client)).text).toBe('{"ok":true}');
    expect(server.requests.at(-1)?.path).toBe('/other');
    server.plan({ kind: 'redirect', to: '/again' }, { times: 50 });
    await expect(get(client)).rejects.toMatchObject({ code: 'UNSUPPORTED', message: expect.stringContaining('more than 5') });
  });

  it('never to another host, and sends no credentials there', async () => {
    await using other = await HttpFaultServer.listen();
    await using client = new RestClient(connectionTo(server.url, { token: 'canary-token' }), never);
    for (const to of [`${other.url}/x`, 'http://example.com/x', 'ftp://127.0.0.1/x', '//169.254.169.254/latest']) {
      server.plan({ kind: 'redirect', to });
      await expect(get(client), to).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    }
    expect(other.requests).toEqual([]);
  });

  it('does not turn a POST into a GET', async () => {
    await using client = new RestClient(connectionTo(server.url), never);
    server.plan({ kind: 'redirect', to: '/other', status: 302 });
    await expect(get(client, '/x', { method: 'POST', body: '{}' })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    server.plan({ kind: 'redirect', to: '/other', status: 307 });
    await get(client, '/x', { method: 'POST', body: '{"a":1}' });
    expect(server.requests.at(-1)).toMatchObject({ method: 'POST', path: '/other', body: '{"a":1}' });
  });

  it('keeps paths below the base', async () => {
    await using client = new RestClient(connectionTo(`${server.url}/v2/`), never);
    expect(client.address('/orders').pathname).toBe('/v2/orders');
    expect(() => client.address('../admin')).toThrow(/leads out/);
    expect(() => client.address('/%2e%2e/admin')).toThrow(/leads out/);
    expect(() => client.follow('http://evil.example/x', client.base, 'GET /')).toThrow(/allowHosts/);
    await using wider = new RestClient(connectionTo(`${server.url}/v2/`, { allowHosts: ['good.example'] }), never);
    const scheme = new URL(server.url).protocol;
    expect(wider.follow(`${scheme}//good.example/x`, wider.base, 'GET /').host).toBe('good.example');
    expect(() => wider.follow(`${scheme}//good.example:81/x`, wider.base, 'GET /')).toThrow(/allowHosts/);
  });
});

describe('repetition', () => {
  it('waits as long as Retry-After says, in seconds or as a date', async () => {
    await using client = new RestClient(connectionTo(server.url), never);
    server.plan({ kind: 'throttle', retryAfter: 1 });
    await get(client);
    server.plan({ kind: 'throttle', status: 503, retryAfter: new Date(Date.now() + 2_100).toUTCString() });
    await get(client);
    const [a, b, c, d] = server.requests.map(({ atMs }) => atMs);
    expect((b ?? 0) - (a ?? 0)).toBeGreaterThan(990);
    expect((d ?? 0) - (c ?? 0)).toBeGreaterThan(900);
    expect(retryAfterMs('120', 0)).toBe(120_000);
    expect(retryAfterMs('Thu, 01 Jan 1970 00:00:07 GMT', 2_000)).toBe(5_000);
    expect(retryAfterMs('soon', 0)).toBeNull();
  });

  it('tells of a pause that is too long to wait for', async () => {
    await using client = new RestClient(connectionTo(server.url), never);
    server.plan({ kind: 'throttle', retryAfter: 3_600 });
    await expect(get(client)).rejects.toMatchObject({ code: 'THROTTLED', message: expect.stringContaining('3600 seconds') });
    expect(server.requests).toHaveLength(1);
  });

  it.each([
    [{ kind: 'reset' }, 'CONNECTION_FAILED'],
    [{ kind: 'truncate', atBytes: 3 }, 'CONNECTION_FAILED'],
    [{ kind: 'status', status: 500 }, 'CONNECTION_FAILED'],
    [{ kind: 'hang' }, 'TIMEOUT'],
  ] as const)('%j passes on another try, and is named when it lasts', async (fault, code) => {
    await using client = new RestClient(connectionTo(server.url, { retries: 1, timeoutSeconds: fault.kind === 'hang' ? 0.3 : 10 }), never);
    server.plan(fault);
    expect((await get(client)).status).toBe(200);
    server.plan(fault, { times: 2 });
    await expect(get(client)).rejects.toMatchObject({ code, retry: 'backoff', message: expect.stringContaining('GET /x') });
  });

  it.each([
    [401, 'AUTHENTICATION_FAILED'],
    [403, 'PERMISSION_DENIED'],
    [404, 'NOT_FOUND'],
    [400, 'UNSUPPORTED'],
  ] as const)('%i is told at once', async (status, code) => {
    await using client = new RestClient(connectionTo(server.url), never);
    server.plan({ kind: 'status', status }, { times: 9 });
    await expect(get(client)).rejects.toMatchObject({ code, retry: 'never' });
    expect(server.requests).toHaveLength(1);
  });

  it('a conflict: a POST is sent twice more and told what it usually means, other methods are tried as often as the definition says', async () => {
    await using client = new RestClient(connectionTo(server.url, { retries: 4 }), never);
    server.route('PUT /*', () => ({ json: {} }));
    server.plan({ kind: 'status', status: 409 }, { times: 2 });
    expect((await get(client, '/x', { method: 'POST', body: '{}', what: 'POST /x' })).status).toBe(200);
    server.plan({ kind: 'status', status: 409 }, { times: 3 });
    await expect(get(client, '/x', { method: 'POST', body: '{}', what: 'POST /x' })).rejects.toMatchObject({
      code: 'CONFLICT',
      retry: 'never',
      message: expect.stringMatching(/POST \/x.*409.*there already/),
    });
    expect(server.requests).toHaveLength(6);
    server.plan({ kind: 'status', status: 409 }, { times: 4 });
    expect((await get(client, '/x', { method: 'PUT', body: '{}' })).status).toBe(200);
    await using hasty = new RestClient(connectionTo(server.url, { retries: 0 }), never);
    server.plan({ kind: 'status', status: 409 });
    await expect(get(hasty, '/x', { method: 'POST', body: '{}' })).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(server.requests).toHaveLength(12);
  });

  it('stops on its signal, while it waits as well', async () => {
    const stop = new AbortController();
    await using client = new RestClient(connectionTo(server.url), stop.signal);
    server.plan({ kind: 'throttle', retryAfter: 60 });
    const sent = get(client);
    setTimeout(() => stop.abort(new Error('enough')), 100);
    await expect(sent).rejects.toThrow('enough');
  });

  it('keeps to the rate', async () => {
    await using client = new RestClient(connectionTo(server.url, { requestsPerSecond: 20 }), never);
    const startedAt = performance.now();
    for (let i = 0; i < 5; i++) await get(client);
    expect((server.requests.at(-1)?.atMs ?? 0) - startedAt).toBeGreaterThan(195);
  });

  it('reads no more than the limit', async () => {
    await using client = new RestClient(connectionTo(server.url, { maxResponseBytes: 2_000 }), never);
    server.route('GET /big', () => ({ json: 'x'.repeat(3_000) }));
    await expect(get(client, '/big')).rejects.toMatchObject({ code: 'TOO_LARGE', message: expect.stringContaining('GET /big') });
  });
});

describe('credentials', () => {
  const sent = () => server.requests.at(-1);
  it('bearer, basic, API key in a header or a parameter, own headers', async () => {
    const ways: [object, () => void][] = [
      [{ token: 't' }, () => expect(sent()?.headers.authorization).toBe('Bearer t')],
      [{ username: 'u', password: 'pä' }, () => expect(sent()?.headers.authorization).toBe(`Basic ${Buffer.from('u:pä').toString('base64')}`)],
      [{ apiKey: 'k' }, () => expect(sent()?.headers['x-api-key']).toBe('k')],
      [{ apiKey: 'k&', apiKeyName: 'key', apiKeyIn: 'query' }, () => expect(sent()?.query.get('key')).toBe('k&')],
      [
        { headers: { 'X-Tenant': '7' }, secretHeaders: { 'X-Secret': 's' } },
        () => expect([sent()?.headers['x-tenant'], sent()?.headers['x-secret']]).toEqual(['7', 's']),
      ],
    ];
    for (const [fields, check] of ways) {
      await using client = new RestClient(connectionTo(server.url, fields), never);
      await get(client);
      check();
    }
  });

  it('keeps the API key out of links that go into positions', async () => {
    await using client = new RestClient(connectionTo(server.url, { apiKey: 'canary', apiKeyName: 'key', apiKeyIn: 'query' }), never);
    expect(client.follow('/orders?key=canary&page=2', client.base, 'GET /orders').href).toBe(`${server.url}/orders?page=2`);
  });

  it('OAuth 2 client credentials: one token for many requests, a new one after 401', async () => {
    let issued = 0;
    server.route('POST /token', () => ({ json: { access_token: `token-${++issued}`, token_type: 'Bearer', expires_in: 3600 } }));
    let accepted = 'Bearer token-1';
    server.route('GET /x', ({ headers }) => (headers.authorization === accepted ? { json: [] } : { status: 401, json: {} }));
    const fields = { oauth2: { tokenUrl: `${server.url}/token`, clientId: 'id:1', scope: 'read write' }, clientSecret: 'se/cret' };
    await using client = new RestClient(connectionTo(server.url, fields), never);
    await get(client);
    await get(client);
    expect(issued).toBe(1);
    const [ask] = server.requests;
    expect(ask?.body).toBe('grant_type=client_credentials&scope=read+write');
    expect(ask?.headers.authorization).toBe(`Basic ${Buffer.from('id%3A1:se%2Fcret').toString('base64')}`);
    accepted = 'Bearer token-2';
    await get(client);
    expect(issued).toBe(2);
    accepted = 'never';
    await expect(get(client)).rejects.toMatchObject({ code: 'AUTHENTICATION_FAILED' });
    expect(issued).toBe(3);
  });

  it('says that a token URL gives none, without the secret', async () => {
    server.route('POST /token', () => ({ status: 400, json: { error: 'invalid_client', hint: 'canary' } }));
    const fields = { oauth2: { tokenUrl: `${server.url}/token`, clientId: 'id', credentialsIn: 'body' }, clientSecret: 'canary' };
    await using client = new RestClient(connectionTo(server.url, fields), never);
    const error: unknown = await get(client).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED' });
    expect(String(error)).not.toContain('canary');
    expect(server.requests.at(-1)?.body).toContain('client_secret=canary');
  });

  it.each([
    [{ token: 't', apiKey: 'k' }, 'apiKey'],
    [{ username: 'u' }, 'username'],
    [{ headers: { Authorization: 'x' } }, 'headers.Authorization'],
    [{ headers: { 'Content-Length': '1' } }, 'headers.Content-Length'],
    [{ headers: { A: 'b\r\nC: d' } }, 'headers.A'],
    [{ clientSecret: 's' }, 'clientSecret'],
    [{ url: 'https://u:p@example.com' }, 'url'],
    [{ url: 'file:///etc/passwd' }, 'url'],
  ])('refuses %j in a definition', (fields, path) => {
    const parsed = config.connection.safeParse({ type: 'rest', url: 'https://example.com', ...fields });
    expect(parsed.error?.issues.map((issue) => issue.path.join('.'))).toContain(path);
  });
});

describe('Link headers', () => {
  it.each([
    ['<https://a/x?page=2>; rel="next", <https://a/x?page=9>; rel="last"', 'https://a/x?page=2'],
    ['<https://a/1,2>; title="a, b; rel=\\"next\\""; rel=prev, </n>; rel="nofollow next"', '/n'],
    ['</n>;rel=next', '/n'],
    ['<https://a/x>; rel="prev"', null],
    [undefined, null],
  ])('%s', (header, target) => {
    expect(nextLink(header)).toBe(target);
  });
});
