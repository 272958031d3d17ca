/**
 * The rows of one statement as the driver's socket delivers them, without an object, an event or a copy for each row: the driver's parser is set aside until the statement has ended, and
 * is given every message that is no row. Messages: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import type { Duplex } from 'node:stream';
import type pg from 'pg';
import { SyncError } from '../../errors.ts';

/** Message code of what a statement yields: rows of a SELECT, or rows of a COPY TO STDOUT. */
const rowMessages = { DataRow: 68, CopyData: 100 } as const;
const readyForQuery = 90;
/** Message code and length. */
const headBytes = 5;
/** Received and not yet taken, before the socket is paused. */
const highWaterMark = 1 << 18;

type Listener = (data: Buffer) => void;

export class RowStream implements pg.Submittable, AsyncIterable<Buffer[]> {
  readonly #text: string;
  readonly #row: number;
  #socket: Duplex | null = null;
  #parser: Listener | null = null;
  /** Whole messages, not yet taken. */
  #ready: Buffer[] = [];
  #readyBytes = 0;
  /** The beginning of a message, and how many bytes it takes to know more of it: its head, then the whole. */
  #begun: Buffer[] = [];
  #begunBytes = 0;
  #neededBytes = headBytes;
  #ended = false;
  #failure: { readonly error: unknown } | null = null;
  #wake: (() => void) | null = null;

  constructor(text: string, row: keyof typeof rowMessages) {
    this.#text = text;
    this.#row = rowMessages[row];
  }

  /** Called by the driver once the connection is free. The extended protocol takes one statement alone, whatever the text of a user's query holds. */
  submit(connection: pg.Connection): void {
    const socket = connection.stream;
    const [parser, ...others] = socket.listeners('data') as Listener[];
    if (parser === undefined || others.length > 0)
      throw new SyncError('INTERNAL', 'The driver of PostgreSQL does not read its socket as this version knows it.');
    this.#socket = socket;
    this.#parser = parser;
    socket.off('data', parser);
    socket.on('data', this.#receive);
    connection.parse({ name: '', text: this.#text, types: [] }, true);
    connection.bind({}, true);
    connection.execute({}, true);
    connection.sync();
  }

  handleError(error: unknown): void {
    this.#fail(error);
  }

  handleCommandComplete(): void {}

  handleReadyForQuery(): void {
    this.#ended = true;
    this.#signal();
  }

  /** What has arrived since the last turn: each buffer holds whole messages of one row each. Throws the server's error, or what `abort` was given. The buffers are the caller's. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer[]> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure.error;
      if (this.#ready.length > 0) {
        const ready = this.#ready;
        this.#ready = [];
        this.#readyBytes = 0;
        if (this.#socket?.isPaused() === true) this.#socket.resume();
        yield ready;
      } else if (this.#ended) return;
      else
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
    }
  }

  /** Ends the iteration. The connection is still in the middle of the statement: it has to be given up. */
  abort(reason: unknown): void {
    this.#fail(reason);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#signal();
  }

  #signal(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  readonly #receive = (data: Buffer): void => {
    let at = 0;
    while (this.#begunBytes > 0 && at < data.length) {
      const part = data.subarray(at, at + this.#neededBytes - this.#begunBytes);
      this.#begun.push(part);
      this.#begunBytes += part.length;
      at += part.length;
      if (this.#begunBytes === this.#neededBytes) this.#resumeMessage();
    }
    this.#messages(data, at);
  };

  /** The message that began in an earlier piece: its head is there, or all of it. A row of many megabytes is put together once. */
  #resumeMessage(): void {
    const message = Buffer.concat(this.#begun);
    const size = messageSize(message, 0);
    if (message.length < size) {
      this.#begun = [message];
      this.#neededBytes = size;
      return;
    }
    this.#begun = [];
    this.#begunBytes = 0;
    this.#messages(message, 0);
  }

  #messages(data: Buffer, from: number): void {
    const { length } = data;
    let start = from;
    let at = from;
    while (at + headBytes <= length) {
      const next = at + messageSize(data, at);
      if (next > length) break;
      if (data[at] !== this.#row) {
        this.#take(data, start, at);
        start = next;
        if (data[at] === readyForQuery) {
          this.#giveBack(data.subarray(at));
          return;
        }
        this.#parser?.(data.subarray(at, next));
      }
      at = next;
    }
    this.#take(data, start, at);
    if (at === length) return;
    this.#begun = [data.subarray(at)];
    this.#begunBytes = length - at;
    this.#neededBytes = this.#begunBytes < headBytes ? headBytes : messageSize(data, at);
  }

  #take(data: Buffer, start: number, end: number): void {
    if (end === start) return;
    this.#ready.push(start === 0 && end === data.length ? data : data.subarray(start, end));
    this.#readyBytes += end - start;
    if (this.#readyBytes > highWaterMark) this.#socket?.pause();
    this.#signal();
  }

  #giveBack(rest: Buffer): void {
    const parser = this.#parser;
    if (parser === null) return;
    this.#socket?.off('data', this.#receive);
    this.#socket?.on('data', parser);
    parser(rest);
  }
}

function messageSize(data: Buffer, at: number): number {
  return 1 + data.readInt32BE(at + 1);
}
