import { setTimeout as sleep } from 'node:timers/promises';
import pRetry from 'p-retry';
import { Agent, type Dispatcher } from 'undici';
import { SyncError } from '../../errors.ts';
import { guardedConnector, type Resolver } from './addresses.ts';
import { Auth, type TokenAnswer } from './auth.ts';
import type { RestConnection } from './config.ts';
import { isPassingStatus, malformed, networkError, statusError } from './errors.ts';
import { Pace, retryAfterMs } from './pace.ts';

const maxRedirects = 5;
/** A service that asks for a longer pause is told of rather than waited for: a run may have little time. */
const maxPauseMs = 120_000;
const connectTimeoutMs = 10_000;
const firstBackoffMs = 250;
const maxBackoffMs = 15_000;
/** Of a POST after 409: another change at the same moment is soon over, a record that is there already stays. */
const conflictRetries = 2;
/** Of the answer of a token URL. */
const tokenBytes = 1_048_576;

export interface RestRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON text. */
  readonly body?: string;
  /** The request in words for messages, without a secret: `GET /orders page 3`. */
  readonly what: string;
  /** Statuses, beside 2xx, that the caller deals with itself. */
  readonly accept?: readonly number[];
}

export interface RestAnswer {
  readonly status: number;
  readonly headers: Dispatcher.ResponseData['headers'];
  readonly text: string;
  /** Where redirects led to. */
  readonly url: URL;
}

interface Wire {
  readonly method: string;
  readonly url: URL;
  readonly headers: Record<string, string>;
  readonly body?: string;
  readonly what: string;
  readonly maxBytes: number;
}

/** HTTP with what the definition sets for it: allowed hosts and addresses, credentials, rate, time and size limits, repetition. */
export class RestClient implements AsyncDisposable {
  readonly base: URL;
  readonly #connection: RestConnection;
  readonly #signal: AbortSignal;
  readonly #agent: Agent;
  readonly #auth: Auth;
  readonly #pace: Pace;
  readonly #hosts: ReadonlySet<string>;

  constructor(connection: RestConnection, signal: AbortSignal, options: { readonly resolver?: Resolver } = {}) {
    this.#connection = connection;
    this.#signal = signal;
    this.base = new URL(connection.url);
    this.#hosts = new Set([this.base.host, ...connection.allowHosts.map((host) => host.toLowerCase())]);
    const connect = guardedConnector({ allowPrivate: connection.allowPrivate, timeoutMs: connectTimeoutMs, ...options });
    this.#agent = new Agent({ connect, connections: 4, pipelining: 1, keepAliveTimeout: 4_000 });
    this.#pace = new Pace(connection.requestsPerSecond);
    this.#auth = new Auth(connection, (form, headers) => this.#askToken(form, headers));
  }

  /** `path` is below the base; parameters of the base come first. Throws where the path would leave the base. */
  address(path: string, params: Iterable<readonly [string, string]> = []): URL {
    const url = new URL(this.base.href);
    const prefix = url.pathname.replace(/\/+$/, '');
    url.pathname = path === '' ? url.pathname : `${prefix}/${path.replace(/^\/+/, '')}`;
    if (!url.pathname.startsWith(`${prefix}/`) && url.pathname !== prefix) {
      throw new SyncError('CONFIG_INVALID', `The path ${path} leads out of the base ${prefix}: write it without "..".`, { field: 'path' });
    }
    for (const [name, value] of params) url.searchParams.set(name, value);
    return url;
  }

  /** An address that the service gave, made absolute; the API key that Idra adds itself is taken out of it. Throws `PERMISSION_DENIED` where its host is not allowed. */
  follow(link: string, from: URL, what: string): URL {
    if (!URL.canParse(link, from.href)) throw malformed(what, 'the link to the next page is no address');
    const url = new URL(link, from.href);
    this.#checkHost(url, what);
    const own = this.#auth.parameter;
    if (own !== null) url.searchParams.delete(own[0]);
    return url;
  }

  /** Sends until it is answered well, or says why not. Statuses that are no success and not in `accept` throw. */
  async send(request: RestRequest): Promise<RestAnswer> {
    this.#checkHost(request.url, request.what);
    let refreshed = false;
    const attempt = async (): Promise<RestAnswer> => {
      const answer = await this.#follow(request);
      if (answer.status === 401 && !refreshed && this.#auth.forget()) {
        refreshed = true;
        return attempt();
      }
      if ((answer.status >= 200 && answer.status < 300) || request.accept?.includes(answer.status)) return answer;
      const error = statusError(answer.status, request.what, request.method);
      if (isPassingStatus(answer.status)) await this.#pause(answer, error);
      throw error;
    };
    return this.#retrying(attempt);
  }

