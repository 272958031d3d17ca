/** A run that fails at each of its steps: what is alive as the handler returns, and what the servers still hold for it. */
import mysql from 'mysql2/promise';
import pg from 'pg';
import { beforeAll, expect, it } from 'vitest';
import { leases } from '../coordination/etcd-support.ts';
import { type Fresh, freshDatabase } from '../support/fresh.ts';
import { type EtcdServer, startEtcd } from '../support/servers/etcd.ts';
import { freePort } from '../support/servers/ports.ts';
import { describeWith } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitUntil } from '../support/wait-until.ts';
import { type Outcome, World } from './world.ts';

/** For what is tried again until the time ends: a tenth, and two seconds at least, are kept for ending. */
const shortMs = 7_000;

/** By which the request for a lease is known. */
const lostTtlSeconds = 3;

interface TriggerOptions {
  readonly name: string;
  /** When and where: `before update on orders`. */
  readonly on: string;
  readonly when: string;
  /** Told at COMMIT. */
  readonly constraint?: boolean;
}

type Kind = 'pg' | 'maria';

interface Step {
  readonly at: string;
  /** Of the error, in the result or of the invocation; null: it succeeds. */
  readonly code: string | null;
  readonly definition?: object;
  readonly event?: object;
  readonly slot?: number;
  readonly remainingMs?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** The proxy stands before etcd. */
  readonly etcd?: (proxy: TcpProxy, sync: string) => void;
  /** Run before in the destination of that sync. */
  readonly sql?: (table: string, kind: Kind) => string;
  /** Nobody renews the leases that it made, and nobody could be told of them: they end by themselves. */
  readonly leasesEnd?: boolean;
  /** For one kind of server only. */
  readonly only?: Kind;
}

/** Cuts the connection to etcd each time a request with all of these texts has passed, from the nth on. */
function cutAt(texts: readonly string[], without = 'no such text', nth = 1): (proxy: TcpProxy, sync: string) => void {
  return (proxy, sync) => {
    let seen = 0;
    const pattern = (piece: Buffer): boolean => {
      const text = piece.toString('latin1');
      if (text.includes(without) || !texts.every((part) => text.includes(part.replace('SYNC', sync)))) return false;
      seen += 1;
      return seen >= nth;
    };
    proxy.cutAfter({ pattern, direction: 'toServer' });
  };
}

