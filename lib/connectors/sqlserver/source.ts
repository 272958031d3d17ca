/** One long read, in one snapshot where the database has them, cut into chunks as the server sends it. */
import { SyncError } from '../../errors.ts';
import { toBase64, toHex } from '../../values/bytes.ts';
import type { Row, Schema, Value } from '../../values/types.ts';
import type { Chunk, Cursor, ReadOptions, Remaining, Source, SourceRequest } from '../connector.ts';
import { GroupCutter } from '../sql/group-cutter.ts';
import { identifies } from '../sql/keys.ts';
import { nullError, planRead, type ReadPass, type ReadPlan } from '../sql/read-plan.ts';
import { chosenColumns, orderedColumns } from '../sql/request-columns.ts';
import { listTables } from './catalogue.ts';
import { exactCollation, sqlserverDialect } from './dialect.ts';
import { type ErrorContext, sqlserverError } from './errors.ts';
import { readRows } from './read-rows.ts';
import { openRelation, refuseUnreadable, type SourceOptions, type SqlserverRelation } from './relation.ts';
import { remainingRows } from './remaining.ts';
import { Session } from './session.ts';
import type { Settings } from './settings.ts';
import { comparable, isText, type SqlserverColumn, selectExpression } from './types.ts';

/** Rowversions below it belong to transactions that have all ended: nothing can appear behind a cursor. */
const rowversionBound = '@idra_rowversion';

export class SqlserverSource implements Source {
  readonly system = 'sqlserver';
  readonly schema: Schema;
  readonly #settings: Settings;
  readonly #request: SourceRequest;
  readonly #relation: SqlserverRelation;
  readonly #plan: ReadPlan;
  #session: Session;

  static async open(settings: Settings, request: SourceRequest): Promise<SqlserverSource> {
    const session = await Session.open(settings, `idra ${request.sync}`);
    const options = request.options as SourceOptions;
    try {
      return new SqlserverSource(session, settings, { request, relation: await openRelation(session, options, orderedColumns(request)) });
    } catch (error) {
      session.destroy();
      const table = options.table === undefined ? {} : { table: options.table };
      throw sqlserverError(error, { doing: `Opening ${options.table ?? 'the query'} of sync ${request.sync}`, ...table, lost: session.lost });
    }
  }

