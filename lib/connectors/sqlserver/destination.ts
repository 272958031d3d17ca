import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import type { Schema, Value } from '../../values/types.ts';
import type { Claim, Destination, DestinationRequest, DestinationState, StoredDeadLetter, Target, Writer } from '../connector.ts';
import { qualified } from '../sql/dialect.ts';
import { findColumn } from '../sql/read-plan.ts';
import { deadLetterTable, fencedError, readDeadLetter, readState, StateStatements, stateTable } from '../sql/state.ts';
import { type CatalogueColumn, findTable, readColumns, resolveName, type TableName } from './catalogue.ts';
import { stageColumn, stageType } from './create-table.ts';
import { quote, sqlserverDialect } from './dialect.ts';
import { RowEncoder } from './encode.ts';
import { errorNumber, sqlserverError } from './errors.ts';
import { Lane } from './lane.ts';
import { Session } from './session.ts';
import type { Settings } from './settings.ts';
import { type Sink, sinkFor, stageOf } from './sink.ts';
import { planTarget, type ReadyTable, readyTarget } from './target.ts';
import { comparable, fromDriver, selectExpression } from './types.ts';
import { SqlserverWriter } from './writer.ts';

/** A table, a column. */
const exists: ReadonlySet<number | undefined> = new Set([2714, 2705]);
const duplicateKey = 2627;

export class SqlserverDestination implements Destination {
  readonly system = 'sqlserver';
  readonly ordersUuids = true;
  readonly #settings: Settings;
  readonly #request: DestinationRequest;
  readonly #name: TableName;
  readonly #statements: StateStatements;
  #session: Session;
  #ready: ReadyTable | null = null;

  static async open(settings: Settings, request: DestinationRequest): Promise<SqlserverDestination> {
    const session = await Session.open(settings, `idra ${request.sync}`);
    const written = (request.options as { table: string }).table;
    try {
      return new SqlserverDestination(session, settings, { request, name: await resolveName(session, written) });
    } catch (error) {
      session.destroy();
      throw sqlserverError(error, { doing: `Opening ${written} of sync ${request.sync}`, table: written, lost: session.lost });
    }
  }

  private constructor(session: Session, settings: Settings, about: { request: DestinationRequest; name: TableName }) {
    this.#session = session;
    this.#settings = settings;
    this.#request = about.request;
    this.#name = about.name;
    this.#statements = new StateStatements(sqlserverDialect, about.name.schema);
  }

  async state(): Promise<DestinationState | null> {
    return this.#do('Reading the state beside', async (session) => {
      if (!(await this.#hasOwn(session, stateTable))) return null;
      const { sql, params } = this.#statements.select(this.#request.sync, this.#request.shard);
      const [row] = await session.query(sql, params);
      return row === undefined ? null : readState(row);
    });
  }

