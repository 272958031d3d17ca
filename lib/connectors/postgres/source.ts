/** One long read in one snapshot, cut into chunks as the server sends it. */
import { SyncError } from '../../errors.ts';
import type { Schema, Value } from '../../values/types.ts';
import type { Chunk, Cursor, RawFormat, ReadOptions, Remaining, Source, SourceRequest } from '../connector.ts';
import { ChunkCutter } from '../sql/chunk-cutter.ts';
import { numberGroup } from '../sql/group-cutter.ts';
import { checkLookback, identity, readingPlace, schemaOf } from '../sql/read-checks.ts';
import { nullError, planRead, type ReadPass, type ReadPlan } from '../sql/read-plan.ts';
import { chosenColumns } from '../sql/request-columns.ts';
import { copyBinary } from './copy-binary.ts';
import { cursorText } from './cursor-text.ts';
import { cutMessages, rowDecoder, textBytes } from './data-rows.ts';
import { dialectFor } from './dialect.ts';
import { type ErrorContext, postgresError } from './errors.ts';
import { rawFormatOf } from './raw-format.ts';
import { openRelation, type PgRelation, type SourceOptions } from './relation.ts';
import { remainingRows } from './remaining.ts';
import { RowStream } from './row-stream.ts';
import { Session } from './session.ts';
import type { Settings } from './settings.ts';
import { comparable, equalAsText, isNumber, type PgColumn, selectExpression, wireKind } from './types.ts';

export class PostgresSource implements Source {
  readonly system = 'postgres';
  readonly ordersUuids = true;
  readonly schema: Schema;
  readonly rawFormats?: readonly RawFormat[];
  readonly #settings: Settings;
  readonly #request: SourceRequest;
  readonly #relation: PgRelation;
  /** Row path and raw path differ in what they select of a column. */
  readonly #plan: ReadPlan;
  readonly #rawPlan: ReadPlan;
  #session: Session;

  static async open(settings: Settings, request: SourceRequest): Promise<PostgresSource> {
    const session = await Session.open(settings, `idra ${request.sync}`);
    const options = request.options as SourceOptions;
    try {
      return new PostgresSource(session, settings, { request, relation: await openRelation(session, options, request.peer) });
    } catch (error) {
      session.destroy();
      throw postgresError(error, {
        doing: `Opening ${options.table ?? 'the query'} of sync ${request.sync}`,
        ...(options.table === undefined ? {} : { table: options.table }),
        lost: session.lost,
      });
    }
  }

