/** Rows of one statement as they come off the socket, in small pieces, with the server held back while the piece is being used. */
import { SyncError } from '../../errors.ts';
import type { Row } from '../../values/types.ts';
import { parseRows } from './row-parser.ts';
import type { Session } from './session.ts';
import type { MysqlColumn } from './types.ts';

export interface Piece {
  readonly rows: Row[];
  /** Of the rows on the wire. */
  readonly bytes: number;
}

/** What a piece holds at most: it lives only as long as a socket's chunk, so that the garbage collector never moves it. */
const pieceBytes = 1 << 17;

/** Throws the driver's error, or the signal's reason. Leaving early ends the connection: what is under way cannot be stopped otherwise. */
export async function* readRows(
  session: Session,
  statement: { readonly sql: string; readonly columns: readonly MysqlColumn[]; readonly maxRows: number; readonly maxBytes: number },
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  const { sql, columns, maxRows } = statement;
  const maxBytes = Math.min(statement.maxBytes, pieceBytes);
  const ready: Piece[] = [];
  let rows: Row[] = [];
  let bytes = 0;
  let done = false;
  let failure: unknown;
  let wake = (): void => undefined;
  const cut = (): void => {
    if (rows.length === 0) return;
    ready.push({ rows, bytes });
    rows = [];
    bytes = 0;
    session.connection.pause();
    wake();
  };
  const finish = (error?: unknown): void => {
    failure ??= error;
    done = true;
    wake();
  };

  const query = session.connection.query({ sql, rowsAsArray: true });
  let parsed = false;
  parseRows(query, columns, (size) => {
    parsed = true;
    if (bytes > 0 && bytes + size > maxBytes) cut();
    bytes += size;
  });
  query.on('result', (row: unknown) => {
    // A driver that went past the parser would have converted the values in its own, lossy way
    if (!parsed)
      return finish(new SyncError('INTERNAL', 'The MySQL driver did not use the row parser that it was given: this release of Idra does not fit its version.'));
    parsed = false;
    rows.push(row as Row);
    if (rows.length >= maxRows || bytes >= maxBytes) cut();
  });
  query.on('error', finish);
  query.on('end', () => {
    cut();
    finish();
  });
  const forget = session.whenGone(() => finish(new Error('the connection was lost')));
  const abort = (): void => finish(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
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
      session.connection.resume();
      if (ready.length === 0 && !done) await woken;
    }
    if (failure !== undefined) throw failure;
  } finally {
    forget();
    signal.removeEventListener('abort', abort);
    if (done && failure === undefined) session.connection.resume();
    else session.destroy();
  }
}