  private constructor(session: Session, settings: Settings, about: { request: SourceRequest; relation: SqlserverRelation }) {
    const { request, relation } = about;
    this.#session = session;
    this.#settings = settings;
    this.#request = request;
    this.#relation = relation;
    const names = chosenColumns(relation, request);
    refuseUnreadable(relation, names);
    this.#plan = planRead(sqlserverDialect, relation, {
      mode: request.mode,
      columns: names,
      cursor: request.cursor,
      ...(request.where === undefined ? {} : { where: request.where }),
      select: (column, expression) => selectExpression((column as SqlserverColumn).facts, expression),
      upTo: (column, expression) => ((column as SqlserverColumn).facts.base === 'timestamp' ? `${expression} < ${rowversionBound}` : undefined),
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
      // Asked before the snapshot is taken: whatever is below has been committed by then
      const declare = await this.#declarations(session);
      const snapshot = await beginSnapshot(session);
      for (const { sql, column } of this.#plan.nullChecks())
        if ((await session.query(sql)).length > 0) throw nullError(this.#relation, column, this.#request.cursor);
      for (const pass of passes) yield* this.#chunks(session, { pass, declare, options }, signal);
      if (snapshot) await session.batch('COMMIT TRANSACTION; SET TRANSACTION ISOLATION LEVEL READ COMMITTED');
      complete = true;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw sqlserverError(error, this.#place('Reading'));
    } finally {
      if (!complete) session.destroy();
    }
  }

  cursorAfter(values: readonly Value[]): Cursor {
    return this.#plan.cursorAfter(values);
  }

  async remaining(from: Cursor | null): Promise<Remaining> {
    try {
      const session = await this.#connected();
      const tableRows = async (): Promise<number | null> =>
        (await listTables(session)).find(({ schema, table }) => `${schema}.${table}` === this.#relation.name)?.rows ?? null;
      return await remainingRows(session, this.#plan, { from, declare: await this.#declarations(session), tableRows });
    } catch (error) {
      throw sqlserverError(error, this.#place('Counting the rest of'));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  async *#chunks(session: Session, work: { pass: ReadPass; declare: string; options: ReadOptions }, signal: AbortSignal): AsyncGenerator<Chunk> {
    const { pass, declare, options } = work;
    const { maxRows, maxBytes } = options;
    const plan = this.#plan;
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
    const reading = { sql: `${declare}${pass.sql}`, params: pass.params, columns: plan.selected as readonly SqlserverColumn[], maxRows, maxBytes };
    for await (const { rows, bytes } of readRows(session, reading, signal)) {
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

  /** What the conditions of the passes name, as the start of each statement. */
  async #declarations(session: Session): Promise<string> {
    const first = this.#plan.selected[this.#plan.cursorIndexes[0] ?? -1] as SqlserverColumn | undefined;
    if (first?.facts.base !== 'timestamp') return '';
    const [row] = await session.query('SELECT MIN_ACTIVE_ROWVERSION()');
    const bound = row?.[0];
    if (!Buffer.isBuffer(bound)) throw new SyncError('INTERNAL', 'MIN_ACTIVE_ROWVERSION() gave no rowversion.');
    return `DECLARE ${rowversionBound} binary(8) = 0x${toHex(bound)}; `;
  }

  /** The catalogue itself says that equal cursor values are one row. */
  get #identified(): boolean {
    const names = this.#plan.cursorIndexes.map((i) => this.#plan.selected[i]?.name ?? '');
    return identifies(this.#relation.keys, names, (name) => this.#relation.columns.find((column) => column.name === name)?.nullable ?? true);
  }

  #checkCursor(): void {
    const { name: table } = this.#relation;
    for (const i of this.#plan.cursorIndexes) {
      const column = this.#plan.selected[i] as SqlserverColumn | undefined;
      if (column === undefined) continue;
      if (!comparable(column.facts))
        throw new SyncError('UNSUPPORTED', `${table}.${column.name} is ${column.facts.declared}, which has no order: choose another cursor column or key.`, {
          table,
          column: column.name,
        });
      // A unique key of the table is unique under its own collation; texts that merely compare as equal elsewhere would be skipped at a boundary
      if (!this.#identified && isText(column.facts) && column.facts.collation !== exactCollation)
        throw new SyncError(
          'UNSUPPORTED',
          `${table}.${column.name} is text that is compared by collation ${column.facts.collation}, and no unique key of the table stands behind it: rows could be skipped. Choose another cursor column or key, or read the table by a query: its texts are compared exactly.`,
          { table, column: column.name },
        );
    }
    const { mode, cursor } = this.#request;
    const first = this.#plan.selected[this.#plan.cursorIndexes[0] ?? -1];
    if (mode === 'timestamp' && cursor.lookbackSeconds > 0 && first !== undefined && first.type.kind !== 'timestamp' && first.type.kind !== 'date')
      throw new SyncError('CONFIG_INVALID', `cursor.lookback needs a date or timestamp, and ${table}.${first.name} is ${first.type.kind}.`, {
        field: 'cursor.lookback',
        table,
        column: first.name,
      });
  }

  async #connected(): Promise<Session> {
    if (this.#session.lost) this.#session = await Session.open(this.#settings, `idra ${this.#request.sync}`);
    return this.#session;
  }

  #place(doing: string): ErrorContext {
    // A condition is part of each statement, and what is wrong with it shows only there
    const condition = this.#request.where === undefined ? '' : ' (with `where`)';
    return { doing: `${doing} ${this.#relation.name}${condition}`, table: this.#relation.name, sync: this.#request.sync, lost: this.#session.lost };
  }
}

/** Only where the database allows it (ALLOW_SNAPSHOT_ISOLATION): false is each statement for itself, as committed. */
async function beginSnapshot(session: Session): Promise<boolean> {
  const [row] = await session.texts('SELECT snapshot_isolation_state FROM sys.databases WHERE database_id = DB_ID()');
  if (row?.[0] !== '1') return false;
  await session.batch('SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION');
  return true;
}

/** A row's value as a cursor holds it: text that the column's type can be made from. */
function cursorText(value: Value): string | null {
  if (value === null) return null;
  return value instanceof Uint8Array ? toBase64(value) : String(value);
}
