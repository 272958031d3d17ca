/** One connection of a writer with the batch that is open on it. */
import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import type { Row } from '../../values/types.ts';
import { type DeleteMode, Operation, type RowChunk } from '../connector.ts';
import type { Statement } from '../sql/dialect.ts';
import { mysqlDialect, quote } from './dialect.ts';
import type { RowEncoder } from './encode.ts';
import { mysqlError } from './errors.ts';
import { type Loader, startInsert, startLoad, warningError } from './load.ts';
import type { Session } from './session.ts';
import type { Sink } from './sink.ts';
import type { ReadyTable } from './target.ts';
import { UncheckedLoad } from './unchecked-load.ts';

/** Rows named in one DELETE or UPDATE. */
const deleteRows = 500;

export interface LaneWork {
  readonly table: ReadyTable;
  readonly sink: Sink;
  readonly deletes: DeleteMode;
}

export class Lane {
  readonly session: Session;
  readonly #encoder: RowEncoder;
  readonly #work: LaneWork;
  #loader: Loader | null = null;
  #open = false;
  written = 0;
  deleted = 0;

  constructor(session: Session, encoder: RowEncoder, work: LaneWork) {
    this.session = session;
    this.#encoder = encoder;
    this.#work = work;
  }

  /** A batch is on it. */
  get isOpen(): boolean {
    return this.#open;
  }

  async begin(): Promise<void> {
    if (this.#open) return;
    this.#open = true;
    this.#encoder.startBatch();
    await this.session.query('START TRANSACTION');
  }

  async write(chunk: RowChunk): Promise<void> {
    await this.#apply(chunk, () => this.#loading(startLoad));
  }

  /** All of the chunk or nothing; earlier rows of the batch stay. */
  async attempt(chunk: RowChunk): Promise<void> {
    await this.flush();
    const { written, deleted } = this;
    await this.session.query('SAVEPOINT idra');
    try {
      await this.#apply(chunk, () => this.#loading(startInsert));
      await this.flush();
      await this.session.query('RELEASE SAVEPOINT idra');
    } catch (error) {
      const loader = this.#loader;
      this.#loader = null;
      if (!this.session.lost) await loader?.abandon();
      this.written = written;
      this.deleted = deleted;
      // After a deadlock there is no savepoint left: the whole transaction is gone, and its error is thrown
      const passing = mysqlError(error, { doing: 'Writing' }).retry !== 'never';
      if (!this.session.lost) {
        await this.session.query('ROLLBACK TO SAVEPOINT idra').catch((failure: unknown) => {
          // The error of a row would say that all but this chunk is still there
          if (!passing) throw failure;
        });
      }
      throw error;
    }
  }

  /** Everything written so far is in the target (or in the stage of a replace), checked. */
  async flush(): Promise<void> {
    const loader = this.#loader;
    if (loader === null) return;
    this.#loader = null;
    await loader.finish();
    for (const sql of this.#work.sink.merge) await this.run({ sql, params: [] });
  }

  /** Rows that it changed. Throws where it changed any of them silently. */
  async run({ sql, params }: Statement): Promise<number> {
    const { affectedRows, warnings } = await this.session.run(sql, params);
    if (warnings > 0) throw await warningError(this.session, this.#work.table.name);
    return affectedRows;
  }

  async commit(): Promise<void> {
    await this.session.query('COMMIT');
    this.#reset();
  }

  async rollback(): Promise<void> {
    const loader = this.#loader;
    const open = this.#open;
    this.#reset();
    if (this.session.lost) return;
    await loader?.abandon();
    if (open && !this.session.lost) await this.session.query('ROLLBACK');
  }

  #reset(): void {
    this.#loader = null;
    this.#open = false;
    this.written = 0;
    this.deleted = 0;
  }

  /** The load that is under way, or a new one. */
  #loading(start: typeof startLoad): Loader {
    const { sink, table } = this.#work;
    const begin = (): Loader => start(this.session, this.#encoder, { into: sink.into, replace: sink.replace, table: table.name });
    this.#loader ??= sink.direct && sink.replace ? new UncheckedLoad(this.session, begin) : begin();
    return this.#loader;
  }

  /** Runs of rows and runs of deletes in their order. */
  async #apply({ rows, operations }: RowChunk, loader: () => Loader): Promise<void> {
    if (operations === undefined || !operations.includes(Operation.delete)) {
      await loader().write(rows);
      this.written += rows.length;
      return;
    }
    for (let from = 0; from < rows.length; ) {
      const isDelete = operations[from] === Operation.delete;
      let to = from + 1;
      while (to < rows.length && (operations[to] === Operation.delete) === isDelete) to++;
      const part = rows.slice(from, to);
      from = to;
      if (isDelete) {
        await this.flush();
        await this.#delete(part);
        this.deleted += part.length;
      } else {
        await loader().write(part);
        this.written += part.length;
      }
    }
  }

  async #delete(rows: readonly Row[]): Promise<void> {
    const { table, deletes } = this.#work;
    if (deletes === 'ignore') return;
    const { key } = table.incoming;
    if (key.length === 0) throw new SyncError('KEY_REQUIRED', `Deletes in ${table.name} need a key: name it in the definition (key).`, { table: table.name });
    const indexes = key.map((name) => table.incoming.columns.findIndex((column) => column.name === name));
    const verb = deletes === 'soft' ? `UPDATE ${table.into} SET ${quote(table.marker ?? '')} = UTC_TIMESTAMP(6)` : `DELETE FROM ${table.into}`;
    for (let at = 0; at < rows.length; at += deleteRows) {
      const tuples = rows.slice(at, at + deleteRows).map((row) => `(${indexes.map((i) => this.#keyLiteral(row, i)).join(',')})`);
      await this.run({ sql: `${verb} WHERE (${key.map(quote).join(', ')}) IN (${tuples.join(',')})`, params: [] });
    }
  }

  #keyLiteral(row: Row, index: number): string {
    const column = this.#work.table.columns[index];
    const writer = this.#encoder.columns[index];
    const value = row[index] ?? null;
    const reason = value === null ? 'is NULL' : (writer?.check(value) ?? null);
    if (column === undefined || writer === undefined || value === null || reason !== null)
      throw new SyncError('ROW_MALFORMED', `A delete in ${this.#work.table.name} has no usable key: the value of ${column?.name} ${reason}.`, {
        table: this.#work.table.name,
      });
    const text = writer.loading === 'bits' || column.type.kind === 'bytes' || column.type.kind === 'boolean' ? toText(value, column.type) : writer.text(value);
    return mysqlDialect.bind(text ?? '', column, []);
  }
}
