/** One long read in one snapshot, cut into chunks as the server sends it. */
import { SyncError } from '../../errors.ts';
import { toBase64 } from '../../values/bytes.ts';
import type { Row, Schema, Value } from '../../values/types.ts';
import type { Chunk, Cursor, ReadOptions, Remaining, Source, SourceRequest } from '../connector.ts';
import { GroupCutter } from '../sql/group-cutter.ts';
import { identifies } from '../sql/keys.ts';
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
      return new MysqlSource(session, settings, { request, relation: await openRelation(session, options, orderedColumns(request)) });
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
    const key = request.cursor.key.length > 0 ? request.cursor.key : relation.ownKey;
    const columns = this.#plan.selected.slice(0, this.#plan.visible);
    this.schema = { name: relation.name, columns, key: key.every((name) => names.includes(name)) ? key : [] };
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
    const plan = this.#plan;
    const columns = plan.selected as readonly MysqlColumn[];
    const cursorOf = (row: Row): Cursor =>
      plan.cursorOf(
        plan.cursorIndexes.map((i) => cursorText(row[i] ?? null)),
        pass,
      );
    const group = pass.boundary === 'group' ? new GroupCutter((row) => cursorText(row[plan.cursorIndexes[0] ?? 0] ?? null) ?? '') : null;
    const hidden = plan.selected.length > plan.visible;
    const strip = (rows: Row[]): Row[] => {
      if (hidden) for (const row of rows) row.length = plan.visible;
      return rows;
    };
    for await (const { rows, bytes } of readRows(session, { sql: pass.sql, columns, maxRows: options.maxRows, maxBytes: options.maxBytes }, signal)) {
      if (group !== null) {
        const count = rows.length;
        for (const cut of group.push(rows)) {
          const boundary = cut.boundary === null ? null : plan.cursorOf([cut.boundary], pass);
          yield { kind: 'rows', rows: strip(cut.rows), bytes: Math.round((bytes * cut.rows.length) / count), boundary };
        }
        continue;
      }
      const last = rows.at(-1);
      const boundary = pass.boundary === 'none' || last === undefined ? null : cursorOf(last);
      yield { kind: 'rows', rows: strip(rows), bytes, boundary };
    }
    if (group !== null) for (const cut of group.finish()) yield { kind: 'rows', rows: [], bytes: 0, boundary: plan.cursorOf([cut.boundary], pass) };
    if (pass.end !== null) yield { kind: 'rows', rows: [], bytes: 0, boundary: pass.end };
  }

  /** The catalogue itself says that equal cursor values are one row. */
  get #identified(): boolean {
    const names = this.#plan.cursorIndexes.map((i) => this.#plan.selected[i]?.name ?? '');
    return identifies(this.#relation.keys, names, (name) => this.#relation.columns.find((column) => column.name === name)?.nullable ?? true);
  }

  #checkCursor(): void {
    const { mode, cursor } = this.#request;
    for (const i of this.#plan.cursorIndexes) {
      const column = this.#plan.selected[i] as MysqlColumn | undefined;
      if (column !== undefined && !comparable(column.facts))
        throw new SyncError(
          'UNSUPPORTED',
          `${this.#relation.name}.${column.name} is ${column.facts.declared}, whose order and comparison do not agree: choose another cursor column or key.`,
          { table: this.#relation.name, column: column.name },
        );
      // A unique key of the table is unique under its own collation; texts that merely compare as equal elsewhere would be skipped at a boundary
      if (column !== undefined && !this.#identified && takesTextsForEqual(column))
        throw new SyncError(
          'UNSUPPORTED',
          `${this.#relation.name}.${column.name} is text that is compared without regard to case or trailing spaces, and no unique key of the table stands behind it: rows could be skipped. Choose another cursor column or key, or read the table by a query: its texts are compared exactly.`,
          { table: this.#relation.name, column: column.name },
        );
    }
    const first = this.#plan.selected[this.#plan.cursorIndexes[0] ?? -1];
    if (mode === 'timestamp' && cursor.lookbackSeconds > 0 && first !== undefined && first.type.kind !== 'timestamp' && first.type.kind !== 'date')
      throw new SyncError('CONFIG_INVALID', `cursor.lookback needs a date or timestamp, and ${this.#relation.name}.${first.name} is ${first.type.kind}.`, {
        field: 'cursor.lookback',
        table: this.#relation.name,
        column: first.name,
      });
  }

  async #connected(): Promise<Session> {
    if (this.#session.lost) this.#session = await Session.open(this.#settings, 'source');
    return this.#session;
  }

  #place(doing: string): ErrorContext {
    // A condition is part of each statement, and what is wrong with it shows only there
    const condition = this.#request.where === undefined ? '' : ' (with `where`)';
    return { doing: `${doing} ${this.#relation.name}${condition}`, table: this.#relation.name, sync: this.#request.sync, lost: this.#session.lost };
  }
}

/** A row's value as a cursor holds it: text that a literal of the column's type can be made from. */
function cursorText(value: Value): string | null {
  if (value === null) return null;
  return value instanceof Uint8Array ? toBase64(value) : String(value);
}

function takesTextsForEqual({ type, facts }: MysqlColumn): boolean {
  return type.kind === 'string' && (facts.collation === null || !/(nopad_bin|0900_bin)$|^binary$/.test(facts.collation));
}
