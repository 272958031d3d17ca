import { SyncError } from '../../errors.ts';
import type { Row, Schema, Value } from '../../values/types.ts';
import type { Chunk, Cursor, ReadOptions, Remaining, Source, SourceRequest } from '../connector.ts';
import { decodeCursor } from '../sql/cursor.ts';
import { GroupCutter, numberGroup } from '../sql/group-cutter.ts';
import { didYouMean } from '../sql/names.ts';
import { identity, schemaOf } from '../sql/read-checks.ts';
import { nullError, planRead, type ReadPass, type ReadPlan } from '../sql/read-plan.ts';
import { asWritten, storedText, WrittenForms } from './cursor-text.ts';
import { type Database, openDatabase, Pacer, retryBusy, type SqliteConnection, type Statement, Statements } from './database.ts';
import { dialectFor, quote } from './dialect.ts';
import { refuseParameters, statementError } from './errors.ts';
import { estimateRows } from './estimate.ts';
import { type IntegerTimes, selectExpression } from './read-values.ts';
import { customQuery, type SqliteRelation, tableRelation } from './relation.ts';
import { RowReader } from './row-reader.ts';

export interface SourceOptions {
  readonly table?: string;
  readonly query?: string;
  readonly integerTimes: IntegerTimes;
}

/** Rows of a chunk live only until it is taken over: larger ones are promoted by the garbage collector. */
const chunkBytes = 48 * 1024;
/** Rows asked for at once where they are read by rowid: few, since a page is whole in memory however large its rows turn out to be. */
const pageRows = 32;
/** Rows counted at the most: counting blocks the event loop. */
const countLimit = 200_000;

interface Piece {
  readonly rows: unknown[][];
  readonly bytes: number;
}

export async function openSource(connection: SqliteConnection, request: SourceRequest): Promise<Source> {
  const database = await openDatabase(connection, { write: false });
  try {
    return new SqliteSource(database, request);
  } catch (error) {
    database.close();
    throw statementError(error, 'open the source');
  }
}

class SqliteSource implements Source {
  readonly system = 'sqlite';
  readonly schema: Schema;
  readonly #database: Database;
  readonly #statements: Statements;
  readonly #request: SourceRequest;
  readonly #found: SqliteRelation;
  readonly #plan: ReadPlan;
  readonly #integerTimes: IntegerTimes;

