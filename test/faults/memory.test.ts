/** Memory is bounded by bytes, not by rows: rows of 5 MB pass in 512 MB, and ten times the rows take no more than a few megabytes more. Peak of the real command's whole process. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, expect, it } from 'vitest';
import { type Fresh, freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { spawnIdra } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const kinds = ['postgres', 'mysql', 'sqlite'] as const;
const command = join(import.meta.dirname, '../../lib/cli/idra.js');

/** Source tables, made once for all destinations. */
const tables = {
  big: { count: 60, query: "SELECT i AS id, 'n' AS note, repeat(md5(i::text), 156250) AS body FROM generate_series(1, 60) AS i" },
  few: { count: 60_000, query: "SELECT i AS id, 'n' || i AS note, i * 3 AS v FROM generate_series(1, 60000) AS i" },
  many: { count: 600_000, query: "SELECT i AS id, 'n' || i AS note, i * 3 AS v FROM generate_series(1, 600000) AS i" },
} as const;
type TableName = keyof typeof tables;

let made: Promise<Fresh> | undefined;
afterAll(async () => (await made)?.[Symbol.asyncDispose]());

async function makeSource(): Promise<Fresh> {
  const source = await freshDatabase('postgres');
  const client = new pg.Client({ connectionString: source.url });
  await client.connect();
  try {
    for (const [table, { query }] of Object.entries(tables)) {
      await client.query(`CREATE TABLE ${table} AS ${query}`);
      await client.query(`ALTER TABLE ${table} ADD PRIMARY KEY (id)`);
    }
  } finally {
    await client.end();
  }
  return source;
}

async function peakMb(kind: (typeof kinds)[number], names: readonly TableName[]): Promise<number[]> {
  made ??= makeSource();
  const source = await made;
  await using folder = await temporaryFolder();
  await using destination = await freshDatabase(kind);
  const peaks: number[] = [];
  for (const [index, table] of names.entries()) {
    const { count } = tables[table];
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
  return peaks;
}

for (const kind of kinds) {
  await describeWith(['postgres', kind], `memory, PostgreSQL → ${kind}`, () => {
    it('stays under 512 MB with rows of 5 MB', { timeout: 180_000 }, async () => {
      const [peak] = await peakMb(kind, ['big']);
      expect(peak).toBeLessThan(512);
    });

    it('is the same for ten times the rows', { timeout: 180_000 }, async () => {
      const [few = 0, many = Number.POSITIVE_INFINITY] = await peakMb(kind, ['few', 'many']);
      expect(many - few).toBeLessThan(60);
    });
  });
}
