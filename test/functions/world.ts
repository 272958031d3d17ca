/** A source and a destination in SQLite (others can be added), definitions, etcd and a local event bus; the functions, bundled as they are deployed, run as processes of their own. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { type Coordination, openCoordination } from '../../lib/coordination/coordination.ts';
import type { CoordinatorReport } from '../../lib/engine/coordinate.ts';
import type { Report } from '../../lib/engine/report.ts';
import { type LocalBus, startLocalBus } from '../../tools/local/event-bus.ts';
import { freshDatabase } from '../support/fresh.ts';
import { functionBundles } from '../support/programs.ts';
import { type IdraProcess, spawnIdra } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

export interface Outcome<Result = Report> {
  readonly result?: Result;
  readonly failure?: { readonly type: string; readonly message: string; readonly rest: object };
  /** Timers, sockets and the like that were alive as the handler returned and not before it was called. */
  readonly left: readonly string[];
  /** Structured log lines and metrics, parsed. */
  readonly lines: readonly Record<string, unknown>[];
  readonly text: string;
}

export interface Invocation {
  readonly remainingMs?: number;
  readonly env?: Readonly<Record<string, string>>;
}

export type Tick = CoordinatorReport & { readonly broken: Readonly<Record<string, string>> };

export class World implements AsyncDisposable {
  readonly coordination: Coordination;
  /** Outcomes of the sync function as the bus has invoked it, in their order. */
  readonly delivered: Outcome[] = [];
  /** Time limit of the invocations that the bus makes. */
  remainingMs = 60_000;
  /** How often the bus delivers each event, at once. */
  deliveries = 1;
  readonly #folder: string;
  readonly #functions: string;
  /** Of the functions' processes. */
  readonly environment: Readonly<Record<string, string>>;
  readonly #bus: LocalBus;
  readonly #dispose: (() => PromiseLike<unknown>)[];

  private constructor(parts: {
    folder: string;
    functions: string;
    coordination: Coordination;
    environment: Record<string, string>;
    bus: LocalBus;
    dispose: (() => PromiseLike<unknown>)[];
  }) {
    this.#folder = parts.folder;
    this.#functions = parts.functions;
    this.coordination = parts.coordination;
    this.environment = parts.environment;
    this.#bus = parts.bus;
    this.#dispose = parts.dispose;
  }

  /** `functions`: where the bundles are, `sync/index.js` and `coordinator/index.js`; absent: those of the tree. `etcd`: hosts of another than the shared one. */
  static async start({ functions, etcd: own }: { functions?: string; etcd?: string } = {}): Promise<World> {
    const folder = await temporaryFolder();
    const etcd = await freshDatabase('etcd', own === undefined ? undefined : { url: own });
    const coordination = await openCoordination({ etcd: { hosts: etcd.url.split(','), prefix: etcd.name } });
    let world: World | undefined;
    const bus = await startLocalBus({
      region: 'eu-west-1',
      rules: [{ bus: 'idra-test', pattern: { source: ['idra'], 'detail-type': ['Sync Requested'] }, target: 'sync', retries: 0 }],
      invoke: async (_name, event) => {
        if (world === undefined) throw new Error('the bus delivers before there is anybody to deliver to');
        const { remainingMs, deliveries } = world;
        const outcomes = await Promise.all(Array.from({ length: deliveries }, () => world?.invoke('sync', event, { remainingMs })));
        world.delivered.push(...outcomes.filter((outcome) => outcome !== undefined));
      },
      onGivenUp: (name, event, error) => console.error(name, event.detail, error),
    });
    const environment = {
      IDRA_ETCD_HOSTS: etcd.url,
      IDRA_ETCD_PREFIX: etcd.name,
      IDRA_EVENT_BUS: 'idra-test',
      IDRA_SYNCS: join(folder.path, 'syncs.json'),
      AWS_ENDPOINT_URL_EVENTBRIDGE: bus.url,
      AWS_REGION: 'eu-west-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      POWERTOOLS_SERVICE_NAME: 'idra',
      POWERTOOLS_METRICS_NAMESPACE: 'Idra',
    };
    const dispose = [
      () => bus[Symbol.asyncDispose](),
      () => coordination[Symbol.asyncDispose](),
      () => etcd[Symbol.asyncDispose](),
      () => folder[Symbol.asyncDispose](),
    ];
    world = new World({ folder: folder.path, functions: functions ?? (await functionBundles()), coordination, environment, bus, dispose });
    return world;
  }

