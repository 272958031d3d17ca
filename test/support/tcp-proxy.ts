/** Stands before a server and breaks the connection to it: cuts, delays, swallows replies, holds everything. See test/README.md. */
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net';
import type { CutAfter, Delay, Direction, Faults, Swallow, Trap } from './proxy/faults.ts';
import { Link } from './proxy/link.ts';

export interface TcpProxyOptions {
  /** All that is drawn by lot comes from it and from the number of the connection; equal seeds give equal draws. */
  readonly seed?: number;
}

export interface ProxyCounts {
  /** Connections that were accepted, refused ones not counted. */
  connections: number;
  refused: number;
  /** Connections that a fault reset. */
  cuts: number;
  bytesToServer: number;
  bytesToClient: number;
  swallowedBytes: number;
}

/** Host and port of a URL or of `host:port`. */
function target(of: string): { host: string; port: number } {
  const { hostname, port } = new URL(of.includes('://') ? of : `tcp://${of}`);
  if (port === '') throw new Error(`a proxy needs the port of the server before which it stands: ${hostname}`);
  return { host: hostname, port: Number(port) };
}

export class TcpProxy implements AsyncDisposable {
  readonly counts: ProxyCounts = { connections: 0, refused: 0, cuts: 0, bytesToServer: 0, bytesToClient: 0, swallowedBytes: 0 };
  readonly #target: { host: string; port: number };
  readonly #seed: number;
  readonly #faults: Faults = { delay: undefined, cutAfterBytes: undefined, partitioned: false, refusing: false };
  readonly #links = new Set<Link>();
  #traps: Trap[] = [];
  readonly #listener: NetServer;

  private constructor(server: string, options: TcpProxyOptions) {
    this.#target = target(server);
    this.#seed = options.seed ?? 1;
    this.#listener = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Listens on a free loopback port before `server`: a URL, or `host:port`. */
  static async before(server: string, options: TcpProxyOptions = {}): Promise<TcpProxy> {
    const proxy = new TcpProxy(server, options);
    await new Promise<void>((resolve, reject) => proxy.#listener.once('error', reject).listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    const address = this.#listener.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed');
    return address.port;
  }

  /** `127.0.0.1:port`. */
  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** Open connections. */
  get open(): number {
    return this.#links.size;
  }

  /** `url` with this proxy in the server's place. */
  through(url: string): string {
    if (!url.includes('://')) return this.host;
    const through = new URL(url);
    through.host = this.host;
    return through.href;
  }

  /** Resets every open connection; new ones are accepted. */
  cut(): void {
    for (const link of [...this.#links]) link.cut();
  }

  /** Resets a connection, open or new, once certain bytes have passed. */
  cutAfter({ pattern, direction, times = Number.POSITIVE_INFINITY }: CutAfter): void {
    this.#arm({ kind: 'cut', pattern, direction, and: 'cut', left: times });
  }

  /** Requests reach the server, its replies are lost: on connections that are open, and on new ones. */
  swallowReplies({ after, and = 'hang', times = Number.POSITIVE_INFINITY }: Swallow = {}): void {
    this.#arm({ kind: 'swallow', pattern: after, direction: 'toServer', and, left: times });
  }

  delay(delay: Delay): void {
    this.#faults.delay = delay;
  }

  /** Every connection made from now on is reset once a number of bytes between the two, drawn from the seed, has passed both ways together. */
  cutRandomly(bytes: readonly [low: number, high: number]): void {
    this.#faults.cutAfterBytes = bytes;
  }

  /** Nothing passes, new connections are accepted and hear nothing; what was sent meanwhile arrives after `heal`, as when a network is split and mends. */
  partition(): void {
    this.#faults.partitioned = true;
  }

  /** New connections are reset at once; open ones go on. */
  refuse(): void {
    this.#faults.refusing = true;
  }

  /** Ends every fault. Connections that lost bytes are cut. */
  heal(): void {
    Object.assign(this.#faults, { delay: undefined, cutAfterBytes: undefined, partitioned: false, refusing: false } satisfies Faults);
    this.#traps = [];
    for (const link of [...this.#links]) link.heal();
  }

  #arm(trap: Trap): void {
    this.#traps.push(trap);
    for (const link of [...this.#links]) link.arm(trap);
  }

  #accept(client: Socket): void {
    client.on('error', () => undefined); // the link hears of it too
    if (this.#faults.refusing) {
      this.counts.refused += 1;
      client.resetAndDestroy();
      return;
    }
    const seed = this.#seed * 1_000_003 + this.counts.connections;
    this.counts.connections += 1;
    const server = connect({ ...this.#target, allowHalfOpen: true });
    const link: Link = new Link({ client, server }, this.#faults, {
      seed,
      hooks: {
        onBytes: (direction: Direction, count) => {
          this.counts[direction === 'toServer' ? 'bytesToServer' : 'bytesToClient'] += count;
        },
        onCut: () => {
          this.counts.cuts += 1;
        },
        onSwallowed: (count) => {
          this.counts.swallowedBytes += count;
        },
        onClosed: () => this.#links.delete(link),
      },
    });
    this.#links.add(link);
    for (const trap of this.#traps) link.arm(trap);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of [...this.#links]) link.discard();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
  }
}
