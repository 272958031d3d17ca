import { isRowError, SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import { unrepresentable } from '../../values/fits.ts';
import type { LogicalKind, Row, Schema, Value } from '../../values/types.ts';
import { type DeleteMode, Operation, type WriteMode } from '../connector.ts';
import { type Database, Pacer, type Statement } from './database.ts';
import { quote } from './dialect.ts';
import { isConstraint, sqliteError } from './errors.ts';
import { type BindValue, describedType, type TargetColumn, Unfit, valueBinder } from './write-values.ts';

export interface TableWriterOptions {
  /** Table that the statements go to: the target, or its stage. */
  readonly table: string;
  /** As messages name it. */
  readonly title: string;
  readonly schema: Schema;
  readonly targets: readonly TargetColumn[];
  /** `replace`: rows of a stage, of which the last with a key wins. */
  readonly write: WriteMode;
  readonly deletes: DeleteMode;
  readonly softDeleteColumn: string;
  /** The target's constraints may have `ON CONFLICT` clauses. */
  readonly resolves: boolean;
}

/**
 * `OR ABORT` stands above the `ON CONFLICT` clauses of constraints, which lose and change rows without a word. It stands above those of statements in triggers too (an audit's `INSERT OR
 * IGNORE`), so it is said only where a constraint may have one.
 */
export function abortClause({ resolves }: Pick<TableWriterOptions, 'resolves'>): string {
  return resolves ? ' OR ABORT' : '';
}

export interface RowCounts {
  written: number;
  deleted: number;
}

/** Rows in one statement: stepping a statement costs more than a row's values. */
const groupRows = 8;
/** SQLITE_MAX_VARIABLE_NUMBER of the driver's build. */
const maxVariables = 32_766;

const integers: ReadonlySet<LogicalKind> = new Set<LogicalKind>(['int32', 'int64', 'uint64']);

/** Rows to prepared statements, in order. Knows nothing of transactions. */
export class TableWriter {
  readonly #o: TableWriterOptions;
  readonly #width: number;
  readonly #binders: readonly BindValue[];
  readonly #keyIndexes: readonly number[];
  readonly #keys: ReadonlySet<number>;
  /** Columns in which SQLite would take NULL for a row of its own, or for a fresh number. */
  readonly #neverNull: ReadonlySet<number>;
  readonly #group: number;
  readonly #one: Statement<unknown[]>;
  readonly #many: Statement<unknown[]> | null;
  readonly #delete: Statement<unknown[]> | null;
  readonly #oneRow: Value[];
  readonly #manyRows: Value[];
  /** An upsert that has nothing to update changes no row where the key is there. */
  readonly #countsChanges: boolean;
  #seen = 0;

  constructor(database: Database, options: TableWriterOptions) {
    this.#o = options;
    const { schema, targets } = options;
    this.#width = schema.columns.length;
    this.#binders = schema.columns.map((column, i) => valueBinder(column, targets[i] ?? { name: column.name, declared: '', affinity: 'BLOB' }));
    this.#keyIndexes = schema.key.map((name) => schema.columns.findIndex((column) => column.name === name));
    // An INTEGER PRIMARY KEY takes NULL for the next number, although it is NOT NULL
    const numbered = this.#keyIndexes.length === 1 && integers.has(schema.columns[this.#keyIndexes[0] ?? -1]?.type.kind ?? 'json');
    this.#keys = new Set(this.#keyIndexes);
    const byTable = targets.flatMap((target, i) => (target.numbered === true ? [i] : []));
    this.#neverNull = new Set([...(options.write === 'upsert' || numbered ? this.#keyIndexes : []), ...byTable]);
    this.#group = Math.min(groupRows, Math.floor(maxVariables / this.#width));
    this.#one = database.prepare(insertSql(options, 1));
    this.#many = this.#group > 1 ? database.prepare(insertSql(options, this.#group)) : null;
    const deletion = deleteSql(options);
    this.#delete = deletion === null ? null : database.prepare(deletion);
    this.#oneRow = new Array<Value>(this.#width);
    this.#manyRows = new Array<Value>(this.#width * this.#group);
    this.#countsChanges = options.write !== 'upsert' || schema.columns.length > schema.key.length;
  }

  /** Throws row errors that name table, column and key. Rows are left as they are. */
  async apply(rows: readonly Row[], operations: Uint8Array | undefined, counts: RowCounts): Promise<void> {
    const pacer = new Pacer();
    for (let start = 0; start < rows.length; ) {
      if (pacer.due()) await pacer.turn();
      if (operations?.[start] === Operation.delete) {
        this.#remove(rows[start] ?? []);
        counts.deleted++;
        start++;
        continue;
      }
      const end = Math.min(start + this.#group, rows.length);
      const whole = end - start === this.#group && (operations === undefined || !operations.subarray(start, end).includes(Operation.delete));
      counts.written += whole && this.#many !== null ? this.#insertGroup(rows, start, this.#many) : this.#insert(rows[start] ?? []);
      start = whole && this.#many !== null ? end : start + 1;
    }
  }

  #insertGroup(rows: readonly Row[], start: number, statement: Statement<unknown[]>): number {
    for (let i = 0; i < this.#group; i++) this.#bind(rows[start + i] ?? [], this.#manyRows, { offset: i * this.#width, neverNull: this.#neverNull });
    try {
      const { changes } = statement.run(this.#manyRows);
      this.#seen += this.#group;
      return this.#countsChanges ? changes : this.#group;
    } catch (error) {
      if (!isConstraint(error)) throw this.#failed(error);
    }
    // The statement as a whole was undone: one by one the rows say which of them it was
    let written = 0;
    for (let i = 0; i < this.#group; i++) written += this.#insert(rows[start + i] ?? []);
    return written;
  }

  #insert(row: Row): number {
    this.#bind(row, this.#oneRow, { offset: 0, neverNull: this.#neverNull });
    try {
      const { changes } = this.#one.run(this.#oneRow);
      this.#seen++;
      return this.#countsChanges ? changes : 1;
    } catch (error) {
      throw this.#failed(error, row);
    }
  }

  #remove(row: Row): void {
    if (this.#o.deletes === 'ignore') return;
    if (this.#delete === null)
      throw new SyncError(
        'KEY_REQUIRED',
        `${this.#o.title} has no key in this sync, so a deleted row cannot be found: name the key in the definition, or set deletes: ignore.`,
        {
          table: this.#o.title,
        },
      );
    // A deletion brings its key alone
    this.#bind(row, this.#oneRow, { offset: 0, neverNull: this.#keys });
    try {
      this.#delete.run(this.#keyIndexes.map((index) => this.#oneRow[index] ?? null));
      this.#seen++;
    } catch (error) {
      throw this.#failed(error, row);
    }
  }

  #bind(row: Row, into: Value[], { offset, neverNull }: { readonly offset: number; readonly neverNull: ReadonlySet<number> }): void {
    for (let i = 0; i < this.#width; i++) {
      const value = row[i];
      if (value === null || value === undefined) {
        if (neverNull.has(i)) throw this.#nullKey(i);
        into[offset + i] = null;
        continue;
      }
      try {
        into[offset + i] = this.#binders[i]?.(value) ?? null;
      } catch (error) {
        throw error instanceof Unfit ? this.#unfit(error, i, row) : error;
      }
    }
  }

  #nullKey(index: number): SyncError {
    const { title, schema } = this.#o;
    const column = schema.columns[index]?.name ?? '';
    return new SyncError('ROW_REJECTED', `A row for ${title} has NULL in its key column ${JSON.stringify(column)}.`, { table: title, column });
  }

  #unfit(error: Unfit, index: number, row: Row): SyncError {
    const column = this.#o.schema.columns[index];
    const target = this.#o.targets[index];
    const type = column === undefined || target === undefined ? '' : describedType(column, target);
    return unrepresentable(error.message, { table: this.#o.title, column: column?.name ?? '', key: this.#keyText(row), type });
  }

  #failed(error: unknown, row?: Row): SyncError {
    const key = row === undefined ? undefined : this.#keyText(row);
    const what = `write ${key === undefined ? 'rows' : `the row with key ${key}`} to ${this.#o.title}`;
    const failure = sqliteError(error, what, { table: this.#o.title, ...(key === undefined ? {} : { key }) });
    return isRowError(failure) || row === undefined ? failure : sqliteError(error, `write to ${this.#o.title}`, { table: this.#o.title });
  }

  #keyText(row: Row): string {
    const { schema } = this.#o;
    if (this.#keyIndexes.length === 0) return `row ${this.#seen + 1} of the run`;
    return this.#keyIndexes.map((index) => toText(row[index] ?? null, schema.columns[index]?.type ?? { kind: 'string' }) ?? 'NULL').join(', ');
  }
}

function insertSql(options: TableWriterOptions, rows: number): string {
  const { table, schema, write, deletes, softDeleteColumn } = options;
  const names = schema.columns.map(({ name }) => quote(name));
  const group = `(${names.map(() => '?').join(', ')})`;
  const verb = write === 'replace' && schema.key.length > 0 ? 'INSERT OR REPLACE' : `INSERT${abortClause(options)}`;
  const sql = `${verb} INTO main.${quote(table)} (${names.join(', ')}) VALUES ${new Array<string>(rows).fill(group).join(', ')}`;
  if (write !== 'upsert') return sql;
  const updates = schema.columns.filter(({ name }) => !schema.key.includes(name)).map(({ name }) => `${quote(name)} = excluded.${quote(name)}`);
  // A row that is there again is no longer deleted
  if (deletes === 'soft' && !schema.columns.some(({ name }) => name === softDeleteColumn)) updates.push(`${quote(softDeleteColumn)} = NULL`);
  return `${sql} ON CONFLICT (${schema.key.map(quote).join(', ')}) DO ${updates.length === 0 ? 'NOTHING' : `UPDATE SET ${updates.join(', ')}`}`;
}

function deleteSql(options: TableWriterOptions): string | null {
  const { table, schema, deletes, softDeleteColumn } = options;
  if (schema.key.length === 0 || deletes === 'ignore') return null;
  const where = schema.key.map((name) => `${quote(name)} = ?`).join(' AND ');
  if (deletes === 'hard') return `DELETE FROM main.${quote(table)} WHERE ${where}`;
  return `UPDATE${abortClause(options)} main.${quote(table)} SET ${quote(softDeleteColumn)} = strftime('%Y-%m-%d %H:%M:%f+00:00', 'now') WHERE ${where}`;
}
