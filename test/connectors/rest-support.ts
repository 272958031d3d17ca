/** A service on this machine, and short ways to reach it through the connector and through the engine. */
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { SyncDefinition } from '../../lib/config/definition.ts';
import type { CursorSpec, Mode, Source, SourceRequest, WriteMode } from '../../lib/connectors/connector.ts';
import { config, type RestConnection } from '../../lib/connectors/rest/config.ts';
import { connector } from '../../lib/connectors/rest/index.ts';
import { config as sqliteConfig } from '../../lib/connectors/sqlite/config.ts';
import { connector as sqlite } from '../../lib/connectors/sqlite/index.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { EngineDeps } from '../../lib/engine/deps.ts';
import type { Report } from '../../lib/engine/report.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import { definition } from '../engine/samples.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

export const never = new AbortController().signal;

export function connectionTo(url: string, more: object = {}): RestConnection {
  return config.connection.parse({ type: 'rest', url, allowPrivate: true, timeoutSeconds: 5, ...more }) as RestConnection;
}

export interface Ask {
  readonly mode?: Mode;
  readonly write?: WriteMode;
  readonly cursor?: Partial<CursorSpec>;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly connection?: object;
}

/** `options`: the definition's `source` without the connection. */
export function openRest(url: string, options: object, { mode = 'full', write = 'upsert', cursor = {}, connection = {}, ...rest }: Ask = {}): Promise<Source> {
  const request: SourceRequest = {
    sync: 'test',
    options: config.source.parse(options),
    mode,
    write,
    peer: 'elsewhere',
    cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse', ...cursor },
    ...rest,
  };
  return connector.openSource(connectionTo(url, connection), request, never);
}

/** A SQLite file at one end, the service at the other, and the embedded store. */
export class Lab implements AsyncDisposable {
  readonly db: Database.Database;
  readonly #stack: AsyncDisposableStack;
  readonly #deps: EngineDeps;

  private constructor(parts: { stack: AsyncDisposableStack; db: Database.Database; deps: EngineDeps }) {
    this.#stack = parts.stack;
    this.db = parts.db;
    this.#deps = parts.deps;
  }

  static async make(url: string, connection: object = {}): Promise<Lab> {
    const stack = new AsyncDisposableStack();
    const folder = stack.use(await temporaryFolder()).path;
    const db = new Database(join(folder, 'data.db'));
    stack.defer(() => {
      db.close();
    });
    db.pragma('journal_mode = WAL');
    const coordination = stack.use(await openCoordination({ path: join(folder, 'state.db') }));
    const ends = {
      rest: { connector, system: 'rest', connection: connectionTo(url, connection), capabilities: config.capabilities },
      sqlite: { connector: sqlite, system: 'sqlite', connection: { type: 'sqlite', path: join(folder, 'data.db') }, capabilities: sqliteConfig.capabilities },
    };
    return new Lab({ stack, db, deps: { coordination, open: async (name) => ends[name as keyof typeof ends] } });
  }

  get deps(): EngineDeps {
    return this.#deps;
  }

  /** From the service into the table `copy`. */
  pull(source: object, more: Partial<SyncDefinition> = {}): Promise<Report> {
    return this.#run({
      source: { connection: 'rest', options: config.source.parse(source) as Record<string, unknown> },
      destination: { connection: 'sqlite', options: { table: 'copy' } },
      ...more,
    });
  }

  /** From the table `orders` to the service. */
  push(destination: object, more: Partial<SyncDefinition> = {}): Promise<Report> {
    return this.#run({
      source: { connection: 'sqlite', options: sqliteConfig.source.parse({ table: 'orders' }) as Record<string, unknown> },
      destination: { connection: 'rest', options: config.destination.parse(destination) as Record<string, unknown> },
      ...more,
    });
  }

  rows(sql: string): unknown[] {
    return this.db.prepare(sql).raw(true).all();
  }

  #run(changes: Partial<SyncDefinition>): Promise<Report> {
    return runSync(definition(changes), this.#deps, { signal: never });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