await describeWith(['etcd', 'postgres', 'mysql'], 'a run that fails', () => {
  let world: World;
  let etcd: EtcdServer;
  let postgres: { fresh: Fresh; client: pg.Client };
  let maria: { fresh: Fresh; connection: mysql.Connection };
  let closed: number;
  beforeAll(async () => {
    const stack = new AsyncDisposableStack();
    etcd = stack.use(await startEtcd());
    world = stack.use(await World.start({ etcd: etcd.url }));
    const [one, other] = [stack.use(await freshDatabase('postgres')), stack.use(await freshDatabase('mysql'))];
    postgres = { fresh: one, client: new pg.Client({ connectionString: one.url }) };
    await postgres.client.connect();
    stack.defer(() => postgres.client.end());
    maria = { fresh: other, connection: await mysql.createConnection({ uri: other.url, multipleStatements: true }) };
    stack.defer(() => maria.connection.end());
    closed = await freePort();
    world.connect('pg', { type: 'postgres', url: one.url });
    world.connect('maria', { type: 'mysql', url: other.url });
    world.connect('away', { type: 'postgres', url: `postgres://u:p@127.0.0.1:${closed}/d` });
    world.connect('unresolved', { type: 'postgres', url: '${env:NO_SUCH_VARIABLE}' });
    world.connect('gone', { type: 'mysql', url: `mysql://u:p@127.0.0.1:${closed}/d` });
    const row = "concat('row ', n) as name";
    await maria.connection.query(
      `create table source (id int primary key, name varchar(50)); insert into source with recursive c as (select 1 as n union all select n + 1 from c where n < 900) select n, ${row} from c`,
    );
    await postgres.client.query(
      `create table source as select n as id, 'row ' || n as name from generate_series(1, 900) n; alter table source add primary key (id)`,
    );
    return () => stack.disposeAsync();
  }, 60_000);

  /** Sessions of functions on both servers; the tests' own are left out. */
  async function sessions(): Promise<string[]> {
    const { rows } = await postgres.client.query(
      `select application_name || ': ' || query as text from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`,
    );
    const [list] = await maria.connection.query(
      `select concat(id, ' ', coalesce(info, '')) as text from information_schema.processlist where db = database() and id <> connection_id()`,
    );
    return [...rows, ...(list as { text: string }[])].map(({ text }) => text);
  }

  /** Fails as it comes to row 700: the inner query has two rows there. */
  const brokenQuery =
    'select id, case when id = 700 then (select n from (select 1 as n union all select 2) as two where n < id) else id end as broken from source';
  const plainTable = (table: string) => `create table ${table} (id bigint primary key, name varchar(50))`;
  const trigger = {
    pg: ({ name, on, when, constraint = false }: TriggerOptions) =>
      `create function ${name}() returns trigger language plpgsql as $$ begin if ${when} then raise exception 'the test refuses it'; end if; return new; end $$;
       create ${constraint ? 'constraint trigger' : 'trigger'} ${name} ${on} for each row execute function ${name}();`,
    maria: ({ name, on, when }: TriggerOptions) =>
      `create trigger ${name} ${on} for each row begin if ${when} then signal sqlstate '45000' set message_text = 'the test refuses it'; end if; end;`,
  };

  /** What no kind of server has a part in is tried with one of them. */
  const steps: readonly Step[] = [
    { at: 'nothing', code: null, slot: 1_700_000_000_000 },
    { at: 'the event', only: 'pg', code: 'CONFIG_INVALID', event: { sync: 3 } },
    { at: 'the definition', only: 'pg', code: 'CONFIG_INVALID', event: { sync: 'nowhere' } },
    { at: 'etcd', only: 'pg', code: 'STORE_UNAVAILABLE', env: { IDRA_ETCD_HOSTS: '127.0.0.1:1' } },
    { at: 'a name that does not resolve', only: 'pg', code: 'STORE_UNAVAILABLE', env: { IDRA_ETCD_HOSTS: 'nowhere.invalid:2379' } },
    { at: 'a reference of the definition', only: 'pg', code: 'SECRET_UNRESOLVED', definition: { source: { connection: 'unresolved', table: 'source' } } },
    {
      at: 'the grant, its reply lost for good',
      only: 'pg',
      code: 'STORE_UNAVAILABLE',
      definition: { lock: { ttl: `${lostTtlSeconds}s` } },
      etcd: (proxy) => proxy.swallowReplies({ after: Buffer.from([8, lostTtlSeconds, 16]), and: 'cut' }),
      leasesEnd: true,
    },
    { at: 'the queue', only: 'pg', code: 'STORE_UNAVAILABLE', etcd: cutAt(['/lock/SYNC/w/']) },
    {
      at: 'the connection of the source',
      only: 'pg',
      code: 'CONNECTION_FAILED',
      remainingMs: shortMs,
      definition: { source: { connection: 'away', table: 'source' } },
    },
    { at: 'the table of the source', code: 'NOT_FOUND', definition: { source: { connection: 'pg', table: 'no_such' } } },
    {
      at: 'the connection of the destination',
      code: 'CONNECTION_FAILED',
      remainingMs: shortMs,
      definition: { destination: { connection: 'gone', table: 't' } },
    },
    { at: 'the target', code: 'SCHEMA_MISMATCH', definition: { schema: 'freeze' }, sql: (table) => `create table ${table} (id bigint primary key)` },
    {
      at: 'the claim',
      code: 'ROW_REJECTED',
      sql: (table, kind) => trigger[kind]({ name: `claim_${table}`, on: 'before update on _idra_state', when: `new.sync = '${table}'` }),
    },
    { at: 'the first checkpoint', code: 'STORE_UNAVAILABLE', etcd: cutAt(['checkpoint/SYNC']) },
    { at: 'the read', code: 'CONFIG_INVALID', definition: { source: { connection: 'pg', query: brokenQuery } } },
    { at: 'the write', code: 'ROW_REJECTED', sql: (table) => `create table ${table} (id bigint primary key, name varchar(50), check (id <> 700))` },
    {
      at: 'the COMMIT',
      code: 'ROW_REJECTED',
      only: 'pg',
      sql: (table) =>
        `${plainTable(table)}; ${trigger.pg({ name: `late_${table}`, on: `after insert on ${table} deferrable initially deferred`, when: 'new.id = 700', constraint: true })}`,
    },
    // The destination has the position as well, and the next attempt takes it from there
    { at: 'each later checkpoint', code: null, etcd: cutAt(['checkpoint/SYNC', 'batchId'], 'no such text', 2) },
    { at: 'the slot', code: 'STORE_UNAVAILABLE', slot: 1_700_000_000_000, etcd: cutAt(['completed/SYNC', '"slot"']) },
    { at: 'the release', code: null, etcd: cutAt(['/lock/SYNC/w/'], 'checkpoint', 2) },
    { at: 'the continuation', only: 'pg', code: 'CONNECTION_FAILED', remainingMs: 100, env: { AWS_ENDPOINT_URL_EVENTBRIDGE: 'http://127.0.0.1:1' } },
  ];

  const all = (['pg', 'maria'] as const).flatMap((kind) =>
    steps.flatMap((step, index) => (step.only === undefined || step.only === kind ? [{ ...step, kind, sync: `${kind}${index}` }] : [])),
  );
  it.each(all)('at $at, between tables of $kind: nothing is left', { timeout: 60_000 }, async (step) => {
    const { sync, kind, sql } = step;
    const definition = {
      source: { connection: kind, table: 'source' },
      destination: { connection: kind, table: sync },
      lock: { ttl: '20s' },
      ...step.definition,
    };
    await world.define(world.definition(sync, definition));
    if (sql !== undefined) await (kind === 'pg' ? postgres.client.query(sql(sync, kind)) : maria.connection.query(sql(sync, kind)));
    await using proxy = await TcpProxy.before(etcd.url);
    step.etcd?.(proxy, sync);
    const event = step.event ?? { sync, ...(step.slot === undefined ? {} : { slot: step.slot }) };
    const env = { ...(step.etcd === undefined ? {} : { IDRA_ETCD_HOSTS: proxy.host }), ...step.env };
    const outcome: Outcome = await world.invoke('sync', event, { env, ...(step.remainingMs === undefined ? {} : { remainingMs: step.remainingMs }) });
    expect(outcome.failure?.type ?? outcome.result?.error?.code ?? null, outcome.text).toBe(step.code);
    expect(outcome.left).toEqual([]);
    if (step.leasesEnd === true) await waitUntil(async () => (await leases(etcd.url)).length === 0, { timeoutMs: lostTtlSeconds * 1000 + 3_000 });
    expect(await leases(etcd.url)).toEqual([]);
    // A server may notice a little later that its client is gone
    await waitUntil(async () => (await sessions()).length === 0, { timeoutMs: 3_000, what: 'every session to be gone' });
  });
});
