import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { expect, it } from 'vitest';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { idra, type Result } from './idra.ts';

/** For several demos, each of a few seconds on an idle machine. */
const timeout = 120_000;

const counts = { customers: [502, 6], orders: [10_025, 41], order_items: [30_075, 75] } as const;

function expectDemo({ code, stdout, stderr }: Result): void {
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const second = stdout.slice(stdout.indexOf('Second run'));
  for (const [table, [rows, moved]] of Object.entries(counts)) {
    expect(second).toMatch(new RegExp(`✔ ${table} +${moved} rows`));
    expect(second).toMatch(new RegExp(`${table} +${rows.toLocaleString('en-US')}  ([0-9a-f]{12}) +${rows.toLocaleString('en-US')}  \\1 +same`));
  }
  expect(stdout).toContain('No row lost, none doubled, no value changed.');
}

it('shows the main job in a fresh folder, again in the same one, and ends with commands that work', { timeout }, async () => {
  await using folder = await temporaryFolder();
  const startedAt = performance.now();
  const first = await idra(['demo'], { cwd: folder.path, env: { npm_lifecycle_event: 'start', INIT_CWD: folder.path } });
  expectDemo(first);
  expect(performance.now() - startedAt).toBeLessThan(60_000);
  for (const line of first.stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  // The demo's own comparison is checked by another one.
  const database = new Sqlite(join(folder.path, '.idra/demo/shop.db'));
  database.exec(`ATTACH '${join(folder.path, '.idra/demo/copy.db')}' AS copy`);
  for (const table of Object.keys(counts)) {
    const difference = `SELECT count(*) FROM (SELECT * FROM main.${table} EXCEPT SELECT * FROM copy.${table})`;
    expect(database.prepare(difference).pluck().get()).toBe(0);
    expect(database.prepare(`SELECT count(*) FROM copy.${table}`).pluck().get()).toBe(counts[table as keyof typeof counts][0]);
  }
  database.close();
  expectDemo(await idra(['demo'], { cwd: folder.path }));

  const commands = first.stdout.split('\n').flatMap((line) => /^npm run -s idra -- (.*)$/.exec(line)?.[1] ?? []);
  expect(commands.length).toBeGreaterThanOrEqual(3);
  for (const command of commands) {
    if (command.includes('--watch')) continue;
    expect(await idra(command.split(' '), { cwd: folder.path }), command).toMatchObject({ code: 0, stderr: '' });
  }
});

it('leaves other files of its folder alone, and says so where the two sides differ', { timeout }, async () => {
  await using folder = await temporaryFolder();
  await writeFile(join(folder.path, 'mine.db'), 'mine');
  const file = join(folder.path, 'own.db');
  expectDemo(await idra(['demo', '--dir', folder.path, '--to', file]));
  expectDemo(await idra(['demo', '--dir', folder.path, '--to', file]));
  const database = new Sqlite(file);
  database.exec(
    "CREATE TRIGGER bent AFTER INSERT ON idra_demo_customers BEGIN UPDATE idra_demo_customers SET nickname = 'x' WHERE id = new.id AND id = 7; END",
  );
  database.close();
  const bent = await idra(['demo', '--dir', folder.path, '--to', file]);
  expect(bent.code).toBe(1);
  expect(bent.stdout).toMatch(/customers .* DIFFERENT/);
  expect(bent.stdout).toMatch(/orders .* same/);
  expect(await readFile(join(folder.path, 'mine.db'), 'utf8')).toBe('mine');
});

for (const backend of ['postgres', 'mysql'] as const) {
  await describeWith([backend], `idra demo --to ${backend}`, () => {
    it('copies exactly, twice, and keeps the password out of files and output', { timeout }, async () => {
      await using folder = await temporaryFolder();
      await using database = await freshDatabase(backend);
      for (let again = 0; again < 2; again++) {
        const result = await idra(['demo', '--to', database.url], { cwd: folder.path });
        expectDemo(result);
        const { password } = new URL(database.url);
        if (password === '') continue;
        const written = await readFile(join(folder.path, '.idra/demo/syncs.yaml'), 'utf8');
        expect(written).toContain('${env:IDRA_DEMO_URL}');
        expect(written + result.stdout).not.toContain(`:${password}@`);
        expect(result.stdout).toContain('export IDRA_DEMO_URL=');
      }
    });
  });
}
