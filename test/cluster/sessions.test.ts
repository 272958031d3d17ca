/** `maxConcurrent` as the server counts: with both ends of many syncs on one connection, its sessions never exceed the limit. */
import { setTimeout as delay } from 'node:timers/promises';
import mysql from 'mysql2/promise';
import pg from 'pg';
import { expect, it } from 'vitest';
import { parseDefinitions } from '../../lib/config/load.ts';
import { createOpener } from '../../lib/connectors/open.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';

const syncs = 8;
const rows = 50;

interface Watcher extends AsyncDisposable {
  query(sql: string): Promise<unknown>;
  /** Sessions in the database but this one. */
  sessions(): Promise<number>;
}

const watchers: Readonly<Record<'postgres' | 'mysql', (url: string) => Promise<Watcher>>> = {
  postgres: async (url) => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const sql = `select count(*)::int as n from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`;
    return { query: (text) => client.query(text), sessions: async () => (await client.query(sql)).rows[0].n, [Symbol.asyncDispose]: () => client.end() };
  },
  mysql: async (url) => {
    const connection = await mysql.createConnection(url);
    const sql = 'select count(*) as n from information_schema.processlist where db = database() and id <> connection_id()';
    const sessions = async () => Number(((await connection.query(sql))[0] as { n: number }[])[0]?.n);
    return { query: (text) => connection.query(text), sessions, [Symbol.asyncDispose]: () => connection.end() };
  },
};

for (const kind of ['postgres', 'mysql'] as const) {
  await describeWith(['etcd', kind], `sessions on ${kind}`, () => {
    it.each([
      { limit: 5, most: 4 },
      { limit: 1, most: 2 },
    ])('maxConcurrent: $limit lets a run use both ends of the connection only where two places are free', { timeout: 60_000 }, async ({ limit, most }) => {
      await using database = await freshDatabase(kind);
      await using etcd = await freshDatabase('etcd');
      await using coordination = await openCoordination({ etcd: { hosts: etcd.url.split(','), prefix: etcd.name } });
      await using watcher = await watchers[kind](database.url);
      await watcher.query('create table source (id int primary key, note varchar(50))');
      await watcher.query(`insert into source values ${Array.from({ length: rows }, (_, id) => `(${id + 1}, 'note ${id}')`).join(', ')}`);
      const definitions = parseDefinitions(
        JSON.stringify({
          connections: { both: { type: kind, url: database.url, maxConcurrent: limit } },
          syncs: Array.from({ length: limit === 1 ? 4 : syncs }, (_, index) => ({
            name: `s${index}`,
            source: { connection: 'both', table: 'source' },
            destination: { connection: 'both', table: `copy${index}` },
            mode: 'id',
            cursor: { column: 'id' },
            write: index % 2 === 0 ? 'insert' : 'upsert',
            batch: { rows: 10 },
          })),
        }),
        'test',
      );
      const seen: number[] = [];
      let over = false;
      const sampling = (async () => {
        for (; !over; await delay(3)) seen.push(await watcher.sessions());
      })();
      const open = createOpener(definitions);
      const { signal } = new AbortController();
      const reports = await Promise.all(definitions.syncs.map((definition) => runSync(definition, { coordination, open }, { signal })));
      over = true;
      await sampling;
      for (const report of reports) expect(report).toMatchObject({ status: 'succeeded', error: null, written: rows });
      expect(Math.max(...seen)).toBe(most);
      expect(await coordination.locks.queues()).toEqual(new Map());
    });
  });
}
