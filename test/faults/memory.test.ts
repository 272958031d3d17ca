/** Memory is bounded by bytes, not by rows: rows of 5 MB pass in 512 MB, and ten times the rows take no more than a few megabytes more. Peak of the real command's whole process. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { expect, it } from 'vitest';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { spawnIdra } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const kinds = ['postgres', 'mysql', 'sqlite'] as const;
const command = join(import.meta.dirname, '../../lib/cli/idra.js');

async function peakMb(kind: (typeof kinds)[number], rows: readonly { query: string; count: number }[]): Promise<number[]> {
  await using folder = await temporaryFolder();
  await using source = await freshDatabase('postgres');
  await using destination = await freshDatabase(kind);
  const client = new pg.Client({ connectionString: source.url });
  await client.connect();
  const peaks: number[] = [];
  try {
    for (const [index, { query, count }] of rows.entries()) {
      const table = `t${index}`;
      await client.query(`CREATE TABLE ${table} AS ${query}`);
      await client.query(`ALTER TABLE ${table} ADD PRIMARY KEY (id)`);
      const to = kind === 'sqlite' ? { type: kind, path: destination.url } : { type: kind, url: destination.url };
      const file = join(folder.path, 'syncs.json');
      const usage = join(folder.path, 'usage.json');
      await writeFile(
        file,
        JSON.stringify({
          connections: { from: { type: 'postgres', url: source.url }, to },
          syncs: [
            {
              name: `big${index}`,
              source: { connection: 'from', table },
              destination: { connection: 'to', table },
              mode: 'id',
              cursor: { column: 'id' },
              mask: { note: 'null' },
            },
          ],
        }),
      );
      await using child = spawnIdra(command, {
        arguments: ['run', file, '--json', '--state', join(folder.path, `state${index}.db`)],
        env: { IDRA_BENCH_USAGE: usage, NODE_OPTIONS: `--import ${join(import.meta.dirname, '../bench/usage.ts')}` },
      });
      await child.exited;
      expect(JSON.parse(child.stdout.join(''))).toMatchObject({ status: 'succeeded', written: count });
      peaks.push((JSON.parse(await readFile(usage, 'utf8')) as { peakMb: number }).peakMb);
    }
  } finally {
    await client.end();
  }
  return peaks;
}

for (const kind of kinds) {
  await describeWith(['postgres', kind], `memory, PostgreSQL → ${kind}`, () => {
    it('stays under 512 MB with rows of 5 MB', { timeout: 180_000 }, async () => {
      const [peak] = await peakMb(kind, [
        { query: "SELECT i AS id, 'n' AS note, repeat(md5(i::text), 156250) AS body FROM generate_series(1, 80) AS i", count: 80 },
      ]);
      expect(peak).toBeLessThan(512);
    });

    it('is the same for ten times the rows', { timeout: 180_000 }, async () => {
      const narrow = (count: number) => ({ query: `SELECT i AS id, 'n' || i AS note, i * 3 AS v FROM generate_series(1, ${count}) AS i`, count });
      const [few = 0, many = Number.POSITIVE_INFINITY] = await peakMb(kind, [narrow(60_000), narrow(600_000)]);
      expect(many - few).toBeLessThan(60);
    });
  });
}
