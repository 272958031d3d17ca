import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import { toText } from '../../values/convert.ts';
import type { Schema, Value } from '../../values/types.ts';
import type { Claim, Destination, DestinationRequest, DestinationState, StoredDeadLetter, Target, Writer } from '../connector.ts';
import { qualified } from '../sql/dialect.ts';
import { fencedError, readDeadLetter, readState, StateStatements, stateTable } from '../sql/state.ts';
import { findTable, readColumns, resolveName } from './catalogue.ts';
import { columnWriter } from './column-writer.ts';
import { createStage, stageType } from './create-table.ts';
import { mysqlDialect, quote } from './dialect.ts';
import { RowEncoder } from './encode.ts';
import { errorNumber, mysqlError } from './errors.ts';
import { Lane } from './lane.ts';
import { Session } from './session.ts';
import type { Settings } from './settings.ts';
import { type Sink, sinkFor } from './sink.ts';
import { ignoresTrailingSpaces, ownName, planTarget, type ReadyTable, readyTarget } from './target.ts';
import { comparable, selectExpression } from './types.ts';
import { MysqlWriter } from './writer.ts';

const noSuchTable = 1146;
const noSuchThread = 1094;

export class MysqlDestination implements Destination {
  readonly system = 'mysql';
  readonly #settings: Settings;
  readonly #request: DestinationRequest;
  readonly #name: { schema: string; table: string };
  readonly #statements: StateStatements;
  #session: Session;
  #ready: ReadyTable | null = null;

  static async open(settings: Settings, request: DestinationRequest): Promise<MysqlDestination> {
    const session = await Session.open(settings, 'destination');
    const written = (request.options as { table: string }).table;
    try {
      return new MysqlDestination(session, settings, { request, name: await resolveName(session, written) });
    } catch (error) {
      session.destroy();
      throw mysqlError(error, { doing: `Opening ${written} of sync ${request.sync}`, table: written, lost: session.lost });
    }
  }

  private constructor(session: Session, settings: Settings, about: { request: DestinationRequest; name: { schema: string; table: string } }) {
    this.#session = session;
    this.#settings = settings;
    this.#request = about.request;
    this.#name = about.name;
    this.#statements = new StateStatements(mysqlDialect, about.name.schema);
  }