  private constructor(session: Session, settings: Settings, about: { request: SourceRequest; relation: PgRelation }) {
    const { request, relation } = about;
    this.#session = session;
    this.#settings = settings;
    this.#request = request;
    this.#relation = relation;
    const names = chosenColumns(relation, request);
    this.#plan = this.#planFor(names, true);
    this.#rawPlan = this.#planFor(names, false);
    this.#checkCursor();
    this.schema = schemaOf(this.#plan, relation, identity(relation, request.cursor.key, relation.key));
    const raw = rawFormatOf(this.#rawPlan);
    if (raw !== undefined) this.rawFormats = [raw];
  }

  async *read(options: ReadOptions, signal: AbortSignal): AsyncGenerator<Chunk> {
    signal.throwIfAborted();
    const raw = options.rawFormat !== undefined;
    const plan = raw ? this.#rawPlan : this.#plan;
    const passes = plan.passes(options.from);
    const session = await this.#connected();
    let complete = false;
    try {
      await session.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      for (const { sql, column } of plan.nullChecks()) if ((await session.query(sql)).length > 0) throw nullError(this.#relation, column, this.#request.cursor);
      for (const pass of passes) {
        const chunks = raw
          ? copyBinary({
              plan,
              pass,
              options,
              messages: this.#messages(session, new RowStream(`COPY (${pass.sql}) TO STDOUT (FORMAT binary)`, 'CopyData'), signal),
            })
          : this.#rows(session, { plan, pass, options }, signal);
        yield* chunks;
        signal.throwIfAborted();
      }
      await session.query('COMMIT');
      complete = true;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw postgresError(error, this.#place('Reading'));
    } finally {
      // In the middle of a COPY nothing but its end could be read from this connection
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
      throw postgresError(error, this.#place('Counting the rest of'));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  async *#rows(session: Session, work: { plan: ReadPlan; pass: ReadPass; options: ReadOptions }, signal: AbortSignal): AsyncGenerator<Chunk> {
    const { plan, pass, options } = work;
    const { maxBytes, maxRows } = options;
    const width = plan.selected.length;
    const decode = rowDecoder(plan.selected.map((column) => wireKind((column as PgColumn).pg)));
    const first = plan.selected[plan.cursorIndexes[0] ?? -1] as PgColumn | undefined;
    const cutter = new ChunkCutter(plan, pass, cursorText, first !== undefined && isNumber(first.pg) ? numberGroup : undefined);
    for await (const pieces of this.#messages(session, new RowStream(pass.sql, 'DataRow'), signal)) {
      for (const part of pieces.flatMap((piece) => (piece.length > maxBytes ? [...cutMessages(piece, maxBytes)] : piece))) {
        const all = decode(part);
        const partBytes = textBytes(part, all.length, width);
        for (let start = 0; start < all.length; start += maxRows) {
          const rows = all.length <= maxRows ? all : all.slice(start, start + maxRows);
          const bytes = all.length <= maxRows ? partBytes : Math.round((partBytes * rows.length) / all.length);
          yield* cutter.cut(rows, bytes);
        }
      }
    }
    yield* cutter.end();
  }

  async *#messages(session: Session, stream: RowStream, signal: AbortSignal): AsyncGenerator<Buffer[]> {
    const abort = (): void => stream.abort(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    try {
      yield* session.client.query(stream);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  #planFor(columns: readonly string[], rowPath: boolean): ReadPlan {
    const { mode, cursor, where, peer } = this.#request;
    const relation = this.#relation;
    const types = new Map(relation.columns.map((column) => [column.name, column.pg]));
    const dialect = dialectFor((name) => types.get(name)?.sql ?? 'text');
    return planRead(dialect, relation, {
      mode,
      columns,
      cursor,
      ...(where === undefined ? {} : { where }),
      ...(rowPath ? { select: (column, expression) => selectExpression((column as PgColumn).pg, expression, peer) } : {}),
      // Transactions below the oldest that still runs have all ended: nothing can appear behind this cursor
      upTo: (column, expression) => ((column as PgColumn).pg.base === 'xid8' ? `${expression} < pg_snapshot_xmin(pg_current_snapshot())` : undefined),
    });
  }

  #checkCursor(): void {
    for (const i of this.#plan.cursorIndexes) {
      const column = this.#plan.selected[i] as PgColumn | undefined;
      if (column !== undefined && !comparable(column.pg))
        throw new SyncError(
          'UNSUPPORTED',
          `${this.#relation.name}.${column.name} is ${column.pg.sql}, which has no order: choose another cursor column or key.`,
          { table: this.#relation.name, column: column.name },
        );
      // Of a cursor that repeats, equal values are read whole: what is equal has to be seen in their texts
      if (column !== undefined && !this.#plan.unique && !isNumber(column.pg) && !equalAsText(column.pg))
        throw new SyncError(
          'UNSUPPORTED',
          `${this.#relation.name}.${column.name} is ${column.pg.sql}, of which values can be equal that are written differently, and no unique key stands behind it: rows could be skipped. Name a tiebreak in cursor.key that is unique together with it, or choose another cursor column.`,
          { table: this.#relation.name, column: column.name },
        );
    }
    checkLookback(this.#plan, this.#relation, this.#request);
  }

  async #connected(): Promise<Session> {
    if (this.#session.lost) this.#session = await Session.open(this.#settings, `idra ${this.#request.sync}`);
    return this.#session;
  }

  #place(doing: string): ErrorContext {
    return { ...readingPlace(doing, this.#relation, this.#request), reading: true, lost: this.#session.lost };
  }
}