  constructor(database: Database, request: SourceRequest) {
    const options = request.options as SourceOptions;
    this.#database = database;
    this.#statements = new Statements(database);
    this.#request = request;
    this.#integerTimes = options.integerTimes ?? 'refuse';
    this.#found =
      options.query === undefined ? tableRelation(this.#statements, options.table ?? '', request.peer) : customQuery(database, options.query, request.peer);
    if (request.where !== undefined) refuseParameters(database.prepare(`SELECT 1 FROM ${this.#found.relation.from} WHERE (${request.where}\n)`), 'where');
    const names = chosenColumns(this.#found, request);
    this.#plan = planRead(dialectFor(this.#integerTimes === 'milliseconds' ? 1000 : 1), this.#found.relation, {
      mode: request.mode,
      columns: names,
      cursor: request.cursor,
      ...(request.where === undefined ? {} : { where: request.where }),
      select: (column, expression) => {
        const read = this.#found.columns.find((other) => other.column.name === column.name);
        return selectExpression(read ?? { column, affinity: 'INTEGER' }, expression);
      },
    });
    const { relation } = this.#found;
    this.schema = schemaOf(this.#plan, relation, identity(relation, request.cursor.key, relation.key));
  }

  async *read(options: ReadOptions, signal: AbortSignal): AsyncIterable<Chunk> {
    signal.throwIfAborted();
    const passes = this.#plan.passes(options.from);
    const database = this.#database;
    database.exec('BEGIN');
    try {
      // The first statement takes the snapshot, in which everything below is read
      await retryBusy(() => database.prepare('SELECT count(*) FROM sqlite_schema').get());
      this.#refuseNulls();
      for (const pass of passes) yield* this.#readPass(pass, options, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw statementError(error, `read ${this.#found.title}`, { table: this.#found.title });
    } finally {
      if (database.inTransaction) database.exec('ROLLBACK');
    }
  }

  cursorAfter(values: readonly Value[]): Cursor {
    const plan = this.#plan;
    const stored = values.map((value, i) => {
      const column = plan.selected[plan.cursorIndexes[i] ?? -1];
      if (column === undefined || typeof value !== 'string' || column.type.kind !== 'timestamp') return value;
      const { qualifier, from } = this.#found.relation;
      const name = `${qualifier}.${quote(column.name)}`;
      const sample = storedText(this.#statements.first({ sql: `SELECT ${name} FROM ${from} WHERE ${name} IS NOT NULL LIMIT 1`, params: [] })?.[0]);
      const unitsPerSecond = this.#integerTimes === 'milliseconds' ? 1000 : 1;
      return sample === null ? value : asWritten(value, sample, { type: column.type, unitsPerSecond });
    });
    return plan.cursorAfter(stored);
  }

  async remaining(from: Cursor | null): Promise<Remaining> {
    try {
      if (from === null && this.#found.rowid && this.#request.where === undefined) {
        const about = estimateRows(this.#statements, this.#found.relation.from);
        // What is counted is left to the passes, which leave out what the mode does not read
        if (!about.exact) return about;
      }
      let rows = 0;
      for (const { body, params } of this.#plan.passes(from)) {
        const counted = this.#statements.first({ sql: `SELECT count(*) FROM (SELECT 1 ${body} LIMIT ${countLimit})`, params });
        rows += Number(counted?.[0] ?? 0);
        if (rows >= countLimit) return {};
      }
      return { rows, exact: true };
    } catch (error) {
      throw statementError(error, `count the rows of ${this.#found.title}`, { table: this.#found.title });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
  }

  #refuseNulls(): void {
    for (const check of this.#plan.nullChecks()) {
      if (this.#statements.first(check) !== undefined) throw nullError(this.#found.relation, check.column, this.#request.cursor);
    }
  }

  async *#readPass(pass: ReadPass, options: ReadOptions, signal: AbortSignal): AsyncGenerator<Chunk> {
    const plan = this.#plan;
    const reader = new RowReader(this.#found, plan, this.#integerTimes);
    const cutter = new GroupCutter((row) => storedText(row[plan.cursorIndexes[0] ?? 0]) ?? '', groupText);
    for await (const { rows, bytes } of this.#pieces(pass, reader, { ...options, signal })) {
      if (pass.boundary !== 'group') {
        const last = rows.at(-1) ?? [];
        const boundary =
          pass.boundary === 'none'
            ? null
            : plan.cursorOf(
                plan.cursorIndexes.map((index) => storedText(last[index])),
                pass,
              );
        yield reader.chunk(rows, bytes, boundary);
        continue;
      }
      let left = bytes;
      for (const part of cutter.push(rows as Row[])) {
        yield reader.chunk(part.rows, part.rows.length === 0 ? 0 : left, part.boundary === null ? null : plan.cursorOf([part.boundary], pass));
        if (part.rows.length > 0) left = 0;
      }
    }
    if (pass.boundary === 'group')
      for (const part of cutter.finish()) yield reader.chunk(part.rows, 0, part.boundary === null ? null : plan.cursorOf([part.boundary], pass));
    if (pass.end !== null) yield reader.chunk([], 0, pass.end);
  }

  /** Raw rows in the order of the pass. Starts over once, past the rows already handed over, where a text needs its bytes compared. */
  async *#pieces(pass: ReadPass, reader: RowReader, options: ReadOptions & { signal: AbortSignal }): AsyncGenerator<Piece> {
    if (this.#isByRowid(pass)) {
      yield* this.#pages(pass, reader, options);
      return;
    }
    const { maxRows, signal } = options;
    const limit = Math.min(options.maxBytes, chunkBytes);
    const forms = new WrittenForms(
      this.#found.title,
      pass.nulls ? [] : this.#plan.cursorIndexes.flatMap((index) => this.#plan.selected.slice(index, index + 1).map((column) => ({ index, column }))),
    );
    const { shape, cursorIndexes } = this.#plan;
    if (options.from !== null && shape !== null) forms.follow(decodeCursor(shape, options.from), cursorIndexes);
    const pacer = new Pacer();
    let taken = 0;
    for (let again = true; again; ) {
      again = false;
      let skip = taken;
      let rows: unknown[][] = [];
      let bytes = 0;
      for (const row of this.#database
        .prepare<unknown[], unknown[]>(reader.sql(pass))
        .raw()
        .iterate(...pass.params)) {
        if (skip > 0) {
          if (--skip % 256 === 0 && pacer.due()) await pacer.turn();
          continue;
        }
        const size = reader.inspect(row);
        if (size < 0) {
          again = true;
          break;
        }
        forms.check(row);
        if (rows.length > 0 && (rows.length >= maxRows || bytes + size > limit)) {
          taken += rows.length;
          yield { rows, bytes };
          if (pacer.due()) await pacer.turn();
          signal.throwIfAborted();
          rows = [];
          bytes = 0;
        }
        rows.push(row);
        bytes += size;
      }
      taken += rows.length;
      if (rows.length > 0) yield { rows, bytes };
      signal.throwIfAborted();
    }
  }

  /** The next page can be found as fast as the next row: a condition of the user's may have the file sorted for each page. */
  #isByRowid(pass: ReadPass): boolean {
    const { cursorIndexes, selected } = this.#plan;
    const column = cursorIndexes.length === 1 ? selected[cursorIndexes[0] ?? -1] : undefined;
    if (column?.type.kind !== 'int64' || pass.boundary !== 'row' || this.#request.where !== undefined || !this.#found.rowid) return false;
    return this.#found.relation.keys.some(({ name, columns }) => name === 'rowid' && columns.length === 1 && columns[0] === column.name);
  }

  /** Raw rows in the order of the rowid, a page at a time: taken over from the driver together they cost a fifth less than one by one. */
  async *#pages(pass: ReadPass, reader: RowReader, options: ReadOptions & { signal: AbortSignal }): AsyncGenerator<Piece> {
    const { maxRows, signal } = options;
    const limit = Math.min(options.maxBytes, chunkBytes);
    const id = this.#plan.cursorIndexes[0] ?? 0;
    const pacer = new Pacer();
    let part: ReadPass = pass;
    let { params } = pass;
    let asked = 1;
    // A bound limit would have SQLite prepare the statement anew each time that it is run
    const statements = new Map<number, Statement<unknown[], unknown[]>>();
    const page = (): unknown[][] => {
      const statement = statements.get(asked) ?? this.#database.prepare<unknown[], unknown[]>(`${reader.sql(part)} LIMIT ${asked}`).raw();
      statements.set(asked, statement);
      return statement.all(...params);
    };
    let rows: unknown[][] = [];
    let bytes = 0;
    for (;;) {
      const found = page();
      const sizes = found.map((row) => reader.inspect(row));
      if (sizes.includes(-1)) {
        // The same page once more, with the bytes of its texts
        statements.clear();
        continue;
      }
      const last = storedText(found.at(-1)?.[id]);
      for (const [i, row] of found.entries()) {
        const size = sizes[i] ?? 0;
        if (rows.length > 0 && (rows.length >= maxRows || bytes + size > limit)) {
          yield { rows, bytes };
          if (pacer.due()) await pacer.turn();
          signal.throwIfAborted();
          rows = [];
          bytes = 0;
        }
        rows.push(row);
        bytes += size;
      }
      if (found.length < asked || last === null) break;
      asked = Math.min(pageRows, 2 ** Math.floor(Math.log2(Math.max(1, limit / Math.max(...sizes)))));
      if (part === pass) {
        // The statement of every later page, which differ in the rowid alone
        part = this.#plan.passes(this.#plan.cursorOf([last], pass))[0] ?? pass;
        statements.clear();
      }
      params = [BigInt(last)];
    }
    if (rows.length > 0) yield { rows, bytes };
    signal.throwIfAborted();
  }
}

function chosenColumns({ columns, title }: SqliteRelation, { include, exclude = [] }: SourceRequest): string[] {
  const names = columns.map(({ column }) => column.name);
  for (const name of [...(include ?? []), ...exclude]) {
    if (!names.includes(name))
      throw new SyncError('NOT_FOUND', `${title} has no column ${JSON.stringify(name)}.${didYouMean(name, names)}`, { table: title, column: name });
  }
  const chosen = (include === undefined ? names : names.filter((name) => include.includes(name))).filter((name) => !exclude.includes(name));
  if (chosen.length === 0) throw new SyncError('CONFIG_INVALID', `columns leaves no column of ${title}.`, { table: title });
  return chosen;
}

/** What any built-in collation takes for equal: NOCASE folds ASCII alone, RTRIM ignores spaces at the end (https://www.sqlite.org/datatype3.html#collation); and 1 is 1.0. */
function groupText(text: string): string {
  if (/^-?\d/.test(text) && !Number.isNaN(Number(text))) return numberGroup(text);
  return text.replace(/ +$/, '').replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}
