/** A password that was changed at the server and in its secret while the old one is still cached: the run reads it again and goes on, once. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import mysql from 'mysql2/promise';
import { beforeAll, expect, it } from 'vitest';
import { parseDefinitions } from '../../lib/config/load.ts';
import { Redactor } from '../../lib/config/redactor.ts';
import { createResolver } from '../../lib/config/secrets.ts';
import { createOpener } from '../../lib/connectors/open.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { Report } from '../../lib/engine/report.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import { type Fresh, freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

await describeWith(['mysql'], 'a secret that was rotated', () => {
  let database: Fresh;
  let user: string;
  beforeAll(async () => {
    database = await freshDatabase('mysql');
    user = `rotated${process.pid}`;
    await administer(`create user ${user}@'%' identified by 'before-the-change'`, `grant all on \`${database.name}\`.* to ${user}@'%'`);
    await administer('create table orders (id int primary key)', 'insert into orders values (1), (2), (3)');
    return async () => {
      await administer(`drop user ${user}@'%'`);
      await database[Symbol.asyncDispose]();
    };
  });

  async function administer(...statements: readonly string[]): Promise<void> {
    const connection = await mysql.createConnection({ uri: database.url });
    for (const statement of statements) await connection.query(statement);
    await connection.end();
  }

  it.for(['source', 'destination'] as const)('is read again where a server refuses the old one: as the %s, once, with nothing doubled', async (end) => {
    await using folder = await temporaryFolder();
    const file = new Sqlite(join(folder.path, 'file.db'));
    file.exec('create table orders (id integer primary key); insert into orders values (1), (2), (3)');
    file.close();
    const { hostname, port } = new URL(database.url);
    const [from, to] = ['orders', 'copied'];
    const ends = end === 'source' ? ['server', 'file'] : ['file', 'server'];
    const definitions = parseDefinitions(
      JSON.stringify({
        connections: {
          server: { type: 'mysql', host: hostname, port: Number(port), user, password: '${secret:shop}', database: database.name },
          file: { type: 'sqlite', path: join(folder.path, 'file.db') },
        },
        syncs: [
          {
            name: `rotated-${end}`,
            source: { connection: ends[0], table: from },
            destination: { connection: ends[1], table: to },
            mode: 'id',
            cursor: { column: 'id' },
          },
        ],
      }),
      'test.yaml',
    );
    const [definition] = definitions.syncs;
    if (definition === undefined) throw new Error('there is a sync');
    const asked: string[] = [];
    let password = 'before-the-change';
    const secret = async (): Promise<string> => {
      asked.push(password);
      return password;
    };
    const open = createOpener(definitions, { resolver: createResolver({ secret, redactor: new Redactor() }) });
    await using coordination = await openCoordination({ path: join(folder.path, 'state.db') });
    const run = (): Promise<Report> => runSync(definition, { coordination, open }, { signal: new AbortController().signal });
    const set = (text: string): Promise<void> => administer(`alter user ${user}@'%' identified by '${text}'`);

    await set('before-the-change');
    expect(await run()).toMatchObject({ status: 'succeeded', written: 3, retries: 0 });
    expect(asked).toHaveLength(1);
    password = 'after-the-change';
    await set(password);
    expect(await run()).toMatchObject({ status: 'succeeded', written: 0, retries: 1 });
    expect(asked).toEqual(['before-the-change', 'after-the-change']);
    expect(await run()).toMatchObject({ status: 'succeeded', retries: 0 });
    // Wrong in the secret as well: asked once more, and no further
    await set('known-to-nobody');
    const refused = await run();
    expect(refused).toMatchObject({ status: 'failed', error: { code: 'AUTHENTICATION_FAILED' } });
    expect(asked).toHaveLength(3);
    expect(JSON.stringify(refused)).not.toMatch(/the-change|nobody/);
  });
});
