/** What a user reads when something is wrong with a database, and what stays intact. */
import pg from 'pg';
import { expect, it } from 'vitest';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { idra, jsonLines } from './idra.ts';
import { ordersSync, type Shop, shop } from './shop.ts';

const canary = 'canary-Pa55word';

async function defineTo(here: Shop, url: string, more = ''): Promise<void> {
  const { protocol } = new URL(url);
  const type = protocol.replace(':', '');
  await here.define(`connections:
  shop: { type: sqlite, path: shop.db }
  copy: { type: ${type}, url: "\${env:COPY_URL}" }
syncs:\n${ordersSync}${more}`);
}

for (const backend of ['postgres', 'mysql'] as const) {
  await describeWith([backend], `failures against ${backend}`, () => {
    it('a wrong password is named without being shown, by run, check and plan', async () => {
      await using here = await shop(5);
      await using database = await freshDatabase(backend);
      await defineTo(here, database.url);
      const url = new URL(database.url);
      url.password = canary;
      const env = { COPY_URL: url.href };
      for (const command of ['run', 'check', 'plan']) {
        const { code, stdout, stderr } = await idra([command, '--json'], { cwd: here.folder, env });
        expect(code, command).toBe(1);
        const failed = jsonLines(stdout).find((line) => line.error);
        expect(failed, stdout).toMatchObject({ error: { code: 'AUTHENTICATION_FAILED' } });
        expect(stdout + stderr).not.toContain(canary);
      }
      const status = await idra(['status'], { cwd: here.folder, env });
      expect(status.stdout).toContain('AUTHENTICATION_FAILED');
      expect(status.stdout).not.toContain(canary);
    });

    it('a reference without a value is a failure of the sync that names it', async () => {
      await using here = await shop(5);
      await using database = await freshDatabase(backend);
      await defineTo(here, database.url);
      const { code, stdout } = await idra(['run'], { cwd: here.folder });
      expect(code).toBe(1);
      expect(stdout).toMatch(/SECRET_UNRESOLVED[\s\S]*COPY_URL/);
    });

    it('copies exactly, and a run against a server that is down changes nothing', async () => {
      await using here = await shop(500);
      await using database = await freshDatabase(backend);
      await defineTo(here, database.url);
      expect(await idra(['run'], { cwd: here.folder, env: { COPY_URL: database.url } })).toMatchObject({ code: 0, stderr: '' });
      const down = new URL(database.url);
      down.port = '1';
      const { code, stdout } = await idra(['run', '--json'], { cwd: here.folder, env: { COPY_URL: down.href } });
      expect(code).toBe(1);
      expect(jsonLines(stdout)).toMatchObject([{ status: 'failed', error: { code: 'CONNECTION_FAILED' }, written: 0 }]);
      const again = await idra(['run', '--json'], { cwd: here.folder, env: { COPY_URL: database.url } });
      expect(jsonLines(again.stdout)).toMatchObject([{ status: 'succeeded', read: 0 }]);
    });
  });
}

await describeWith(['postgres'], 'a destination that does not fit', () => {
  it('a type that cannot hold the column, and a row that breaks a constraint, are named; the batch before stays', async () => {
    await using here = await shop(20);
    await using database = await freshDatabase('postgres');
    const env = { COPY_URL: database.url };
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('CREATE TABLE orders (id bigint PRIMARY KEY, note text, total date NOT NULL, updated_at timestamp NOT NULL)');
      await defineTo(here, database.url);
      const misfit = await idra(['run', '--json'], { cwd: here.folder, env });
      expect(jsonLines(misfit.stdout)).toMatchObject([{ error: { code: 'SCHEMA_MISMATCH', message: expect.stringContaining('total') } }]);
      await client.query(
        'DROP TABLE orders; CREATE TABLE orders (id bigint PRIMARY KEY CHECK (id <> 15), note text, total numeric NOT NULL, updated_at timestamp NOT NULL)',
      );
      await defineTo(here, database.url, '    batch: { rows: 10 }\n');
      const rejected = await idra(['run', '--json'], { cwd: here.folder, env });
      expect(rejected.code).toBe(1);
      expect(jsonLines(rejected.stdout)).toMatchObject([{ written: 10, error: { code: 'ROW_REJECTED', message: expect.stringContaining('orders') } }]);
      await client.query('ALTER TABLE orders DROP CONSTRAINT orders_id_check');
      expect(jsonLines((await idra(['run', '--json'], { cwd: here.folder, env })).stdout)).toMatchObject([{ written: 10, status: 'succeeded' }]);
      const { rows } = await client.query("SELECT id::text, coalesce(note, 'NULL') AS note, total::text FROM orders ORDER BY orders.id");
      expect(rows.map(({ id, note, total }) => [id, note, total])).toEqual(
        here.rows("SELECT CAST(id AS TEXT), coalesce(note, 'NULL'), total FROM orders ORDER BY id"),
      );
    } finally {
      await client.end();
    }
  });
});