  async #retrying<T>(attempt: () => Promise<T>): Promise<T> {
    try {
      return await pRetry(attempt, {
        retries: this.#connection.retries,
        minTimeout: firstBackoffMs,
        maxTimeout: maxBackoffMs,
        factor: 2,
        randomize: true,
        signal: this.#signal,
        shouldRetry: ({ error, attemptNumber }) =>
          error instanceof SyncError &&
          !(error instanceof LongPause) &&
          (error.retry !== 'never' || (error.code === 'CONFLICT' && attemptNumber <= conflictRetries)),
      });
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      throw error;
    }
  }

  /** Waits as long as the service asks; the back-off of the next attempt comes on top. */
  async #pause(answer: RestAnswer, error: SyncError): Promise<void> {
    const header = answer.headers['retry-after'];
    const ms = retryAfterMs(typeof header === 'string' ? header : header?.[0], Date.now());
    if (ms === null || ms === 0) return;
    if (ms > maxPauseMs) throw new LongPause(error, ms);
    await sleep(ms, undefined, { signal: this.#signal });
  }

  /** Redirects stay on the same host, never go from https to http, and do not change what is sent. */
  async #follow(request: RestRequest): Promise<RestAnswer> {
    let { url } = request;
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#once({
        ...request,
        url: this.#withKey(url),
        headers: await this.#headers(request),
        maxBytes: this.#connection.maxResponseBytes,
      });
      const location = answer.headers.location;
      if (answer.status < 300 || answer.status > 399 || answer.status === 304 || typeof location !== 'string') return { ...answer, url };
      const { what } = request;
      if (request.method !== 'GET' && answer.status !== 307 && answer.status !== 308)
        throw new SyncError('UNSUPPORTED', `${what} was redirected with ${answer.status}, which would turn it into a GET: write the final address into url.`);
      if (redirects === maxRedirects) throw new SyncError('UNSUPPORTED', `${what} was redirected more than ${maxRedirects} times.`);
      const next = this.follow(location, url, what);
      if (next.hostname !== url.hostname || (next.protocol !== url.protocol && next.protocol !== 'https:'))
        throw new SyncError(
          'PERMISSION_DENIED',
          `${what} was redirected to ${next.protocol}//${next.host}: redirects are followed on the same host alone. Write the final address into url.`,
        );
      url = next;
    }
  }

  async #headers(request: RestRequest): Promise<Record<string, string>> {
    const { headers, secretHeaders } = this.#connection;
    return {
      accept: 'application/json',
      'user-agent': 'idra',
      ...lowerCased(headers),
      ...lowerCased(secretHeaders),
      ...(await this.#auth.headers()),
      ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...request.headers,
    };
  }

  #withKey(url: URL): URL {
    const own = this.#auth.parameter;
    if (own === null) return url;
    const keyed = new URL(url.href);
    keyed.searchParams.set(...own);
    return keyed;
  }

  async #once(wire: Wire): Promise<Omit<RestAnswer, 'url'>> {
    const { method, url, headers, body, what, maxBytes } = wire;
    await this.#pace.turn(this.#signal);
    const limit = AbortSignal.timeout(this.#connection.timeoutSeconds * 1000);
    try {
      const response = await this.#agent.request({
        origin: url.origin,
        path: url.pathname + url.search,
        method: method as Dispatcher.HttpMethod,
        // Compressed answers could be many times larger than their limit
        headers: { ...headers, 'accept-encoding': 'identity' },
        signal: AbortSignal.any([this.#signal, limit]),
        headersTimeout: 0,
        bodyTimeout: 0,
        ...(body === undefined ? {} : { body }),
      });
      return { status: response.statusCode, headers: response.headers, text: await readText(response, what, maxBytes) };
    } catch (error) {
      if (this.#signal.aborted) throw this.#signal.reason;
      if (limit.aborted && !(error instanceof SyncError))
        throw new SyncError('TIMEOUT', `${what}: no whole answer within ${this.#connection.timeoutSeconds} seconds (timeoutSeconds).`, {
          retry: 'backoff',
          cause: error,
        });
      throw networkError(error, what);
    }
  }

  async #askToken(form: string, headers: Readonly<Record<string, string>>): Promise<TokenAnswer> {
    const { oauth2 } = this.#connection;
    const what = 'POST to the token URL';
    return this.#retrying(async () => {
      const answer = await this.#once({
        method: 'POST',
        url: new URL(oauth2?.tokenUrl ?? ''),
        headers: { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded', ...headers },
        body: form,
        what,
        maxBytes: tokenBytes,
      });
      if (isPassingStatus(answer.status)) throw statusError(answer.status, what, 'POST');
      return answer;
    });
  }

  #checkHost(url: URL, what: string): void {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw new SyncError('PERMISSION_DENIED', `${what}: ${url.protocol} is no web address.`);
    if (this.base.protocol === 'https:' && url.protocol === 'http:')
      throw new SyncError('PERMISSION_DENIED', `${what}: the service leads from https to http on ${url.host}, where credentials would be sent in the clear.`);
    if (this.#hosts.has(url.host)) return;
    throw new SyncError('PERMISSION_DENIED', `${what}: the host ${url.host} is not allowed. Add it to allowHosts of the connection if it belongs to the API.`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }
}

/** A pause too long to wait for in this run. */
class LongPause extends SyncError {
  constructor(error: SyncError, ms: number) {
    super('THROTTLED', `${error.message} It asks for a pause of ${Math.ceil(ms / 1000)} seconds; run the sync again after that.`, { retry: 'never' });
  }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
}

async function readText({ body, headers }: Dispatcher.ResponseData, what: string, maxBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of body as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes)
      throw new SyncError('TOO_LARGE', `${what}: the answer is larger than ${maxBytes} bytes. Ask for smaller pages, or raise maxResponseBytes.`);
    parts.push(part);
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity' && bytes > 0) throw malformed(what, 'the answer is compressed although no compression was asked for');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts));
  } catch (error) {
    throw malformed(what, 'the answer is no UTF-8', error);
  }
}
