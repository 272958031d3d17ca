/** One session of a writer with the batch that it is taking in. */
import { SyncError } from '../../errors.ts';
import { unrepresentable } from '../../values/fits.ts';
import { type DeleteMode, Operation, type RowChunk } from '../connector.ts';
import type { Statement } from '../sql/dialect.ts';
import type { RowEncoder } from './encode.ts';
import { errorNumber } from './errors.ts';
import type { Session } from './session.ts';
import { batchTable, type Sink } from './sink.ts';
import type { ReadyTable } from './target.ts';

/** What is gathered before it is sent: two round trips each. */
const loadBytes = 1 << 20;
const loadRows = 5000;

export interface LaneWork {
  readonly table: ReadyTable;
  readonly sink: Sink;
  readonly deletes: DeleteMode;
}

export interface Commit {
  /** Changes the state row, by which it is locked: anything but one row, and the batch is not ours to write. */
  readonly advance: Statement;
  /** Dead letters. */
  readonly others: readonly Statement[];
  readonly final: boolean;
}

export class Lane {
  readonly session: Session;
  readonly #encoder: RowEncoder;
  readonly #work: LaneWork;
  #rows: unknown[][] = [];
  #bytes = 0;
  /** The batch's table has rows that are not in the target yet. */
  #loaded = false;
  #deletes = false;
  /** A transaction stands open from one request to the next: only while rows are being set aside. */
  #open = false;
  #written = 0;
  #deleted = 0;

  constructor(session: Session, encoder: RowEncoder, work: LaneWork) {
    this.session = session;
    this.#encoder = encoder;
    this.#work = work;
  }

