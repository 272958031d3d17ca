import { createHash } from 'node:crypto';
import { SyncError } from '../../errors.ts';
import type { Schema, Value } from '../../values/types.ts';
import type { Claim, Destination, DestinationRequest, DestinationState, StoredDeadLetter, Target, Writer } from '../connector.ts';
import { findColumn } from '../sql/read-plan.ts';
import { fencedError, readDeadLetter, readState, StateStatements, stateTable } from '../sql/state.ts';
import { findTable, readColumns } from './catalogue.ts';
import { postgresDialect } from './dialect.ts';
import { postgresError, sqlState } from './errors.ts';
import { Lane } from './lane.ts';
import { Session } from './session.ts';
import type { Settings } from './settings.ts';
import {
  addColumns,
  checkIdentity,
  createTable,
  missingColumns,
  type PreparedTable,
  placeOf,
  plannedColumns,
  prepareStage,
  readTable,
  softDeleteMarker,
  stageName,
  type TablePlace,
  writeKey,
} from './target-table.ts';
import { columnOf, fromWire, rawFormatName, rawSignature, selectExpression, wireKind } from './types.ts';
import { PostgresWriter } from './writer.ts';

interface DestinationOptions {
  readonly table: string;
}

/** How long a claim waits for an older holder's transaction before it ends that holder's session. */
const claimPatienceMs = 5000;
const quote = postgresDialect.quote;

export class PostgresDestination implements Destination {
  readonly system = 'postgres';
  readonly ordersUuids = true;
  readonly #settings: Settings;
  readonly #request: DestinationRequest;
  readonly #written: string;
  readonly #prepared = new WeakMap<Target, PreparedTable>();
  #session: Session;

  static async open(settings: Settings, request: DestinationRequest): Promise<PostgresDestination> {
    return new PostgresDestination(await Session.open(settings, `idra ${request.sync}`), settings, request);
  }

  private constructor(session: Session, settings: Settings, request: DestinationRequest) {
    this.#session = session;
    this.#settings = settings;
    this.#request = request;
    this.#written = (request.options as DestinationOptions).table;
  }

  state(): Promise<DestinationState | null> {
    return this.#run('Reading the state of', (session) => this.#readState(session));
  }

