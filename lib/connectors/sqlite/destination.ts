import { existsSync } from 'node:fs';
import { SyncError } from '../../errors.ts';
import type { Column, Schema, Value } from '../../values/types.ts';
import type { Claim, Destination, DestinationRequest, DestinationState, StoredDeadLetter, Target, Writer } from '../connector.ts';
import { deadLetterTable, fencedError, readDeadLetter, readState, StateStatements, stateTable } from '../sql/state.ts';
import { cascadingReferences, findTable } from './catalog.ts';
import { type Database, fileOf, openDatabase, retryBusy, type SqliteConnection, Statements } from './database.ts';
import { dialect, quote } from './dialect.ts';
import { sqliteError } from './errors.ts';
import { largest } from './largest.ts';
import { createStage, dropStage, isStaged, stageName } from './stage.ts';
import { planTable, type TablePlan } from './target.ts';
import { ordersAsText, type TargetColumn } from './write-values.ts';
import { SqliteWriter } from './writer.ts';

interface Open {
  readonly database: Database;
  readonly statements: Statements;
}

export class SqliteDestination implements Destination {
  readonly system = 'sqlite';
  readonly #connection: SqliteConnection;
  readonly #request: DestinationRequest;
  readonly #state = new StateStatements(dialect, 'main');
  #opened: Open | null = null;
  #prepared: { readonly schema: Schema; readonly plan: TablePlan } | null = null;

  constructor(connection: SqliteConnection, request: DestinationRequest) {
    this.#connection = connection;
    this.#request = request;
  }

  async state(): Promise<DestinationState | null> {
    const found = await this.#ifThere();
    if (found === null || !hasTable(found.statements, stateTable)) return null;
    const row = found.statements.first(this.#state.select(this.#request.sync, this.#request.shard));
    return row === undefined ? null : readState(row);
  }

  async prepare(schema: Schema, options: { readonly dryRun?: boolean } = {}): Promise<Target> {
    if (options.dryRun === true) return this.#target(schema, planTable((await this.#ifThere())?.statements ?? null, schema, this.#request));
    const { database, statements } = await this.#open();
    const plan = await this.#transaction('prepare', () => {
      for (const sql of this.#state.create) database.exec(sql);
      const made = planTable(statements, schema, this.#request);
      for (const sql of made.ddl) database.exec(sql);
      return made;
    });
    this.#prepared = { schema, plan };
    return this.#target(schema, plan);
  }

  async open(target: Target, claim: Claim): Promise<Writer> {
    const { database, statements } = await this.#open();
    const prepared = this.#prepared;
    if (prepared === null) throw new SyncError('INTERNAL', `${target.schema.name} was opened before it was prepared.`);
    const { schema, plan } = prepared;
    const { sync, shard, write } = this.#request;
    const stage = write === 'replace' ? stageName(sync, shard, plan.table) : null;
    const committed = await this.#transaction('claim', () => {
      statements.run(this.#state.ensure(sync, shard));
      if (statements.run(this.#state.claim(claim)) !== 1) throw fencedError(claim, plan.table);
      const state = readState(statements.first(this.#state.select(sync, shard)) ?? []);
      const columns = { schema, targets: plan.targets };
      if (stage === null || (state.cursor !== null && isStaged(statements, stage, columns))) return state;
      // A position without the rows that were staged up to it is worth nothing
      statements.run(this.#state.forgetCursor(claim));
      dropStage(database, stage);
      createStage(database, stage, columns);
      return { ...state, cursor: null };
    });
    const { deletes, softDeleteColumn } = this.#request;
    const table = { table: plan.table, title: plan.table, schema, targets: plan.targets, write, deletes, softDeleteColumn, resolves: plan.resolves };
    return new SqliteWriter({ database, statements, state: this.#state, claim, committed, table, stage });
  }

  async max(columns: readonly string[]): Promise<readonly Value[] | null> {
    const found = await this.#ifThere();
    return found === null ? null : largest(found.statements, (this.#request.options as { table: string }).table, columns);
  }

  async clear(target: Target, claim: Claim): Promise<void> {
    const { database, statements } = await this.#open();
    const { sync, shard } = this.#request;
    const table = target.schema.name;
    const [child] = cascadingReferences(statements, table);
    if (child !== undefined)
      throw new SyncError(
        'SCHEMA_MISMATCH',
        `${table} cannot be emptied: a foreign key of ${child} would delete or change that table's rows too (ON DELETE).`,
        { table },
      );
    await this.#transaction('empty', () => {
      if (statements.run(this.#state.forget(claim)) !== 1) throw fencedError(claim, table);
      if (hasTable(statements, table)) database.exec(`DELETE FROM main.${quote(table)}`);
      dropStage(database, stageName(sync, shard, table));
    });
  }

  async deadLetters(): Promise<StoredDeadLetter[]> {
    const found = await this.#ifThere();
    if (found === null || !hasTable(found.statements, deadLetterTable)) return [];
    return found.statements.all(this.#state.selectDeadLetters(this.#request.sync)).map(readDeadLetter);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#opened?.database.close();
    this.#opened = null;
  }

  /** Looking makes no file. */
  async #ifThere(): Promise<Open | null> {
    if (this.#opened !== null) return this.#opened;
    return existsSync(fileOf(this.#connection)) ? this.#open() : null;
  }

  async #open(): Promise<Open> {
    if (this.#opened === null) {
      const database = await openDatabase(this.#connection, { write: true });
      this.#opened = { database, statements: new Statements(database) };
    }
    return this.#opened;
  }

  /** Waits for another writer's open transaction. */
  async #transaction<T>(what: string, work: () => T): Promise<T> {
    const { database } = await this.#open();
    try {
      await retryBusy(() => database.exec('BEGIN IMMEDIATE'));
      const result = work();
      await retryBusy(() => database.exec('COMMIT'));
      return result;
    } catch (error) {
      if (database.inTransaction) database.exec('ROLLBACK');
      throw sqliteError(error, `${what} ${(this.#request.options as { table: string }).table}`);
    }
  }

  #target(schema: Schema, plan: TablePlan): Target {
    const statements = this.#opened?.statements;
    const there = statements !== undefined && hasTable(statements, plan.table);
    const hasRows = there && statements.first({ sql: `SELECT 1 FROM main.${quote(plan.table)} LIMIT 1`, params: [] }) !== undefined;
    const typed = schema.columns.map((column, i) => typedBy(column, plan.targets[i]));
    const { existed, existingColumns } = plan;
    return { schema: { name: plan.table, columns: typed, key: schema.key }, existed, existingColumns, hasRows };
  }
}

/** Numbers in a column of text are text: they sort as such. */
function typedBy(column: Column, target: TargetColumn | undefined): Column {
  const type: Column['type'] = target === undefined || ordersAsText(column.type, target) ? column.type : { kind: 'string' };
  return { ...column, type, native: { system: 'sqlite', type: target?.declared ?? '' } };
}

function hasTable(statements: Statements, name: string): boolean {
  return findTable(statements, quote(name)) !== null;
}
