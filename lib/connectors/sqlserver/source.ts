/** One long read, in one snapshot where the database has them, cut into chunks as the server sends it. */
import { SyncError } from '../../errors.ts';
import { toHex } from '../../values/bytes.ts';
import { utcText } from '../../values/datetime.ts';
import type { Schema, Value } from '../../values/types.ts';
import type { Chunk, Cursor, ReadOptions, Remaining, Source, SourceRequest } from '../connector.ts';
import { ChunkCutter } from '../sql/chunk-cutter.ts';
import { cursorText } from '../sql/cursor.ts';
import { checkLookback, identified, identity, readingPlace, schemaOf } from '../sql/read-checks.ts';
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
  readonly ordersUuids = true;
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
    this.schema = schemaOf(this.#plan, relation, identity(relation, request.cursor.key, relation.ownKey));
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
    const columns = this.#plan.selected as readonly SqlserverColumn[];
    const cutter = new ChunkCutter(this.#plan, pass, pass.boundary === 'group' ? groupText(columns[this.#plan.cursorIndexes[0] ?? 0]) : cursorText);
    for await (const { rows, bytes } of readRows(session, { sql: `${declare}${pass.sql}`, params: pass.params, columns, maxRows, maxBytes }, signal))
      yield* cutter.cut(rows, bytes);
    yield* cutter.end();
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

  #checkCursor(): void {
    const { name: table } = this.#relation;
    const known = identified(this.#plan, this.#relation);
    for (const i of this.#plan.cursorIndexes) {
      const column = this.#plan.selected[i] as SqlserverColumn | undefined;
      if (column === undefined) continue;
      if (!comparable(column.facts))
        throw new SyncError('UNSUPPORTED', `${table}.${column.name} is ${column.facts.declared}, which has no order: choose another cursor column or key.`, {
          table,
          column: column.name,
        });
      // A unique key of the table is unique under its own collation; texts that merely compare as equal elsewhere would be skipped at a boundary
      if (!known && isText(column.facts) && column.facts.collation !== exactCollation)
        throw new SyncError(
          'UNSUPPORTED',
          `${table}.${column.name} is text that is compared by collation ${column.facts.collation}, and no unique key of the table stands behind it: rows could be skipped. Choose another cursor column or key, or read the table by a query: its texts are compared exactly.`,
          { table, column: column.name },
        );
    }
    checkLookback(this.#plan, this.#relation, this.#request);
  }

  async #connected(): Promise<Session> {
    if (this.#session.lost) this.#session = await Session.open(this.#settings, `idra ${this.#request.sync}`);
    return this.#session;
  }

  #place(doing: string): ErrorContext {
    return { ...readingPlace(doing, this.#relation, this.#request), lost: this.#session.lost };
  }
}

/** One text for all values that the server takes as equal: where it saw a boundary between two of them, the rows behind it would be lost. */
function groupText(column: SqlserverColumn | undefined): (value: Value) => string | null {
  const type = column?.type;
  if (type?.kind === 'timestamp' && type.zoned) return (value) => (value === null ? null : `${utcText(String(value)) ?? String(value)}+00:00`);
  return (value) => cursorText(typeof value === 'string' ? value.replace(/ +$/, '') : value instanceof Uint8Array ? withoutZeros(value) : value);
}

function withoutZeros(bytes: Uint8Array): Uint8Array {
  let end = bytes.length;
  while (bytes[end - 1] === 0) end--;
  return bytes.subarray(0, end);
}

/** Only where the database allows it (ALLOW_SNAPSHOT_ISOLATION): false is each statement for itself, as committed. */
async function beginSnapshot(session: Session): Promise<boolean> {
  const [row] = await session.texts('SELECT snapshot_isolation_state FROM sys.databases WHERE database_id = DB_ID()');
  if (row?.[0] !== '1') return false;
  await session.batch('SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION');
  return true;
}
