/** An HTTP API of the tests' own that misbehaves on request. See test/README.md. */
import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { answerWith, beforeHandling, type HttpFault } from './http/faults.ts';
import { type Handler, headersOf, payload, type Recorded, type Reply } from './http/reply.ts';

interface Planned {
  readonly fault: HttpFault;
  readonly matches: (request: Recorded) => boolean;
  left: number;
}

export class HttpFaultServer implements AsyncDisposable {
  /** Every request, in the order in which they came. */
  readonly requests: Recorded[] = [];
  readonly #routes: { method: string; path: string; handler: Handler }[] = [];
  readonly #planned: Planned[] = [];
  readonly #http: HttpServer;

  private constructor() {
    this.#http = createServer((request, response) => void this.#serve(request, response));
  }

  static async listen(): Promise<HttpFaultServer> {
    const server = new HttpFaultServer();
    await new Promise<void>((resolve, reject) => server.#http.once('error', reject).listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    const address = this.#http.address();
    if (address === null || typeof address === 'string') throw new Error('the server is closed');
    return `http://127.0.0.1:${address.port}`;
  }

  /** `GET /orders`, or `PUT /orders/*` for all below it. The route that was added last wins. */
  route(route: `${string} /${string}`, handler: Handler): void {
    const [method = '', path = ''] = route.split(' ');
    this.#routes.unshift({ method, path, handler });
  }

  /** Befalls the next `times` requests (all where it is Infinity) that `matches`; faults that were planned first come first. */
  plan(fault: HttpFault, { times = 1, matches = () => true }: { times?: number; matches?: (request: Recorded) => boolean } = {}): void {
    this.#planned.push({ fault, matches, left: times });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const recorded = await this.#record(request);
    if (recorded === undefined) return;
    const planned = this.#planned.find(({ left, matches }) => left > 0 && matches(recorded));
    if (planned === undefined) {
      const reply = await this.#handle(recorded);
      response.writeHead(reply.status ?? 200, headersOf(reply)).end(payload(reply));
      return;
    }
    planned.left -= 1;
    await answerWith(planned.fault, response, beforeHandling(planned.fault) ? {} : await this.#handle(recorded));
  }

  /** Undefined where the client went away before it had said all. */
  async #record(request: IncomingMessage): Promise<Recorded | undefined> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part as Buffer);
    } catch {
      return undefined;
    }
    const { pathname, searchParams } = new URL(request.url ?? '/', this.url);
    const recorded = {
      method: request.method ?? '',
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: Buffer.concat(parts).toString(),
      atMs: performance.now(),
    };
    this.requests.push(recorded);
    return recorded;
  }

  async #handle(request: Recorded): Promise<Reply> {
    const found = this.#routes.find(
      ({ method, path }) => method === request.method && (path === request.path || (path.endsWith('/*') && request.path.startsWith(path.slice(0, -1)))),
    );
    if (found === undefined) return { status: 404, json: { error: 'no such route' } };
    try {
      return await found.handler(request);
    } catch (error) {
      return { status: 500, json: { error: String(error) } };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#http.closeAllConnections();
    await new Promise<void>((resolve) => this.#http.close(() => resolve()));
  }
}