  async state(): Promise<DestinationState | null> {
    return this.#do('Reading the state beside', async (session) => {
      const { sql, params } = this.#statements.select(this.#request.sync, this.#request.shard);
      const [row] = await orNone(session.query(sql, params));
      return row === undefined ? null : readState(row);
    });
  }

  async prepare(schema: Schema, options: { readonly dryRun?: boolean } = {}): Promise<Target> {
    return this.#do('Preparing', async (session) => {
      const asked = { incoming: schema, request: this.#request };
      const planned = await planTarget(session, this.#name, asked);
      const { existed, existingColumns, into, name } = planned;
      const found = { existed, existingColumns, hasRows: existed && (await session.query(`SELECT 1 FROM ${into} LIMIT 1`)).length > 0 };
      if (options.dryRun === true) {
        const columns = existed ? await readColumns(session, planned) : [];
        const known = schema.columns.map((column) => columns.find((candidate) => candidate.name === column.name) ?? column);
        return { ...found, schema: { name, columns: known, key: schema.key } };
      }
      for (const sql of [...planned.ddl, ...this.#statements.create]) await session.query(sql);
      const state = await findTable(session, { schema: planned.schema, table: stateTable });
      if (state !== null && state.engine !== 'InnoDB')
        throw new SyncError('UNSUPPORTED', `${planned.schema}.${stateTable} is kept by ${state.engine}, which has no transactions: change it to InnoDB.`, {
          table: stateTable,
        });
      const ready = await readyTarget(session, planned, asked);
      this.#ready = ready;
      return { ...found, schema: { name, columns: ready.columns, key: schema.key } };
    });
  }

  async open(_target: Target, claim: Claim): Promise<Writer> {
    const ready = this.#ready;
    if (ready === null) throw new SyncError('INTERNAL', 'open before prepare');
    return this.#do('Claiming', async (session) => {
      const sink = sinkFor(ready, this.#request.write, claim);
      if (claim.enforced) await this.#endOlder(session, claim, ready.name);
      const openLane = (index: number): Promise<Lane> => this.#openLane(index, { claim, sink, ready });
      const lanes: Lane[] = [];
      try {
        const first = await openLane(0);
        lanes.push(first);
        const second = this.#request.frugal ? first : await openLane(1);
        lanes.push(second);
        const claimed = { claim, table: ready.name };
        // DDL commits by itself: first the claim, then the stage, then the claim once more, under which the stage may be emptied
        if (sink.restart !== null) {
          await this.#claim(first, { ...claimed, restart: null });
          await this.#prepareStage(first.session, claim, ready);
        }
        const committed = await this.#claim(first, { ...claimed, restart: sink.restart });
        return new MysqlWriter({
          claim,
          committed,
          statements: this.#statements,
          table: ready.name,
          lanes: [first, second],
          reopen: openLane,
          readState: (lane) => this.#lockedState(lane, claim),
          stored: () => this.state(),
          direct: sink.direct,
          final: sink.final,
        });
      } catch (error) {
        for (const lane of lanes) lane.session.destroy();
        throw error;
      }
    });
  }

  async max(columns: readonly string[]): Promise<readonly Value[] | null> {
    return this.#do('Reading the maximum of', async (session) => {
      const found = await findTable(session, this.#name);
      if (found === null) return null;
      const known = await readColumns(session, found);
      const into = qualified(mysqlDialect, found.schema, found.table);
      const chosen = columns.map((name) => {
        const column = known.find((candidate) => candidate.name === name);
        if (column === undefined)
          throw new SyncError('NOT_FOUND', `${found.table} has no column ${JSON.stringify(name)}.`, { table: found.table, column: name });
        if (!comparable(column.facts))
          throw new SyncError('UNSUPPORTED', `${found.table}.${name} is ${column.facts.declared}, which has no maximum.`, { table: found.table, column: name });
        return column;
      });
      const names = chosen.map(({ name }) => quote(name));
      const list = chosen.map(({ facts }, i) => selectExpression(facts, names[i] ?? '')).join(', ');
      const [row] = await session.query(
        `SELECT ${list} FROM ${into} WHERE ${names[0]} IS NOT NULL ORDER BY ${names.map((name) => `${name} DESC`).join(', ')} LIMIT 1`,
      );
      return row?.map((value, i) => (value === null ? null : maximumText(value, chosen[i]?.type))) ?? null;
    });
  }

  async clear(_target: Target, claim: Claim): Promise<void> {
    await this.#do('Clearing', async (session) => {
      await session.query('START TRANSACTION');
      try {
        const forget = this.#statements.forget(claim);
        if ((await session.run(forget.sql, forget.params)).affectedRows !== 1) throw fencedError(claim, this.#name.table);
        await session.query(`DELETE FROM ${qualified(mysqlDialect, this.#name.schema, this.#name.table)}`);
        await session.query('COMMIT');
      } catch (error) {
        if (!session.lost) await session.query('ROLLBACK');
        throw error;
      }
    });
  }

  async deadLetters(): Promise<StoredDeadLetter[]> {
    return this.#do('Reading the dead letters beside', async (session) => {
      const { sql, params } = this.#statements.selectDeadLetters(this.#request.sync);
      return (await orNone(session.query(sql, params))).map(readDeadLetter);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  /**
   * The stage outlives a run. It is never dropped: a run that has been superseded may still come by here. A position without the rows that were staged up to it, with all their columns, is
   * worth nothing: it goes before the stage is made or changed, so that a run which ends in between leaves none.
   */
  async #prepareStage(session: Session, claim: Claim, ready: ReadyTable): Promise<void> {
    const table = ownName('stage', { ...this.#request, table: ready.name });
    const stage = qualified(mysqlDialect, ready.schema, table);
    const there = await readColumns(session, { schema: ready.schema, table });
    const changes = ready.columns.flatMap(({ name, facts }) => {
      const column = there.find((candidate) => candidate.name === name);
      if (column !== undefined && stageType(column.facts) === stageType(facts)) return [];
      return [`${column === undefined ? 'ADD' : 'MODIFY'} COLUMN ${quote(name)} ${stageType(facts)} NULL`];
    });
    if (changes.length === 0) return;
    const forget = this.#statements.forgetCursor(claim);
    if ((await session.run(forget.sql, forget.params)).affectedRows !== 1) throw fencedError(claim, ready.name);
    if (there.length === 0) await session.query(createStage(stage, ready.columns, { temporary: false, key: [] }));
    else await session.query(`ALTER TABLE ${stage} ${changes.join(', ')}`);
  }

  async #openLane(index: number, about: { claim: Claim; sink: Sink; ready: ReadyTable }): Promise<Lane> {
    const { claim, sink, ready } = about;
    // Where one session is all there may be, the writer takes over the destination's own
    const session = this.#request.frugal ? await this.#own() : await Session.open(this.#settings, 'destination');
    try {
      // Fewer gap locks: two writers of neighbouring keys do not wait for each other
      await session.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED');
      if (claim.enforced) {
        // Taken or not: a run of the same fence may still hold it, and only tells its successor whom to end
        await session.query('SELECT GET_LOCK(?, 5)', [laneLock(this.#name.schema, claim, index)]);
      }
      for (const sql of sink.prepare) await session.query(sql);
    } catch (error) {
      session.destroy();
      throw error;
    }
    const key = ready.incoming.key.map((name) => ready.incoming.columns.findIndex((column) => column.name === name));
    const upserts = this.#request.write === 'upsert';
    const writers = ready.columns.map((column, i) => {
      const incoming = ready.incoming.columns[i] ?? column;
      const inKey = upserts && key.includes(i);
      const writer = columnWriter({ ...column, nullable: column.nullable && !inKey }, incoming.type, session.server.mariadb);
      if (!inKey || incoming.type.kind !== 'string' || !ignoresTrailingSpaces(column.facts)) return writer;
      const spaced = 'ends with a space, which the collation of the key ignores';
      // What is quick to see of the column says nothing of the key
      const { quick: _column, ...asked } = writer;
      return { ...asked, check: (value: Value) => writer.check(value) ?? (String(value).endsWith(' ') ? spaced : null) };
    });
    const encoder = new RowEncoder(writers, { table: ready.name, key, maxAllowedPacket: session.server.maxAllowedPacket });
    return new Lane(session, encoder, { table: ready, sink, deletes: this.#request.deletes });
  }

  /**
   * A run that was frozen may hold locks on the rows that are to be written again. Whoever has the newer fence ends its connections: each holds a lock named
   * after the sync, which tells its connection's number.
   */
  async #endOlder(session: Session, claim: Claim, table: string): Promise<void> {
    const { sql, params } = this.#statements.select(claim.sync, claim.shard);
    const [row] = await session.query(sql, params);
    if (row === undefined) return;
    const { epoch, fence } = readState(row);
    if (epoch > claim.epoch || (epoch === claim.epoch && fence > claim.fence)) throw fencedError(claim, table);
    if (epoch === claim.epoch && fence === claim.fence) return;
    for (const index of [0, 1]) {
      const [used] = await session.query('SELECT IS_USED_LOCK(?)', [laneLock(this.#name.schema, claim, index)]);
      const thread = used?.[0] ?? null;
      if (thread === null) continue;
      try {
        await session.query(`KILL ${Number(thread)}`);
      } catch (error) {
        if (errorNumber(error) !== noSuchThread) throw error;
      }
    }
  }

  async #claim(lane: Lane, about: { claim: Claim; restart: string | null; table: string }): Promise<DestinationState> {
    const { claim, restart, table } = about;
    const { session } = lane;
    await session.query('START TRANSACTION');
    try {
      const ensure = this.#statements.ensure(claim.sync, claim.shard);
      await session.run(ensure.sql, ensure.params);
      const take = this.#statements.claim(claim);
      if ((await session.run(take.sql, take.params)).affectedRows !== 1) throw fencedError(claim, table);
      const select = this.#statements.select(claim.sync, claim.shard);
      const [row] = await session.query(select.sql, select.params);
      const state = readState(row ?? []);
      // In the transaction that holds the claim: a superseded run cannot empty the stage of its successor
      if (restart !== null && state.cursor === null) await session.query(restart);
      await session.query('COMMIT');
      return state;
    } catch (error) {
      if (!session.lost) await session.query('ROLLBACK');
      throw error;
    }
  }

  async #lockedState(lane: Lane, claim: Claim): Promise<DestinationState | null> {
    const { sql, params } = this.#statements.select(claim.sync, claim.shard);
    const [row] = await lane.session.query(`${sql} FOR UPDATE`, params);
    return row === undefined ? null : readState(row);
  }

  async #own(): Promise<Session> {
    if (this.#session.lost) this.#session = await Session.open(this.#settings, 'destination');
    return this.#session;
  }

  async #do<T>(doing: string, work: (session: Session) => Promise<T>): Promise<T> {
    const table = `${this.#name.schema}.${this.#name.table}`;
    const session = await this.#own();
    try {
      return await work(session);
    } catch (error) {
      throw mysqlError(error, { doing: `${doing} ${table}`, table, sync: this.#request.sync, lost: session.lost });
    }
  }
}

function laneLock(schema: string, claim: Claim, index: number): string {
  return `idra:${createHash('sha256')
    .update(JSON.stringify([schema, claim.sync, claim.shard]))
    .digest('hex')
    .slice(0, 32)}:${index}`;
}

/** Before the first `prepare` Idra's tables are not there. */
async function orNone(rows: Promise<(string | null)[][]>): Promise<(string | null)[][]> {
  try {
    return await rows;
  } catch (error) {
    if (errorNumber(error) === noSuchTable) return [];
    throw error;
  }
}

function maximumText(value: string, type: Schema['columns'][number]['type'] | undefined): Value {
  if (type?.kind === 'timestamp' && type.zoned) return `${value}+00:00`;
  if (type?.kind === 'boolean') return value !== '0';
  return type?.kind === 'bytes' ? toText(Buffer.from(value, 'latin1'), type) : value;
}