  prepare(schema: Schema, options: { readonly dryRun?: boolean } = {}): Promise<Target> {
    return this.#run('Preparing', async (session) => {
      const place = await placeOf(session, this.#written);
      if (options.dryRun === true) return this.#target(session, { place, schema, dryRun: true });
      await session.query('BEGIN');
      try {
        // DDL of two runs at once: CREATE … IF NOT EXISTS alone may still collide
        await session.query("SELECT pg_advisory_xact_lock(hashtextextended('idra ddl', 0))");
        const now = await placeOf(session, this.#written);
        if (!now.exists) await createTable(session, now, schema);
        for (const statement of this.#statements(now).create) await session.query(statement);
        const target = await this.#target(session, { place: now, schema, dryRun: false });
        await session.query('COMMIT');
        return target;
      } catch (error) {
        if (!session.lost) await session.query('ROLLBACK');
        throw error;
      }
    });
  }

  async open(target: Target, claim: Claim): Promise<Writer> {
    const table = this.#prepared.get(target);
    if (table === undefined) throw new SyncError('INTERNAL', 'The target was not prepared by this destination.');
    const application = applicationOf(claim);
    const lane = new Lane(this.#settings, application);
    const lanes = [lane, this.#request.frugal ? lane : new Lane(this.#settings, application)] as const;
    // Opened again where something is asked of the catalogue later
    if (this.#request.frugal) await this.#session[Symbol.asyncDispose]();
    const statements = this.#statements(table.place);
    const unblock = (): Promise<void> => this.#beside(lane, () => this.#run('Ending older sessions of', (session) => endOlderSessions(session, claim)));
    try {
      let committed: DestinationState;
      try {
        committed = await this.#claim(await lane.session(), table, claim);
      } catch (error) {
        if (sqlState(error) !== '55P03' || !claim.enforced) throw error;
        await unblock();
        committed = await this.#claim(await lane.session(), table, claim);
      }
      const { write, deletes } = this.#request;
      return new PostgresWriter({
        table,
        claim,
        committed,
        statements,
        upsert: write === 'upsert',
        ignoreDeletes: deletes === 'ignore',
        lanes,
        unblock,
        readState: () => this.#beside(lane, () => this.state()),
      });
    } catch (error) {
      for (const lane of lanes) lane.abandon();
      throw this.#explain(error, 'Claiming');
    }
  }

  max(columns: readonly string[]): Promise<readonly Value[] | null> {
    return this.#run('Reading the maximum of', async (session) => {
      const found = await findTable(session, this.#written);
      if (found === null) return null;
      const all = await readColumns(session, found);
      const name = `${found.schema}.${found.table}`;
      const known = all.map((column) => columnOf(column.name, column.type, { nullable: column.nullable, peer: this.#request.peer }));
      const chosen = columns.map((column) => {
        const { pg } = known[known.indexOf(findColumn({ name, columns: known }, column) as (typeof known)[number])] ?? {};
        if (pg === undefined) throw new SyncError('INTERNAL', `${name}.${column} has no type.`);
        return { column, pg };
      });
      const list = chosen.map(({ column, pg }) => selectExpression(pg, `t.${quote(column)}`, this.#request.peer));
      const order = columns.map((column) => `t.${quote(column)} DESC`);
      const [first = ''] = columns;
      const [row] = await session.query(
        `SELECT ${list.join(', ')} FROM ${quote(found.schema)}.${quote(found.table)} AS t WHERE t.${quote(first)} IS NOT NULL ORDER BY ${order.join(', ')} LIMIT 1`,
      );
      if (row === undefined) return null;
      return chosen.map(({ pg }, i) => {
        const text = row[i] ?? null;
        return text === null ? null : (fromWire[wireKind(pg)]?.(text) ?? text);
      });
    });
  }

  clear(target: Target, claim: Claim): Promise<void> {
    return this.#run('Clearing', async (session) => {
      const table = this.#prepared.get(target);
      if (table === undefined) throw new SyncError('INTERNAL', 'The target was not prepared by this destination.');
      const { sql, params } = this.#statements(table.place).forget(claim);
      await session.query('BEGIN');
      try {
        if ((await session.run(sql, params)).rowCount !== 1) throw fencedError(claim, table.place.name);
        await session.query(`DELETE FROM ${table.place.sql}`);
        if (table.stage !== null) await session.query(`TRUNCATE ${table.stage}`);
        await session.query('COMMIT');
      } catch (error) {
        if (!session.lost) await session.query('ROLLBACK');
        throw error;
      }
    });
  }

  deadLetters(): Promise<StoredDeadLetter[]> {
    return this.#run('Reading the dead letters of', async (session) => {
      const place = await placeOf(session, this.#written);
      if (!(await hasStateTable(session, place))) return [];
      const { sql, params } = this.#statements(place).selectDeadLetters(this.#request.sync);
      return (await session.query(sql, params)).map(readDeadLetter);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }

  #statements(place: TablePlace): StateStatements {
    return new StateStatements(postgresDialect, place.schema);
  }

  async #readState(session: Session): Promise<DestinationState | null> {
    const place = await placeOf(session, this.#written);
    if (!(await hasStateTable(session, place))) return null;
    const { sql, params } = this.#statements(place).select(this.#request.sync, this.#request.shard);
    const [row] = await session.query(sql, params);
    return row === undefined ? null : readState(row);
  }

  /** The table as it is, or as `prepare` would leave it. */
  async #target(session: Session, about: { place: TablePlace; schema: Schema; dryRun: boolean }): Promise<Target> {
    const { place, schema, dryRun } = about;
    const request = this.#request;
    const existing = dryRun && !place.exists ? { columns: await plannedColumns(session, schema.columns), keys: [] } : await readTable(session, place);
    const missing = missingColumns(place, schema, { columns: existing.columns, request });
    let { columns } = existing;
    if (missing.length > 0) {
      if (dryRun) columns = [...columns, ...(await plannedColumns(session, missing))];
      else {
        await addColumns(session, place, missing);
        ({ columns } = await readTable(session, place));
      }
    }
    const softDelete = await softDeleteMarker(session, place, { columns, request, dryRun });
    const ordered = schema.columns.flatMap((incoming) => columns.filter((column) => column.name === incoming.name));
    const keys = dryRun && !place.exists && schema.key.length > 0 ? [{ name: 'planned', primary: true, immediate: true, columns: schema.key }] : existing.keys;
    const key = writeKey(place, schema, { keys, columns, request });
    checkIdentity(place, { columns: ordered, key }, request);
    const nullableKey = key.filter((name) => columns.find((column) => column.name === name)?.nullable ?? false);
    const stage = request.write === 'replace' ? stageName(place, request.sync) : null;
    const hasRows = place.exists && (await session.query(`SELECT EXISTS (SELECT 1 FROM ${place.sql})`))[0]?.[0] === 't';
    const signature = rawSignature(ordered.map((column) => column.type));
    const target: Target = {
      schema: {
        name: place.name,
        columns: ordered.map((column) => columnOf(column.name, column.type, { nullable: column.nullable, peer: request.peer })),
        key,
      },
      existed: place.exists,
      hasRows,
      ...(signature === undefined ? {} : { rawFormats: [{ name: rawFormatName, signature }] }),
    };
    const overriding = ordered.some((column) => column.identityAlways);
    this.#prepared.set(target, { place, incoming: schema, columns: ordered, key, nullableKey, overriding, softDelete, stage });
    return target;
  }

  async #claim(session: Session, table: PreparedTable, claim: Claim): Promise<DestinationState> {
    const statements = this.#statements(table.place);
    await session.query('BEGIN ISOLATION LEVEL READ COMMITTED');
    try {
      await session.query(`SET LOCAL lock_timeout = ${claimPatienceMs}`);
      const ensure = statements.ensure(claim.sync, claim.shard);
      await session.query(ensure.sql, ensure.params);
      const update = statements.claim(claim);
      if ((await session.run(update.sql, update.params)).rowCount !== 1) throw fencedError(claim, table.place.name);
      // Under the claim: a superseded run takes nothing from what its successor has staged
      if (table.stage !== null) await prepareStage(session, table.place, { claim, stage: table.stage });
      const { sql, params } = statements.select(claim.sync, claim.shard);
      const [row] = await session.query(sql, params);
      if (row === undefined) throw fencedError(claim, table.place.name);
      const state = readState(row);
      // What an earlier run staged counts only for the pass that its cursor continues
      if (table.stage !== null && state.cursor === null) await session.query(`TRUNCATE ${table.stage}`);
      await session.query('COMMIT');
      return state;
    } catch (error) {
      if (!session.lost) await session.query('ROLLBACK');
      throw error;
    }
  }

  /** Work on a session of its own while a writer is open. Where one session is all there may be, the writer's ends first: a batch on it is written again. */
  async #beside<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
    if (!this.#request.frugal) return work();
    await lane[Symbol.asyncDispose]();
    try {
      return await work();
    } finally {
      await this.#session[Symbol.asyncDispose]();
    }
  }

  async #run<T>(doing: string, work: (session: Session) => Promise<T>): Promise<T> {
    try {
      if (this.#session.lost) this.#session = await Session.open(this.#settings, `idra ${this.#request.sync}`);
      return await work(this.#session);
    } catch (error) {
      throw this.#explain(error, doing);
    }
  }

  #explain(error: unknown, doing: string): SyncError {
    return postgresError(error, { doing: `${doing} ${this.#written}`, table: this.#written, sync: this.#request.sync, lost: this.#session.lost });
  }
}

async function hasStateTable(session: Session, place: TablePlace): Promise<boolean> {
  const [row] = await session.query('SELECT to_regclass($1) IS NOT NULL', [`${quote(place.schema)}.${quote(stateTable)}`]);
  return row?.[0] === 't';
}

/** `idra orders 1a2b3c4d #epoch.fence`: the digest tells syncs apart whose names are cut alike. */
function applicationPrefix({ sync, shard }: Claim): string {
  const digest = createHash('sha256').update(`${sync}\0${shard}`).digest('hex').slice(0, 8);
  return `idra ${sync.replace(/[^\x20-\x7e]/g, '?').slice(0, 20)} ${digest} #`;
}

function applicationOf(claim: Claim): string {
  return `${applicationPrefix(claim)}${claim.epoch}.${claim.fence}`;
}

/** Older holders cannot commit any more (their fence is lower): what their sessions hold on to is only in the way. */
async function endOlderSessions(session: Session, claim: Claim): Promise<void> {
  const prefix = applicationPrefix(claim);
  await session.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
     WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND starts_with(application_name, $1)
       AND (split_part(substr(application_name, $2::int + 1), '.', 1)::numeric, split_part(application_name, '.', 2)::numeric) < ($3::numeric, $4::numeric)`,
    [prefix, prefix.length, String(claim.epoch), String(claim.fence)],
  );
}
