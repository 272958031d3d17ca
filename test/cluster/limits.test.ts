/** Many syncs and several terminals: the work is shared, and a fragile server never sees more sessions than `maxConcurrent` says. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { expect, it } from 'vitest';
import { jsonLines, start } from '../cli/idra.ts';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const syncs = 200;
const rows = 20;
const limit = 10;
const terminals = 2;

await describeWith(['etcd', 'postgres'], 'a wide fan-out over etcd', () => {
  it(`${syncs} syncs from ${terminals} terminals to one PostgreSQL with maxConcurrent: ${limit}`, { timeout: 400_000 }, async () => {
    await using folder = await temporaryFolder();
    await using etcd = await freshDatabase('etcd');
    await using target = await freshDatabase('postgres');
    const source = new Sqlite(join(folder.path, 'source.db'));
    source.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)');
    for (let id = 1; id <= rows; id++) source.prepare('INSERT INTO orders VALUES (?, ?)').run(id, `note ${id}`);
    source.close();
    const names = Array.from({ length: syncs }, (_, index) => `orders_${index}`);
    const definitions = {
      connections: { from: { type: 'sqlite', path: join(folder.path, 'source.db') }, to: { type: 'postgres', url: target.url, maxConcurrent: limit } },
      syncs: names.map((name) => ({
        name,
        source: { connection: 'from', table: 'orders' },
        destination: { connection: 'to', table: name },
        mode: 'id',
        cursor: { column: 'id' },
        write: 'insert',
      })),
    };
    await writeFile(join(folder.path, 'syncs.json'), JSON.stringify(definitions));
    const client = new pg.Client({ connectionString: target.url });
    await client.connect();
    const seen: number[] = [];
    let over = false;
    const sampler = (async () => {
      while (!over) {
        const { rows: found } = await client.query(
          "select count(*)::int as n from pg_stat_activity where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()",
        );
        seen.push(found[0].n);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    })();
    try {
      const options = { cwd: folder.path, env: { IDRA_ETCD_PREFIX: etcd.name } };
      const runs = Array.from({ length: terminals }, () => start(['run', 'syncs.json', '--json', '--etcd', etcd.url, '--parallel', '30'], options));
      try {
        for (const run of runs) expect(await run.exited, run.stderr.slice(-5).join('\n')).toEqual({ code: 0, signal: null });
      } finally {
        for (const run of runs) await run[Symbol.asyncDispose]();
      }
      const written = runs.map((run) => jsonLines(run.stdout.join('\n')).reduce((sum, report) => sum + Number(report.written), 0));
      // Each row once, and nobody did it all alone
      expect(written.reduce((sum, count) => sum + count)).toBe(syncs * rows);
      expect(Math.max(...written)).toBeLessThan(syncs * rows);
      for (const report of runs.flatMap((run) => jsonLines(run.stdout.join('\n')))) {
        if (report.status === 'skipped') expect(report.reason).toMatch(/held by/);
        else expect(report).toMatchObject({ status: 'succeeded', caughtUp: true });
      }
    } finally {
      over = true;
      await sampler;
    }
    const { rows: found } = await client.query(names.map((name) => `select count(*)::int as n, count(distinct id)::int as d from ${name}`).join(' union all '));
    await client.end();
    expect(found).toEqual(names.map(() => ({ n: rows, d: rows })));
    expect(seen.length).toBeGreaterThan(200);
    expect(Math.max(...seen)).toBeGreaterThan(limit / 2);
    expect(Math.max(...seen)).toBeLessThanOrEqual(limit);
  });
});
