/** Rows of one statement as they come off the socket, in small pieces, with the server held back while the piece is being used. */
import type mysql from 'mysql2';
import type { Row, Value } from '../../values/types.ts';
import type { Session, TypeCast } from './session.ts';
import type { MysqlColumn } from './types.ts';

export interface Piece {
  readonly rows: Row[];
  /** Text of the rows, in characters. */
  readonly bytes: number;
}

/** What a piece holds at most: it lives only as long as a socket's chunk, so that the garbage collector never moves it. */
const pieceBytes = 1 << 17;

type Convert = (value: string) => Value;

function converterFor(column: MysqlColumn): Convert | undefined {
  switch (column.type.kind) {
    case 'boolean':
      return (value) => value !== '0';
    case 'timestamp':
      // The session is in UTC. A zero date is no moment, and has no zone
      return column.type.zoned ? (value) => (value.startsWith('0000-00-00') ? value : `${value}+00:00`) : undefined;
    default:
      return undefined;
  }
}

/** Throws the driver's error, or the signal's reason. Leaving early ends the connection: what is under way cannot be stopped otherwise. */
export async function* readRows(
  session: Session,
  statement: { readonly sql: string; readonly columns: readonly MysqlColumn[]; readonly maxRows: number; readonly maxBytes: number },
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  const { sql, columns, maxRows } = statement;
  const maxBytes = Math.min(statement.maxBytes, pieceBytes);
  const bytesColumns = new Set(columns.filter(({ type }) => type.kind === 'bytes').map(({ name }) => name));
  const converters = columns.map(converterFor);
  const converted = converters.flatMap((convert, i) => (convert === undefined ? [] : [{ convert, i }]));
  const cast: TypeCast = (field) => (bytesColumns.has(field.name) ? field.buffer() : field.string(field.type === 'JSON' ? 'utf8' : undefined));

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

  const query = session.connection.query({ sql, rowsAsArray: true, typeCast: cast as mysql.TypeCast });
  query.on('result', (result: unknown) => {
    const row = result as Row;
    let size = 0;
    for (let i = 0; i < row.length; i++) {
      const value = row[i];
      size += typeof value === 'string' || value instanceof Uint8Array ? value.length + 1 : 1;
    }
    for (const { convert, i } of converted) {
      const value = row[i];
      if (typeof value === 'string') row[i] = convert(value);
    }
    if (bytes > 0 && bytes + size > maxBytes) cut();
    rows.push(row);
    bytes += size;
    if (rows.length >= maxRows || bytes >= maxBytes) cut();
  });
  query.on('error', finish);
  query.on('end', () => {
    cut();
    finish();
  });
  void session.gone.then(() => finish(new Error('the connection was lost')));
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
    signal.removeEventListener('abort', abort);
    if (done && failure === undefined) session.connection.resume();
    else session.destroy();
  }
}