  /** Another connection, for syncs that are made after it. */
  connect(name: string, fields: object): void {
    this.#connections[name] = fields;
  }

  /** A table of its own with that many rows, and a sync of the same name. */
  async sync(name: string, rows: number, over: object = {}): Promise<void> {
    {
      using source = new Opened(join(this.#folder, 'source.db'));
      source.database.exec(`create table "${name}" (id integer primary key, name text not null)`);
    }
    this.grow(name, rows);
    await this.define(this.definition(name, over));
  }

  /** More rows for a table that `sync` has made. */
  grow(name: string, rows: number): void {
    using source = new Opened(join(this.#folder, 'source.db'));
    const last = source.database.prepare(`select coalesce(max(id), 0) from "${name}"`).pluck().get() as number;
    const insert = source.database.prepare(`insert into "${name}" (id, name) values (?, ?)`);
    source.database.transaction(() => {
      for (let id = last + 1; id <= last + rows; id += 1) insert.run(id, `row ${id}`);
    })();
  }

  /** Syncs over tables that are there already. */
  async define(...syncs: object[]): Promise<void> {
    this.#syncs.push(...syncs);
    await writeFile(join(this.#folder, 'syncs.json'), JSON.stringify(this.definitions));
  }

  readonly #syncs: object[] = [];
  readonly #connections: Record<string, object> = {};

  definition(name: string, over: object = {}): object {
    const ends = { source: { connection: 'from', table: name }, destination: { connection: 'to', table: name } };
    return { name, every: '1m', ...ends, mode: 'id', cursor: { column: 'id', key: 'id' }, write: 'insert', batch: { rows: 500 }, ...over };
  }

  get connections(): Record<string, object> {
    const own = { from: { type: 'sqlite', path: join(this.#folder, 'source.db') }, to: { type: 'sqlite', path: join(this.#folder, 'destination.db') } };
    return { ...own, ...this.#connections };
  }

  get definitions(): object {
    return { connections: this.connections, syncs: this.#syncs };
  }

  /** Of a table that `sync` has made. */
  rows(name: string): [id: number, name: string][] {
    using source = new Opened(join(this.#folder, 'source.db'));
    return source.database.prepare(`select id, name from "${name}" order by id`).raw().all() as [number, string][];
  }

  ids(table: string): number[] {
    using destination = new Opened(join(this.#folder, 'destination.db'));
    return destination.database.prepare(`select id from "${table}" order by id`).pluck().all() as number[];
  }

  /** An invocation whose process is the caller's to kill; `outcome` awaits its end. */
  begin(name: string, event: unknown, options: Invocation = {}): IdraProcess {
    return spawnIdra(join(import.meta.dirname, 'invoke.ts'), {
      arguments: [this.bundle(name), JSON.stringify(event), String(options.remainingMs ?? 60_000)],
      env: { ...this.environment, ...options.env },
    });
  }

  /** File of a function's bundle. */
  bundle(name: string): string {
    return join(this.#functions, name, 'index.js');
  }

  async invoke<Result = Report>(name: string, event: unknown, options: Invocation = {}): Promise<Outcome<Result>> {
    await using child = this.begin(name, event, options);
    // Awaited here: the process is killed where this scope ends.
    return await World.outcome<Result>(child);
  }

  /** Awaits the end of the process. Rejects where it was not the handler's own. */
  static async outcome<Result = Report>(child: IdraProcess): Promise<Outcome<Result>> {
    const { code, signal } = await child.exited;
    const last = child.stdout.findLast((line) => line.startsWith('OUTCOME '));
    const text = [...child.stdout, ...child.stderr].join('\n');
    if (last === undefined || code !== 0) throw new Error(`the invocation ended with ${code ?? signal}: ${text}`);
    const lines = [...child.stdout, ...child.stderr].filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>);
    return { ...(JSON.parse(last.slice('OUTCOME '.length)) as { left: string[] }), lines, text };
  }

  async delivery(): Promise<void> {
    await this.#bus.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.delivery();
    for (const dispose of this.#dispose) await dispose();
  }
}

class Opened implements Disposable {
  readonly database: Database.Database;

  constructor(path: string) {
    this.database = new Database(path);
    this.database.pragma('journal_mode = wal');
  }

  [Symbol.dispose](): void {
    this.database.close();
  }
}
