/** Takes rows over in bulk: LOAD DATA LOCAL where the server allows it, INSERT of many rows where it does not. */
import { Readable } from 'node:stream';
import type mysql from 'mysql2';
import { SyncError } from '../../errors.ts';
import type { Row } from '../../values/types.ts';
import { quote } from './dialect.ts';
import type { RowEncoder } from './encode.ts';
import { mysqlError, serverError } from './errors.ts';
import type { Outcome, Session } from './session.ts';

export interface LoadTarget {
  /** Quoted, qualified. */
  readonly into: string;
  /** For messages. */
  readonly table: string;
  /** A row of the same key takes the place of the one before. */
  readonly replace: boolean;
}

export interface Loader {
  /** Resolves when what the driver still holds is bounded. */
  write(rows: readonly Row[]): Promise<void>;
  /** Throws a row error where the server changed or skipped any of them: the transaction has to be rolled back then. */
  finish(): Promise<void>;
  /** Ends what is under way; the transaction has to be rolled back then. */
  abandon(): Promise<void>;
}

/** One packet; well below any max_allowed_packet. */
const pieceBytes = 1 << 17;
/** What may wait in the socket's buffer. */
const socketBytes = 1 << 19;

export function startLoad(session: Session, encoder: RowEncoder, target: LoadTarget): Loader {
  return session.server.localInfile ? new LoadData(session, encoder, target) : new MultiInsert(session, encoder, target);
}

class LoadData implements Loader {
  readonly #session: Session;
  readonly #encoder: RowEncoder;
  readonly #target: LoadTarget;
  readonly #stream = new Readable({ read: () => undefined, highWaterMark: socketBytes });
  readonly #result: Promise<Outcome>;
  #failed = false;
  #settled = false;
  #wake = (): void => undefined;
  #rows = 0;

  constructor(session: Session, encoder: RowEncoder, target: LoadTarget) {
    this.#session = session;
    this.#encoder = encoder;
    this.#target = target;
    const sql = loadStatement(encoder, target);
    let forget = (): void => undefined;
    this.#result = new Promise((resolve, reject) => {
      const stream = (): Readable => this.#stream;
      session.connection.query({ sql, infileStreamFactory: stream } as mysql.QueryOptions, (error, result) => {
        if (error !== null) {
          session.note(error);
          reject(error);
        } else {
          const header = result as mysql.ResultSetHeader;
          resolve({ rows: [], fields: [], affectedRows: header.affectedRows, warnings: header.warningStatus });
        }
      });
      const lost = (): void => reject(new SyncError('CONNECTION_FAILED', `The connection to ${session.name} was lost.`, { retry: 'now' }));
      forget = session.whenGone(lost);
    });
    const settle = (failed: boolean): void => {
      forget();
      this.#failed = failed;
      this.#settled = true;
      this.#wake();
    };
    // A failure is seen by write and finish; until then it must not end the process
    this.#result.then(
      () => settle(false),
      () => settle(true),
    );
  }

  async write(rows: readonly Row[]): Promise<void> {
    for (const data of this.#encoder.encode(rows)) await this.#send(data);
    this.#rows += rows.length;
  }

  async finish(): Promise<void> {
    await this.#send(this.#encoder.take());
    this.#stream.push(null);
    const { affectedRows, warnings } = await this.#result;
    if (warnings > 0) throw await warningError(this.#session, this.#target.table);
    const complete = this.#target.replace ? affectedRows >= this.#rows : affectedRows === this.#rows;
    if (!complete)
      throw new SyncError(
        'ROWS_UNACCOUNTED',
        `${this.#target.table} took ${affectedRows} rows of the ${this.#rows} that were loaded: the batch is rolled back.`,
        {
          table: this.#target.table,
        },
      );
  }

  async abandon(): Promise<void> {
    this.#stream.push(null);
    await this.#result.catch(() => undefined);
  }

  async #send(data: Buffer): Promise<void> {
    const { socket } = this.#session;
    for (const piece of pieces(data)) {
      // The result of a load that has failed already is its error
      if (this.#failed) await this.#result;
      this.#stream.push(piece);
      if (this.#stream.readableLength + socket.writableLength > socketBytes) await this.#drained();
    }
  }

  /** The driver passes pieces on without looking at the socket: the socket's buffer is the only measure of what the server has taken. */
  async #drained(): Promise<void> {
    const { socket } = this.#session;
    while (!this.#settled && (this.#stream.readableLength > 0 || socket.writableLength > socketBytes)) {
      // No race with the result: each one would leave a reaction on it until the load ends
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      if (socket.writableLength > 0) socket.once('drain', resolve);
      else setImmediate(resolve);
      await promise;
      socket.off('drain', resolve);
    }
  }
}

function* pieces(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += pieceBytes) yield data.subarray(at, at + pieceBytes);
}