  async prepare(schema: Schema, options: { readonly dryRun?: boolean } = {}): Promise<Target> {
    return this.#do('Preparing', async (session) => {
      const asked = { incoming: schema, request: this.#request };
      const planned = await planTarget(session, this.#name, asked);
      const { existed, existingColumns, into, name } = planned;
      const found = { existed, existingColumns, hasRows: existed && (await session.query(`SELECT TOP (1) 1 FROM ${into}`)).length > 0 };
      if (options.dryRun === true) {
        const there = await findTable(session, planned);
        const columns = there === null ? [] : await readColumns(session, there);
        const known = schema.columns.map((column) => columns.find((candidate) => candidate.name === column.name) ?? column);
        return { ...found, schema: { name, columns: known, key: schema.key } };
      }
      for (const sql of [...planned.ddl, ...this.#statements.create]) await orThere(session.batch(sql));
      const ready = await readyTarget(session, planned, asked);
      this.#ready = ready;
      return { ...found, schema: { name, columns: ready.columns, key: schema.key } };
    });
  }

  async open(_target: Target, claim: Claim): Promise<Writer> {
    const ready = this.#ready;
    if (ready === null) throw new SyncError('INTERNAL', 'open before prepare');
    const { write, deletes, frugal = false } = this.#request;
    // Opened again where something is asked of the catalogue later
    if (frugal) await this.#session[Symbol.asyncDispose]();
    const sink = sinkFor(ready, { write, deletes, sync: claim.sync, shard: claim.shard });
    const openLane = (): Promise<Lane> => this.#openLane({ sink, ready });
    const lanes: Lane[] = [];
    try {
      const first = await openLane();
      lanes.push(first);
      const second = frugal ? first : await openLane();
      if (!frugal) lanes.push(second);
      if (sink.stage !== null) {
        // The claim first: a superseded run takes nothing from what its successor has staged
        await this.#claim(first, { claim, sink: null, table: ready.name });
        await this.#prepareStage(first.session, claim, ready);
      }
      const committed = await this.#claim(first, { claim, sink, table: ready.name });
      return new SqlserverWriter({
        claim,
        committed,
        statements: this.#statements,
        table: ready.name,
        lanes: [first, second],
        reopen: openLane,
        claimed: (lane) => this.#claim(lane, { claim, sink: null, table: ready.name }),
      });
    } catch (error) {
      for (const lane of lanes) lane.session.destroy();
      throw this.#explain(error, 'Claiming', lanes.at(-1)?.session.lost ?? false);
    }
  }

  async max(columns: readonly string[]): Promise<readonly Value[] | null> {
    return this.#do('Reading the maximum of', async (session) => {
      const found = await findTable(session, this.#name);
      if (found === null) return null;
      const name = `${found.schema}.${found.table}`;
      const known = await readColumns(session, found);
      const chosen = columns.map((column) => {
        const there = findColumn({ name, columns: known }, column) as CatalogueColumn;
        if (!comparable(there.facts))
          throw new SyncError('UNSUPPORTED', `${name}.${column} is ${there.facts.declared}, which has no maximum.`, { table: name, column });
        return there;
      });
      const names = chosen.map((column) => quote(column.name));
      const list = chosen.map(({ facts }, i) => selectExpression(facts, names[i] ?? '')).join(', ');
      const [row] = await session.query(
        `SELECT TOP (1) ${list} FROM ${qualified(sqlserverDialect, found.schema, found.table)} WHERE ${names[0]} IS NOT NULL ORDER BY ${names.map((each) => `${each} DESC`).join(', ')}`,
      );
      if (row === undefined) return null;
      return chosen.map(({ facts }, i) => {
        const value = row[i] ?? null;
        return value === null ? null : (fromDriver(facts)?.(value) ?? value);
      });
    });
  }

  async clear(_target: Target, claim: Claim): Promise<void> {
    await this.#do('Clearing', async (session) => {
      const { sql, params } = this.#statements.forget(claim);
      const table = qualified(sqlserverDialect, this.#name.schema, this.#name.table);
      const request = `BEGIN TRANSACTION; ${sql}; DECLARE @held int = @@ROWCOUNT; IF @held = 1 DELETE FROM ${table}; COMMIT TRANSACTION; SELECT @held`;
      // A trigger may answer with rows of its own before
      if (Number((await session.query(request, params)).at(-1)?.[0]) !== 1) throw fencedError(claim, this.#name.table);
    });
  }

  async deadLetters(): Promise<StoredDeadLetter[]> {
    return this.#do('Reading the dead letters beside', async (session) => {
      if (!(await this.#hasOwn(session, deadLetterTable))) return [];
      const { sql, params } = this.#statements.selectDeadLetters(this.#request.sync);
      return (await session.query(sql, params)).map(readDeadLetter);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  /**
   * The stage outlives a run. It is never dropped: a run that has been superseded may still come by here. Where it is made or widened, its rows are not those of the pass
   * so far: the sync begins anew. In one transaction with the look at the claim, and one request: whoever is frozen there holds nobody up.
   */
  async #prepareStage(session: Session, claim: Claim, ready: ReadyTable): Promise<void> {
    const { table, quoted: stage } = stageOf(ready, this.#request);
    const found = await findTable(session, { schema: ready.schema, table });
    const there = found === null ? [] : await readColumns(session, found);
    const changes = ready.columns.flatMap((column) => {
      const old = there.find(({ name }) => name === column.name);
      if (old !== undefined && stageType(old.facts) === stageType(column.facts)) return [];
      return [`ALTER TABLE ${stage} ${old === undefined ? 'ADD' : 'ALTER COLUMN'} ${stageColumn(column)}`];
    });
    if (changes.length === 0) return;
    const { sql, params } = this.#statements.forgetCursor(claim);
    // Values that no longer fit the type that a column now has would keep it from being changed
    const change = found === null ? [`CREATE TABLE ${stage} (${ready.columns.map(stageColumn).join(', ')})`] : [`DELETE FROM ${stage}`, ...changes];
    const { rowCount } = await session.run(`BEGIN TRANSACTION; ${sql}; IF @@ROWCOUNT = 1 BEGIN ${change.join('; ')}; END; COMMIT TRANSACTION`, params);
    if (rowCount === 0) throw fencedError(claim, ready.name);
  }

  async #openLane(about: { sink: Sink; ready: ReadyTable }): Promise<Lane> {
    const { sink, ready } = about;
    const { sync, write, deletes } = this.#request;
    const digest = createHash('sha256').update(sync).digest('hex').slice(0, 8);
    const session = await Session.open(this.#settings, `idra ${sync.slice(0, 80)} ${digest}`);
    try {
      for (const sql of sink.prepare) await session.batch(sql);
    } catch (error) {
      session.destroy();
      throw error;
    }
    const key = ready.incoming.key.map((name) => ready.incoming.columns.findIndex((column) => column.name === name)).filter((i) => i >= 0);
    const padded = write === 'upsert' ? key.filter((i) => ready.incoming.columns[i]?.type.kind === 'string') : [];
    return new Lane(session, new RowEncoder(sink.columns, { table: ready.name, key, padded }), { table: ready, sink, deletes });
  }

  /** One statement claims, and waits for a transaction that is being committed. A claim that begins a pass anew empties the stage, if it is still the newest. */
  async #claim(lane: Lane, about: { claim: Claim; sink: Sink | null; table: string }): Promise<DestinationState> {
    const { claim, sink, table } = about;
    const { session } = lane;
    const ensure = this.#statements.ensure(claim.sync, claim.shard);
    const select = this.#statements.select(claim.sync, claim.shard);
    if ((await session.query(select.sql, select.params)).length === 0) {
      try {
        await session.run(ensure.sql, ensure.params);
      } catch (error) {
        if (errorNumber(error) !== duplicateKey) throw error;
      }
    }
    const take = this.#statements.claim(claim);
    if ((await session.run(take.sql, take.params)).rowCount !== 1) throw fencedError(claim, table);
    const [row] = await session.query(select.sql, select.params);
    const state = readState(row ?? []);
    if (sink === null || sink.stage === null || state.cursor !== null) return state;
    const { rowCount } = await session.run(`BEGIN TRANSACTION; ${take.sql}; IF @@ROWCOUNT = 1 DELETE FROM ${sink.stage}; COMMIT TRANSACTION`, take.params);
    if (rowCount === 0) throw fencedError(claim, table);
    return state;
  }

  /** Before the first `prepare` Idra's tables are not there. */
  async #hasOwn(session: Session, table: string): Promise<boolean> {
    return (await findTable(session, { schema: this.#name.schema, table })) !== null;
  }

  async #do<T>(doing: string, work: (session: Session) => Promise<T>): Promise<T> {
    if (this.#session.lost) this.#session = await Session.open(this.#settings, `idra ${this.#request.sync}`);
    const session = this.#session;
    try {
      return await work(session);
    } catch (error) {
      throw this.#explain(error, doing, session.lost);
    }
  }

  #explain(error: unknown, doing: string, lost: boolean): SyncError {
    const table = `${this.#name.schema}.${this.#name.table}`;
    return sqlserverError(error, { doing: `${doing} ${table}`, table, sync: this.#request.sync, lost });
  }
}

/** Two runs may make the same table or column at once: the one that comes second finds it there. */
async function orThere(made: Promise<unknown>): Promise<void> {
  try {
    await made;
  } catch (error) {
    if (!exists.has(errorNumber(error))) throw error;
  }
}
