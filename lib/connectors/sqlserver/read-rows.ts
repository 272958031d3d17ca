/** Rows of one statement as they come off the socket, in small pieces, with the server held back while the piece is being used. */
import tedious from 'tedious';
import type { Row, Value } from '../../values/types.ts';
import { addParameters, type Cell, type Session } from './session.ts';
import { fromDriver, type SqlserverColumn } from './types.ts';

export interface Piece {
  readonly rows: Row[];
  /** Of the values, about as many as on the wire. */
  readonly bytes: number;
}

export interface Reading {
  readonly sql: string;
  readonly params: readonly Value[];
  readonly columns: readonly SqlserverColumn[];
  readonly maxRows: number;
  readonly maxBytes: number;
}

/** What a piece holds at most: it lives only as long as a socket's chunk, so that the garbage collector never moves it. */
const pieceBytes = 1 << 17;

/** Throws the driver's error, or the signal's reason. Leaving early ends the connection: what is under way cannot be stopped otherwise. */
export async function* readRows(session: Session, reading: Reading, signal: AbortSignal): AsyncGenerator<Piece> {
  const { maxRows } = reading;
  const maxBytes = Math.min(reading.maxBytes, pieceBytes);
  const canonical = reading.columns.map(({ facts }) => fromDriver(facts));
  const ready: Piece[] = [];
  let rows: Row[] = [];
  let bytes = 0;
  let done = false;
  let failure: unknown;
  let wake = (): void => undefined;
  const finish = (error?: unknown): void => {
    failure ??= error;
    done = true;
    wake();
  };
  const cut = (): void => {
    if (rows.length === 0) return;
    ready.push({ rows, bytes });
    rows = [];
    bytes = 0;
  };
  const request = new tedious.Request(reading.sql, (error) => {
    cut();
    finish(error ?? undefined);
  });
  addParameters(request, reading.params);
  request.on('row', (cells: readonly { value: Cell }[]) => {
    const row: Row = [];
    let size = 0;
    for (let i = 0; i < cells.length; i++) {
      const value = cells[i]?.value ?? null;
      const convert = canonical[i];
      row.push(value === null || convert === undefined ? value : convert(value));
      size += typeof value === 'string' ? value.length * 2 : Buffer.isBuffer(value) ? value.length : 8;
    }
    if (bytes > 0 && bytes + size > maxBytes) cut();
    rows.push(row);
    bytes += size;
    if (rows.length >= maxRows || bytes >= maxBytes) cut();
    if (ready.length === 0) return;
    request.pause();
    wake();
  });
  void session.gone.then(() => finish(new Error('the connection was lost')));
  const abort = (): void => finish(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  session.connection.execSql(request);
  try {
    for (;;) {
      signal.throwIfAborted();
      const piece = ready.shift();
      if (piece !== undefined) {
        yield piece;
        continue;
      }
      if (done) break;
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      request.resume();
      if (ready.length === 0 && !done) await woken;
    }
    if (failure !== undefined) throw failure;
  } finally {
    signal.removeEventListener('abort', abort);
    if (!done || failure !== undefined) session.destroy();
  }
}
