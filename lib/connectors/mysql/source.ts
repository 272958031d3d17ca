/** One long read in one snapshot, cut into chunks as the server sends it. */
import { SyncError } from '../../errors.ts';
import type { Schema, Value } from '../../values/types.ts';
import type { Chunk, Cursor, ReadOptions, Remaining, Source, SourceRequest } from '../connector.ts';
import { ChunkCutter } from '../sql/chunk-cutter.ts';
import { cursorText } from '../sql/cursor.ts';
import { checkLookback, identified, identity, readingPlace, schemaOf } from '../sql/read-checks.ts';
import { nullError, planRead, type ReadPass, type ReadPlan } from '../sql/read-plan.ts';
import { chosenColumns, orderedColumns } from '../sql/request-columns.ts';
import { mysqlDialect } from './dialect.ts';
import { type ErrorContext, mysqlError } from './errors.ts';
import { readRows } from './read-rows.ts';
import { type MysqlRelation, openRelation, type SourceOptions } from './relation.ts';
import { remainingRows } from './remaining.ts';
import { Session } from './session.ts';
import type { Settings } from './settings.ts';
import { comparable, type MysqlColumn, selectExpression } from './types.ts';

export class MysqlSource implements Source {
  readonly system = 'mysql';
  readonly schema: Schema;
  readonly #settings: Settings;
  readonly #request: SourceRequest;
  readonly #relation: MysqlRelation;
  readonly #plan: ReadPlan;
  #session: Session;

  static async open(settings: Settings, request: SourceRequest): Promise<MysqlSource> {
    const session = await Session.open(settings, 'source');
    const options = request.options as SourceOptions;
    try {
      const about = { ordered: orderedColumns(request), every: request.include === undefined };
      return new MysqlSource(session, settings, { request, relation: await openRelation(session, options, about) });
    } catch (error) {
      session.destroy();
      const table = options.table === undefined ? {} : { table: options.table };
      throw mysqlError(error, { doing: `Opening ${options.table ?? 'the query'} of sync ${request.sync}`, ...table, lost: session.lost });
    }
  }

  private constructor(session: Session, settings: Settings, about: { request: SourceRequest; relation: MysqlRelation }) {
    const { request, relation } = about;
    this.#session = session;
    this.#settings = settings;
    this.#request = request;
    this.#relation = relation;
    const names = chosenColumns(relation, request);
    this.#plan = planRead(mysqlDialect, relation, {
      mode: request.mode,
      columns: names,
      cursor: request.cursor,
      ...(request.where === undefined ? {} : { where: request.where }),
      select: (column, expression) => selectExpression((column as MysqlColumn).facts, expression),
    });
    this.#checkCursor();
    this.schema = schemaOf(this.#plan, relation, identity(relation, request.cursor.key, relation.ownKey));
  }

  async *read(options: ReadOptions, signal: AbortSignal): AsyncGenerator<Chunk> {
    signal.throwIfAborted();
    const passes = this.#plan.passes(options.from);
    const session = await this.#connected();
    let complete = false;
    try {
      await session.query('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ');
      await session.query('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY');
      for (const { sql, column } of this.#plan.nullChecks())
        if ((await session.query(sql)).length > 0) throw nullError(this.#relation, column, this.#request.cursor);
      for (const pass of passes) yield* this.#chunks(session, { pass, options }, signal);
      await session.query('COMMIT');
      complete = true;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw mysqlError(error, this.#place('Reading'));
    } finally {
      if (!complete) session.destroy();
    }
  }

  cursorAfter(values: readonly Value[]): Cursor {
    return this.#plan.cursorAfter(values);
  }

  async remaining(from: Cursor | null): Promise<Remaining> {
    try {
      return await remainingRows(await this.#connected(), this.#plan, from);
    } catch (error) {
      throw mysqlError(error, this.#place('Counting the rest of'));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  async *#chunks(session: Session, work: { pass: ReadPass; options: ReadOptions }, signal: AbortSignal): AsyncGenerator<Chunk> {
    const { pass, options } = work;
    const columns = this.#plan.selected as readonly MysqlColumn[];
    const cutter = new ChunkCutter(this.#plan, pass, cursorText);
    for await (const { rows, bytes } of readRows(session, { sql: pass.sql, columns, maxRows: options.maxRows, maxBytes: options.maxBytes }, signal))
      yield* cutter.cut(rows, bytes);
    yield* cutter.end();
  }

  #checkCursor(): void {
    const known = identified(this.#plan, this.#relation);
    for (const i of this.#plan.cursorIndexes) {
      const column = this.#plan.selected[i] as MysqlColumn | undefined;
      if (column !== undefined && !comparable(column.facts))
        throw new SyncError(
          'UNSUPPORTED',
          `${this.#relation.name}.${column.name} is ${column.facts.declared}, whose order and comparison do not agree: choose another cursor column or key.`,
          { table: this.#relation.name, column: column.name },
        );
      // A unique key of the table is unique under its own collation; texts that merely compare as equal elsewhere would be skipped at a boundary
      if (column !== undefined && !known && takesTextsForEqual(column))
        throw new SyncError(
          'UNSUPPORTED',
          `${this.#relation.name}.${column.name} is text that is compared without regard to case or trailing spaces, and no unique key of the table stands behind it: rows could be skipped. Choose another cursor column or key, or read the table by a query: its texts are compared exactly.`,
          { table: this.#relation.name, column: column.name },
        );
    }
    checkLookback(this.#plan, this.#relation, this.#request);
  }

  async #connected(): Promise<Session> {
    if (this.#session.lost) this.#session = await Session.open(this.#settings, 'source');
    return this.#session;
  }

  #place(doing: string): ErrorContext {
    return { ...readingPlace(doing, this.#relation, this.#request), lost: this.#session.lost };
  }
}

function takesTextsForEqual({ type, facts }: MysqlColumn): boolean {
  return type.kind === 'string' && (facts.collation === null || !/(nopad_bin|0900_bin)$|^binary$/.test(facts.collation));
}
