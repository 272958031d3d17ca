/** A time limit far shorter than the work, at its real proportions: the chain of continuations carries it through. Beside it, the drivers as they come out of the bundle. */
import pg from 'pg';
import { beforeAll, expect, it } from 'vitest';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { World } from './world.ts';

/** `TEST_LONG_ROWS=5000000 TEST_LONG_SECONDS=30` is the product's own measure. In 3,500 batches, so that the limit comes first on a fast machine; on a slow one that does much else, a function needs seconds until its first batch. */
const rows = Number(process.env.TEST_LONG_ROWS ?? 300_000);
const limitMs = Number(process.env.TEST_LONG_SECONDS ?? 8) * 1000;

await describeWith(['etcd', 'postgres', 'mysql'], 'functions between servers', () => {
  let world: World;
  let client: pg.Client;
  beforeAll(async () => {
    world = await World.start();
    const [postgres, mysql] = [await freshDatabase('postgres'), await freshDatabase('mysql')];
    world.connect('pg', { type: 'postgres', url: postgres.url });
    world.connect('maria', { type: 'mysql', url: mysql.url });
    client = new pg.Client({ connectionString: postgres.url });
    await client.connect();
    return async () => {
      await client.end();
      await world[Symbol.asyncDispose]();
      for (const fresh of [postgres, mysql]) await fresh[Symbol.asyncDispose]();
    };
  });
  const counted = async (table: string) =>
    (await client.query({ text: `select count(*), count(distinct id), min(id), max(id) from ${table}`, rowMode: 'array' })).rows.flat().map(Number);

  it('every driver works from the bundle: SQLite to PostgreSQL to MySQL and back', { timeout: 60_000 }, async () => {
    await world.sync('hop1', 2_000, { destination: { connection: 'pg', table: 'hop' } });
    await world.define(
      world.definition('hop2', { source: { connection: 'pg', table: 'hop' }, destination: { connection: 'maria', table: 'hop' }, write: 'upsert' }),
      world.definition('hop3', { source: { connection: 'maria', table: 'hop' }, destination: { connection: 'to', table: 'hop3' } }),
    );
    for (const sync of ['hop1', 'hop2', 'hop3']) {
      expect((await world.invoke('sync', { sync })).result).toMatchObject({ sync, status: 'succeeded', written: 2_000, caughtUp: true });
      expect((await world.invoke('sync', { sync })).result).toMatchObject({ sync, status: 'succeeded', written: 0, caughtUp: true });
    }
    expect(world.ids('hop3')).toEqual(Array.from({ length: 2_000 }, (_, index) => index + 1));
  });

  it(`${rows} rows under a limit of ${limitMs / 1000} s: the chain completes, whatever is delivered twice`, { timeout: 600_000 }, async () => {
    await client.query(`create table long (id int primary key, at timestamptz not null, amount numeric(12,2))`);
    await client.query(`insert into long select n, '2026-01-01'::timestamptz + n * interval '1 second', n / 100.0 from generate_series(1, ${rows}) n`);
    await world.define(
      world.definition('long', {
        source: { connection: 'pg', table: 'long' },
        destination: { connection: 'pg', table: 'long_copy' },
        batch: { rows: Math.ceil(rows / 3_500) },
      }),
    );
    world.remainingMs = limitMs;
    world.deliveries = 2;
    const slot = 1_700_000_000_000;
    const startedAt = performance.now();
    const first = await world.invoke('sync', { sync: 'long', slot }, { remainingMs: limitMs });
    expect(first.result).toMatchObject({ status: 'succeeded', caughtUp: false });
    await world.delivery();
    const reports = [first, ...world.delivered].flatMap(({ result }) => result ?? []);
    if (process.env.TEST_LONG_ROWS)
      console.log({
        seconds: (performance.now() - startedAt) / 1000,
        reports: reports.map(({ status, written, durationMs, reason, error, lockWaitMs }) => [status, reason, error, written, durationMs, lockWaitMs]),
      });
    expect(world.delivered.filter(({ failure }) => failure !== undefined)).toEqual([]);
    expect(reports.reduce((sum, { written }) => sum + written, 0)).toBe(rows);
    for (const { durationMs } of reports) expect(durationMs).toBeLessThan(limitMs);
    expect(await counted('long_copy')).toEqual([rows, rows, 1, rows]);
    expect(await world.coordination.schedule.completed('long', '0')).toBe(slot);
    expect(await world.coordination.locks.queue('long')).toEqual([]);
    // Hours late: the first one once more
    expect((await world.invoke('sync', { sync: 'long', slot, hop: 1 })).result).toMatchObject({ status: 'skipped', read: 0 });
  });
});