function loadStatement(encoder: RowEncoder, { into, replace }: LoadTarget): string {
  const set: string[] = [];
  const columns = encoder.columns.map(({ name, loading }, i) => {
    if (loading === 'direct') return quote(name);
    set.push(`${quote(name)} = ${loading === 'base64' ? `FROM_BASE64(@idra${i})` : `CAST(@idra${i} AS UNSIGNED)`}`);
    return `@idra${i}`;
  });
  return (
    `LOAD DATA LOCAL INFILE 'idra' ${replace ? 'REPLACE ' : ''}INTO TABLE ${into} CHARACTER SET utf8mb4 ` +
    `FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' (${columns.join(', ')})${set.length === 0 ? '' : ` SET ${set.join(', ')}`}`
  );
}

/**
 * LOAD DATA LOCAL turns errors into warnings and goes on (as with IGNORE), and notes alone tell of digits that were dropped: whatever it says, the batch is refused.
 */
export async function warningError(session: Session, table: string): Promise<SyncError> {
  const rows = await session.query('SHOW WARNINGS LIMIT 100');
  const warnings = rows.map(([level, number, message]) => ({ level, number: Number(number), message: message ?? '' }));
  // The consequence of a failed check (a JSON text that is none) stands behind its note
  const worst = warnings.find(({ level }) => level !== 'Note') ?? warnings[0];
  if (worst === undefined) return new SyncError('INTERNAL', `Writing ${table} gave warnings that the server no longer tells.`, { table });
  const row = / at row ([0-9]+)$/.exec(worst.message)?.[1];
  const column = / column '([^']+)'/.exec(worst.message)?.[1];
  const place = { table, ...(row === undefined ? {} : { key: `row ${row} of the load` }), ...(column === undefined ? {} : { column }) };
  const where = `${table}${column === undefined ? '' : `.${column}`}${row === undefined ? '' : `, row ${row} of the load,`}`;
  const error = serverError(worst, { doing: `Writing ${where}`, rows: true, ...place });
  return error.code === 'INTERNAL' ? new SyncError('ROW_REJECTED', error.message, place) : error;
}

class MultiInsert implements Loader {
  readonly #session: Session;
  readonly #encoder: RowEncoder;
  readonly #target: LoadTarget;
  readonly #head: string;
  readonly #limit: number;
  #tuples: string[] = [];
  #length = 0;

  constructor(session: Session, encoder: RowEncoder, target: LoadTarget) {
    this.#session = session;
    this.#encoder = encoder;
    this.#target = target;
    this.#head = `${target.replace ? 'REPLACE' : 'INSERT'} INTO ${target.into} (${encoder.columns.map(({ name }) => quote(name)).join(', ')}) VALUES `;
    // UTF-8 has at most three bytes for each UTF-16 unit
    this.#limit = Math.min(1 << 19, Math.floor(session.server.maxAllowedPacket / 4));
  }

  async write(rows: readonly Row[]): Promise<void> {
    for (const row of rows) {
      const tuple = this.#encoder.tuple(row);
      if (this.#length + tuple.length > this.#limit) await this.#flush();
      this.#tuples.push(tuple);
      this.#length += tuple.length + 1;
    }
  }

  async finish(): Promise<void> {
    await this.#flush();
  }

  async abandon(): Promise<void> {
    this.#tuples = [];
    this.#length = 0;
  }

  async #flush(): Promise<void> {
    const count = this.#tuples.length;
    if (count === 0) return;
    const sql = this.#head + this.#tuples.join(',');
    await this.abandon();
    const { table, replace } = this.#target;
    try {
      const { affectedRows, warnings } = await this.#session.run(sql);
      if (warnings > 0) throw await warningError(this.#session, table);
      if (replace ? affectedRows < count : affectedRows !== count)
        throw new SyncError('ROWS_UNACCOUNTED', `${table} took ${affectedRows} rows of the ${count} that were inserted.`, { table });
    } catch (error) {
      throw mysqlError(error, { doing: `Writing ${table}`, table, rows: true, lost: this.#session.lost });
    }
  }
}

/** For `attempt`: rows one statement at a time, whose errors leave the transaction usable. */
export function startInsert(session: Session, encoder: RowEncoder, target: LoadTarget): Loader {
  return new MultiInsert(session, encoder, target);
}
