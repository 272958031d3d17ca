import type { Socket } from 'node:net';
import type { Direction, Faults, Trap } from './faults.ts';
import { matcher } from './pattern.ts';
import { between, seeded } from './random.ts';

export interface LinkHooks {
  onBytes(direction: Direction, count: number): void;
  onCut(): void;
  onSwallowed(count: number): void;
  onClosed(): void;
}

interface Armed {
  readonly trap: Trap;
  readonly matches: (bytes: Buffer) => boolean;
}

/** One client's connection through the proxy. Each direction keeps its order and its backpressure whatever is done to it. */
export class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #faults: Faults;
  readonly #hooks: LinkHooks;
  readonly #random: () => number;
  readonly #bytesToCut: number;
  readonly #traps: Armed[] = [];
  /** What each direction still has to deliver, one piece after the other. */
  readonly #pending: Record<Direction, Promise<void>> = { toServer: Promise.resolve(), toClient: Promise.resolve() };
  #healed = Promise.withResolvers<void>();
  #passed = 0;
  #swallowing: Trap | undefined;
  #closed = false;

  constructor(sockets: { client: Socket; server: Socket }, faults: Faults, options: { seed: number; hooks: LinkHooks }) {
    this.#client = sockets.client;
    this.#server = sockets.server;
    this.#faults = faults;
    this.#hooks = options.hooks;
    this.#random = seeded(options.seed);
    this.#bytesToCut = faults.cutAfterBytes === undefined ? Number.POSITIVE_INFINITY : between(this.#random, faults.cutAfterBytes);
    this.#carry('toServer', this.#client, this.#server);
    this.#carry('toClient', this.#server, this.#client);
  }

  /** A swallow without a pattern begins at once. */
  arm(trap: Trap): void {
    if (trap.pattern === undefined) this.#spring(trap);
    else this.#traps.push({ trap, matches: matcher(trap.pattern) });
  }

  /** Resets both ends, as when a machine between them loses its table. */
  cut(): void {
    if (this.#closed) return;
    this.#hooks.onCut();
    this.discard();
  }

  /** The same at the proxy's own end, which is no fault to count. */
  discard(): void {
    this.#close();
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  /** Held bytes go on their way. A connection that lost bytes cannot be mended and is cut. */
  heal(): void {
    this.#traps.length = 0;
    this.#healed.resolve();
    this.#healed = Promise.withResolvers();
    if (this.#swallowing !== undefined) this.cut();
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#healed.resolve();
    this.#hooks.onClosed();
  }

  #carry(direction: Direction, from: Socket, to: Socket): void {
    from.setNoDelay(true);
    from.on('data', (bytes: Buffer) => {
      from.pause();
      this.#pending[direction] = this.#pending[direction].then(async () => {
        await this.#deliver(direction, bytes, to);
        from.resume();
      });
    });
    // An end stands in line behind the bytes before it.
    from.on('end', () => {
      this.#pending[direction] = this.#pending[direction].then(async () => {
        await this.#whileHeld();
        if (this.#swallowing === undefined || direction === 'toServer') to.end();
      });
    });
    from.on('error', () => void this.#whileHeld().then(() => this.#passOn(to)));
    from.on('close', () => {
      if (to.destroyed) this.#close();
    });
  }

  /** One side reset its end: so do we, unless the other side is not to hear of it. */
  #passOn(to: Socket): void {
    if (this.#swallowing?.and === 'hang' && to === this.#client) return;
    to.resetAndDestroy();
  }

  async #whileHeld(): Promise<void> {
    while (this.#faults.partitioned && !this.#closed) await this.#healed.promise;
  }

  async #deliver(direction: Direction, bytes: Buffer, to: Socket): Promise<void> {
    const { delay } = this.#faults;
    if (delay !== undefined) {
      const ms = delay.ms + this.#random() * (delay.jitterMs ?? 0);
      await new Promise((resolve) => setTimeout(resolve, ms));
    }
    await this.#whileHeld();
    if (this.#closed) return;
    if (direction === 'toClient' && this.#swallowing !== undefined) {
      this.#hooks.onSwallowed(bytes.length);
      if (this.#swallowing.and === 'cut') this.cut();
      return;
    }
    const sprung = this.#traps.filter(({ trap, matches }) => trap.direction === direction && matches(bytes) && trap.left > 0);
    this.#hooks.onBytes(direction, bytes.length);
    this.#passed += bytes.length;
    for (const { trap } of sprung) if (trap.kind === 'swallow') this.#spring(trap);
    if (!to.write(bytes) && !to.destroyed) {
      await new Promise<void>((resolve) => {
        to.once('drain', resolve);
        to.once('close', resolve);
      });
    }
    for (const { trap } of sprung) if (trap.kind === 'cut') this.#spring(trap);
    if (this.#passed >= this.#bytesToCut) this.cut();
  }

  #spring(trap: Trap): void {
    if (trap.left <= 0) return;
    trap.left -= 1;
    if (trap.kind === 'cut') this.cut();
    else this.#swallowing = trap;
  }
}
