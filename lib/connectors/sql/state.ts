/**
 * `_idra_state` and `_idra_dead_letters`: the destination's own record of each sync, changed in the transactions that write the rows.
 * The statements are data: each connector runs them in its own transactions and counts the rows that they changed.
 */
import { SyncError } from '../../errors.ts';
import type { Value } from '../../values/types.ts';
import type { Batch, Claim, DeadLetter, DestinationState, StoredDeadLetter } from '../connector.ts';
import { type Dialect, qualified, type Statement } from './dialect.ts';
import { letterId } from './letter-id.ts';

export const stateTable = '_idra_state';
export const deadLetterTable = '_idra_dead_letters';

/** Collects values while a statement is written; numbers the placeholders in the order in which they stand in the text. */
function writer(dialect: Dialect): { params: Value[]; text(value: string | null): string; int(value: bigint): string } {
  const params: Value[] = [];
  return {
    params,
    text: (value) => dialect.placeholder(params.push(value), 'text'),
    int: (value) => dialect.placeholder(params.push(value), 'int64'),
  };
}

export class StateStatements {
  readonly #dialect: Dialect;
  readonly #state: string;
  readonly #letters: string;
  /** Run each; all are safe to run again. */
  readonly create: readonly string[];

  /** `schema`: where the two tables are kept, beside the target. */
  constructor(dialect: Dialect, schema?: string) {
    this.#dialect = dialect;
    this.#state = qualified(dialect, schema, stateTable);
    this.#letters = qualified(dialect, schema, deadLetterTable);
    const { name, text, long, int64, tableSuffix } = dialect.own;
    const q = (column: string): string => dialect.quote(column);
    const create = (table: string, definition: string): string =>
      dialect.createTable?.(table, definition) ?? `CREATE TABLE IF NOT EXISTS ${table} ${definition}`;
    this.create = [
      create(
        this.#state,
        `(${q('sync')} ${name} NOT NULL, ${q('shard')} ${name} NOT NULL, ${q('epoch')} ${int64} NOT NULL, ${q('fence')} ${int64} NOT NULL, ` +
          `${q('seq')} ${int64} NOT NULL, ${q('batch_id')} ${text}, ${q('cursor')} ${text}, ${q('at')} ${text} NOT NULL, PRIMARY KEY (${q('sync')}, ${q('shard')}))${tableSuffix}`,
      ),
      create(
        this.#letters,
        `(${q('id')} ${name} NOT NULL PRIMARY KEY, ${q('sync')} ${name} NOT NULL, ${q('place')} ${text} NOT NULL, ${q('code')} ${text} NOT NULL, ` +
          `${q('reason')} ${text} NOT NULL, ${q('row')} ${long} NOT NULL, ${q('kind')} ${text} NOT NULL, ${q('at')} ${text} NOT NULL)${tableSuffix}`,
      ),
    ];
  }

