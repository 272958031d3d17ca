/** One of a writer's two connections, with the batch that it is taking in. */
import { once } from 'node:events';
import pgCopy from 'pg-copy-streams';
import { SyncError } from '../../errors.ts';
import { binaryHeader, binaryTrailer } from './copy-binary.ts';
import { droppedRows } from './errors.ts';
import { Session } from './session.ts';
import type { Settings } from './settings.ts';

/** What a COPY goes into. */
export interface CopyTarget {
  /** Table and columns, quoted: `"public"."orders" ("id", "total")`. */
  readonly into: string;
  readonly format: 'text' | 'binary';
}

/** The connection was lost inside a batch, and with it what the batch had written. */
export class BatchLost extends Error {}

type CopyStream = ReturnType<typeof pgCopy.from>;

/** Buffered in the stream before `send` waits. */
const highWaterMark = 1 << 18;
/** The same while the COPY itself has to wait: what the other connection's server still has to take in is a few megabytes of sockets' buffers. */
const aheadBytes = 1 << 22;

export class Lane implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #application: string;
  #session: Session | null = null;
  #copy: { readonly stream: CopyStream; readonly target: CopyTarget; readonly ended: Promise<void>; rows: number; begun: boolean } | null = null;
  #begun = false;

  constructor(settings: Settings, application: string) {
    this.#settings = settings;
    this.#application = application;
  }

  get begun(): boolean {
    return this.#begun;
  }

  get lost(): boolean {
    return this.#session?.lost === true;
  }

  /** Connected anew where the connection is gone; a transaction does not survive that. */
  async session(): Promise<Session> {
    if (this.#session === null || this.#session.lost) {
      if (this.#begun) throw new BatchLost();
      this.#session = await Session.open(this.#settings, this.#application);
    }
    return this.#session;
  }

  async begin(): Promise<Session> {
    const session = await this.session();
    if (!this.#begun) {
      await session.query('BEGIN ISOLATION LEVEL READ COMMITTED');
      this.#begun = true;
    }
    return session;
  }

  /** COPY's stream into `target`, begun where it is not; another one is ended first by `endCopy`. */
  copying(target: CopyTarget): boolean {
    return this.#copy !== null && this.#copy.target.into === target.into && this.#copy.target.format === target.format;
  }

  /** What the open COPY goes into. */
  get target(): CopyTarget | null {
    return this.#copy?.target ?? null;
  }

  /** Data may be sent at once; the server hears of it when `after` is settled. */
  async startCopy(target: CopyTarget, after: Promise<unknown>): Promise<void> {
    const session = await this.begin();
    const stream = pgCopy.from(`COPY ${target.into} FROM STDIN${target.format === 'binary' ? ' (FORMAT binary)' : ''}`, { highWaterMark });
    const ended = new Promise<void>((resolve, reject) => {
      stream.once('finish', resolve);
      stream.on('error', (error) => {
        reject(error);
        // What is still buffered must not be sent on: the server has left the COPY
        stream.destroy();
      });
    });
    // Awaited by send and endCopy; between the two nobody listens
    ended.catch(() => undefined);
    const copy = { stream, target, ended, rows: 0, begun: false };
    this.#copy = copy;
    const begin = (): void => {
      if (this.#copy !== copy) return;
      copy.begun = true;
      session.client.query(stream);
    };
    after.then(begin, begin);
    if (target.format === 'binary') await this.send(binaryHeader, 0);
  }

  /** Resolves when the stream has room again. `rows`: how many end in this data. */
  async send(data: Uint8Array, rows: number): Promise<void> {
    const copy = this.#copy;
    if (copy === null) throw new SyncError('INTERNAL', 'Data without a COPY.');
    copy.rows += rows;
    if (data.length === 0) return;
    if (copy.stream.destroyed) await copy.ended;
    if (copy.stream.write(data) || (!copy.begun && copy.stream.writableLength < aheadBytes)) return;
    const stop = new AbortController();
    try {
      await Promise.race([once(copy.stream, 'drain', { signal: stop.signal }), copy.ended]);
    } finally {
      stop.abort();
    }
  }

  /** Waits until the server has taken every row, and returns their number. */
  async endCopy(): Promise<number> {
    const copy = this.#copy;
    if (copy === null) return 0;
    if (!copy.stream.destroyed) copy.stream.end(copy.target.format === 'binary' ? binaryTrailer : undefined);
    await copy.ended;
    this.#copy = null;
    if (copy.stream.rowCount !== copy.rows) throw droppedRows(copy.target.into, { taken: copy.stream.rowCount, of: copy.rows });
    return copy.rows;
  }

  async commit(): Promise<void> {
    const session = await this.session();
    await session.query('COMMIT');
    this.#begun = false;
  }

  /** Back to before the batch, on a connection that can be used again. */
  async rollback(): Promise<void> {
    const copy = this.#copy;
    const session = this.#session;
    this.#copy = null;
    if (session === null) return;
    const deadline = setTimeout(() => session.destroy(), 10_000);
    try {
      if (copy?.begun === true) {
        copy.stream.destroy();
        await copy.ended.catch(() => undefined);
      }
      if (this.#begun && !session.lost) await session.query('ROLLBACK');
    } catch {
      // A connection that cannot even roll back is given up: the server ends its transaction
      session.destroy();
    } finally {
      clearTimeout(deadline);
      this.#begun = false;
    }
  }

  /** Ends a COPY that is to have no effect, inside a transaction that goes on from its savepoint. */
  async failCopy(): Promise<void> {
    const copy = this.#copy;
    this.#copy = null;
    if (copy?.begun !== true) return;
    copy.stream.destroy();
    await copy.ended.catch(() => undefined);
  }

  /** The server may or may not have heard the last words: nothing more is said on this connection. */
  abandon(): void {
    this.#session?.destroy();
    this.#session = null;
    this.#copy = null;
    this.#begun = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#begun || this.#copy !== null) await this.rollback();
    await this.#session?.[Symbol.asyncDispose]();
  }
}