  /** Rows of the open batch. */
  counted(): { readonly written: number; readonly deleted: number } {
    return { written: this.#written, deleted: this.#deleted };
  }

  async write(chunk: RowChunk): Promise<void> {
    this.#take(chunk);
    if (this.#bytes >= loadBytes || this.#rows.length >= loadRows) await this.#load();
  }

  /** All of the chunk or nothing; earlier rows of the batch stay. */
  async attempt(chunk: RowChunk): Promise<void> {
    if (!this.#open) {
      // A row that is refused ends its statement alone
      await this.session.batch('SET XACT_ABORT OFF; BEGIN TRANSACTION');
      this.#open = true;
    }
    await this.#apply();
    const { written, deleted } = this.counted();
    await this.session.batch('SAVE TRANSACTION idra_attempt');
    try {
      this.#take(chunk);
      await this.#apply();
    } catch (error) {
      this.#rows = [];
      this.#bytes = 0;
      this.#loaded = false;
      this.#deletes = false;
      this.#written = written;
      this.#deleted = deleted;
      if (this.session.lost) throw error;
      const [state] = await this.session.query('SELECT XACT_STATE()');
      if (String(state?.[0]) !== '1') throw this.#ended(error);
      await this.session.batch('ROLLBACK TRANSACTION idra_attempt');
      throw error;
    }
  }

  /**
   * Rows, state and dead letters in one transaction. False: the state row was not ours, and nothing was written. In one request, so that a client that freezes
   * holds no lock: the server goes on to the end by itself.
   */
  async commit({ advance, others, final }: Commit): Promise<boolean> {
    await this.#load();
    if (this.#open || others.length > 0) return this.#commitStepwise({ advance, others, final });
    await this.#checkCoded();
    const statements = [...this.#merge(), ...(final ? this.#work.sink.final : [])];
    const { rows } = await this.session.run(
      `BEGIN TRANSACTION; ${advance.sql}; IF @@ROWCOUNT <> 1 BEGIN ROLLBACK TRANSACTION; SELECT 0; END ` +
        `ELSE BEGIN ${statements.map((sql) => `${sql}; `).join('')}COMMIT TRANSACTION; SELECT 1; END`,
      advance.params,
    );
    // A trigger may have answered with rows of its own before
    if (String(rows.at(-1)?.[0]) !== '1') return false;
    this.#reset();
    return true;
  }

  async rollback(): Promise<void> {
    const open = this.#open;
    const dirty = this.#loaded || open;
    this.#reset();
    if (this.session.lost) return;
    if (open) await this.session.batch('IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION; SET XACT_ABORT ON');
    if (dirty) await this.session.batch(`TRUNCATE TABLE ${batchTable}`);
  }

  async #commitStepwise({ advance, others, final }: Commit): Promise<boolean> {
    if (!this.#open) await this.session.batch('BEGIN TRANSACTION');
    this.#open = true;
    await this.#apply();
    if (final) for (const sql of this.#work.sink.final) await this.session.batch(sql);
    for (const { sql, params } of others) await this.session.run(sql, params);
    if ((await this.session.run(advance.sql, advance.params)).rowCount !== 1) return false;
    await this.session.batch('COMMIT TRANSACTION; SET XACT_ABORT ON');
    this.#reset();
    return true;
  }

  #reset(): void {
    this.#rows = [];
    this.#bytes = 0;
    this.#loaded = false;
    this.#deletes = false;
    this.#open = false;
    this.#written = 0;
    this.#deleted = 0;
    this.#encoder.startBatch();
  }

  #take({ rows, operations, bytes }: RowChunk): void {
    const { table, deletes } = this.#work;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] ?? [];
      if (operations?.[i] !== Operation.delete) {
        this.#rows.push(this.#encoder.encode(row, Operation.insert));
        this.#written++;
        continue;
      }
      this.#deleted++;
      if (deletes === 'ignore') continue;
      if (table.incoming.key.length === 0)
        throw new SyncError('KEY_REQUIRED', `Deletes in ${table.name} need a key: name it in the definition (key).`, { table: table.name });
      this.#rows.push(this.#encoder.encodeDelete(row));
      this.#deletes = true;
    }
    this.#bytes += bytes;
  }

  async #load(): Promise<void> {
    const rows = this.#rows;
    if (rows.length === 0) return;
    this.#rows = [];
    this.#bytes = 0;
    this.#loaded = true;
    const { sink, table } = this.#work;
    const count = await this.session.bulk(batchTable, sink.bulk, rows);
    if (count !== rows.length)
      throw new SyncError('ROWS_UNACCOUNTED', `The server took ${count} of ${rows.length} rows for ${table.name}.`, { table: table.name });
  }

  /** What is gathered and loaded is in the target. In an open transaction. */
  async #apply(): Promise<void> {
    await this.#load();
    await this.#checkCoded();
    for (const sql of this.#merge()) await this.session.batch(sql);
    this.#loaded = false;
    this.#deletes = false;
  }

  #merge(): readonly string[] {
    return this.#loaded ? [...this.#work.sink.merge(this.#deletes), `TRUNCATE TABLE ${batchTable}`] : [];
  }

  async #checkCoded(): Promise<void> {
    const { sink, table } = this.#work;
    if (!this.#loaded || !this.#encoder.coded || sink.codedCheck === null) return;
    const [found] = await this.session.texts(sink.codedCheck);
    if (found === undefined) return;
    const column = sink.columns[Number(found.at(-1))];
    const key = found.length === 1 ? 'unknown (no key)' : found.slice(0, -1).join(', ');
    throw unrepresentable('has characters that the code page of the column lacks, or more bytes there than the column has, or fewer than it would pad', {
      table: table.name,
      column: column?.name ?? '',
      key,
      type: column?.declared ?? '',
    });
  }

  /** The rows of the batch that stood before are gone as well: whoever goes on as if they were there would lose them. */
  #ended(cause: unknown): SyncError {
    const number = errorNumber(cause);
    const conflict = number === 1205 || number === 1222;
    return new SyncError(
      conflict ? 'CONFLICT' : 'INTERNAL',
      `The server ended the whole transaction on ${this.#work.table.name} while rows were being tried one by one${number === undefined ? '' : ` [error ${number}]`}.`,
      { table: this.#work.table.name, retry: conflict ? 'now' : 'never' },
    );
  }
}