  /** Columns: epoch, fence, seq, batch_id, cursor. No row: never claimed. See `readState`. */
  select(sync: string, shard: string): Statement {
    const w = writer(this.#dialect);
    const q = (column: string): string => this.#dialect.quote(column);
    const sql = `SELECT ${q('epoch')}, ${q('fence')}, ${q('seq')}, ${q('batch_id')}, ${q('cursor')} FROM ${this.#state} WHERE ${this.#is(w, sync, shard)}`;
    return { sql, params: w.params };
  }

  /** First step of a claim: the row has to be there. Changes nothing where it is. */
  ensure(sync: string, shard: string): Statement {
    const w = writer(this.#dialect);
    const { verb, suffix } = this.#dialect.insertIgnore;
    const columns = ['sync', 'shard', 'epoch', 'fence', 'seq', 'at'].map((column) => this.#dialect.quote(column)).join(', ');
    const sql = `${verb} INTO ${this.#state} (${columns}) VALUES (${w.text(sync)}, ${w.text(shard)}, 0, 0, 0, ${this.#dialect.nowIso})${suffix}`;
    return { sql, params: w.params };
  }

  /**
   * Second step, in the same transaction: waits for the row lock of a zombie's open transaction. No row matched: a newer holder has claimed, throw `fencedError`.
   * A holder may claim again with its own fence (after a schema change). Databases that count only rows whose values differ must ask for matched rows.
   */
  claim(claim: Claim): Statement {
    const w = writer(this.#dialect);
    const q = (column: string): string => this.#dialect.quote(column);
    let sql = `UPDATE ${this.#state} SET ${q('epoch')} = ${w.int(claim.epoch)}, ${q('fence')} = ${w.int(claim.fence)} WHERE ${this.#is(w, claim.sync, claim.shard)}`;
    if (claim.enforced)
      sql += ` AND (${q('epoch')} < ${w.int(claim.epoch)} OR (${q('epoch')} = ${w.int(claim.epoch)} AND ${q('fence')} <= ${w.int(claim.fence)}))`;
    return { sql, params: w.params };
  }

  /** In the transaction of the rows. Anything but one row changed: roll back and throw `fencedError`. */
  advance(claim: Claim, seq: bigint, batch: Batch): Statement {
    const w = writer(this.#dialect);
    const q = (column: string): string => this.#dialect.quote(column);
    let sql =
      `UPDATE ${this.#state} SET ${q('seq')} = ${w.int(seq + 1n)}, ${q('batch_id')} = ${w.text(batch.batchId)}, ${q('cursor')} = ${w.text(batch.cursor)}, ` +
      `${q('at')} = ${this.#dialect.nowIso} WHERE ${this.#is(w, claim.sync, claim.shard)}`;
    if (claim.enforced) sql += ` AND ${q('epoch')} = ${w.int(claim.epoch)} AND ${q('fence')} = ${w.int(claim.fence)} AND ${q('seq')} = ${w.int(seq)}`;
    return { sql, params: w.params };
  }

  /** First in the transaction of a `clear`: the sync begins anew, and its fence stays so that a zombie is still refused. No row changed: a newer holder has claimed, throw `fencedError`. */
  forget(claim: Claim): Statement {
    const w = writer(this.#dialect);
    const q = (column: string): string => this.#dialect.quote(column);
    const sql = `UPDATE ${this.#state} SET ${q('seq')} = 0, ${q('batch_id')} = NULL, ${q('cursor')} = NULL WHERE ${this.#is(w, claim.sync, claim.shard)}`;
    return { sql: sql + this.#held(w, claim), params: w.params };
  }

  /** The position is gone (what was staged had to be made anew), and the sync reads from its beginning; `seq` goes on. No row changed: a newer holder has claimed, throw `fencedError`. */
  forgetCursor(claim: Claim): Statement {
    const w = writer(this.#dialect);
    const q = (column: string): string => this.#dialect.quote(column);
    const sql = `UPDATE ${this.#state} SET ${q('cursor')} = NULL WHERE ${this.#is(w, claim.sync, claim.shard)}`;
    return { sql: sql + this.#held(w, claim), params: w.params };
  }

  insertDeadLetter(sync: string, letter: DeadLetter): Statement {
    const w = writer(this.#dialect);
    const columns = ['id', 'sync', 'place', 'code', 'reason', 'row', 'kind', 'at'].map((column) => this.#dialect.quote(column)).join(', ');
    const values = [
      letterId(),
      sync,
      storable(letter.place),
      letter.code,
      storable(letter.reason),
      letter.kind === 'raw' ? JSON.stringify(letter.row) : letter.row,
      letter.kind,
    ];
    const sql = `INSERT INTO ${this.#letters} (${columns}) VALUES (${values.map((value) => w.text(value)).join(', ')}, ${this.#dialect.nowIso})`;
    return { sql, params: w.params };
  }

  /** Columns: id, sync, place, code, reason, row, kind, at. See `readDeadLetter`. */
  selectDeadLetters(sync: string): Statement {
    const w = writer(this.#dialect);
    const columns = ['id', 'sync', 'place', 'code', 'reason', 'row', 'kind', 'at'].map((column) => this.#dialect.quote(column)).join(', ');
    const sql = `SELECT ${columns} FROM ${this.#letters} WHERE ${this.#dialect.quote('sync')} = ${w.text(sync)} ORDER BY ${this.#dialect.quote('at')}, ${this.#dialect.quote('id')}`;
    return { sql, params: w.params };
  }

  deleteDeadLetter(sync: string, id: string): Statement {
    const w = writer(this.#dialect);
    const sql = `DELETE FROM ${this.#letters} WHERE ${this.#dialect.quote('id')} = ${w.text(id)} AND ${this.#dialect.quote('sync')} = ${w.text(sync)}`;
    return { sql, params: w.params };
  }

  #held(w: ReturnType<typeof writer>, { epoch, fence, enforced }: Claim): string {
    return enforced ? ` AND ${this.#dialect.quote('epoch')} = ${w.int(epoch)} AND ${this.#dialect.quote('fence')} = ${w.int(fence)}` : '';
  }

  #is(w: ReturnType<typeof writer>, sync: string, shard: string): string {
    return `${this.#dialect.quote('sync')} = ${w.text(sync)} AND ${this.#dialect.quote('shard')} = ${w.text(shard)}`;
  }
}

/** A row of `select`, as text, bigint or number. */
export function readState(row: readonly unknown[]): DestinationState {
  const [epoch, fence, seq, batchId, cursor] = row;
  const int = (value: unknown): bigint => BigInt(String(value));
  const text = (value: unknown): string | null => (value === null || value === undefined ? null : String(value));
  return { epoch: int(epoch), fence: int(fence), seq: int(seq), batchId: text(batchId), cursor: text(cursor) };
}

/** A row of `selectDeadLetters`. */
export function readDeadLetter(row: readonly unknown[]): StoredDeadLetter {
  const [id = '', sync = '', place = '', code = '', reason = '', stored = '', kind = '', at = ''] = row.map(String);
  return kind === 'raw'
    ? { id, sync, place, code, reason, row: JSON.parse(stored), kind, at }
    : { id, sync, place, code, reason, row: stored, kind: 'row', at };
}

/** `claim` found a newer holder, or `advance` did not change exactly one row. */
export function fencedError(claim: Claim, table: string): SyncError {
  return new SyncError('FENCED', `Another run has claimed ${table} for sync ${claim.sync} since fence ${claim.fence}: this run writes nothing more.`, {
    sync: claim.sync,
    table,
  });
}

/** Messages may quote bytes that a text column refuses; the row itself is JSON, which escapes them. */
function storable(text: string): string {
  return text.replaceAll('\0', '\uFFFD').toWellFormed();
}
