/** Servers as their operators set them: no LOAD DATA LOCAL, no table without a primary key, odd modes of SQL, short timeouts, read-only for a while; and users with no more than README.md asks for. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connector } from '../../lib/connectors/mysql/index.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, failure, freshName, openSource, openWriter, readTable, writeAll } from '../conformance/drive.ts';
import { startMysql } from '../support/servers/mysql.ts';
import { describeWith } from '../support/servers.ts';
import { waitUntil } from '../support/wait-until.ts';
import { mysqlHarness, quote } from './mysql-harness.ts';

type Made = Awaited<ReturnType<typeof mysqlHarness>>;

const settings = [
  '--local-infile=0',
  '--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,NO_ZERO_DATE',
  '--default-time-zone=-03:30',
  '--lower-case-table-names=0',
  '--loose-sql-require-primary-key=ON',
  '--loose-innodb-force-primary-key=ON',
];

await describeWith(['mysql'], 'a server of somebody else', () => {
  let server: Awaited<ReturnType<typeof startMysql>>;
  let admin: Made;
  /** What README.md says a user needs. */
  let writer: Made;
  let reader: Made;

  beforeAll(async () => {
    server = await startMysql({ arguments: settings });
    admin = await mysqlHarness(server);
    const database = quote(new URL(admin.url).pathname.slice(1));
    const as = async (name: string, privileges: string): Promise<Made> => {
      await admin.execute(`CREATE USER ${name} IDENTIFIED BY 'idra-test'`);
      await admin.execute(`GRANT ${privileges} ON ${database}.* TO ${name}`);
      return { ...admin, connection: { ...(admin.connection as object), url: admin.url.replace('//idra:', `//${name}:`) } };
    };
    writer = await as('writer', 'SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, CREATE TEMPORARY TABLES');
    reader = await as('reader', 'SELECT');
  }, 60_000);
  afterAll(async () => {
    await admin[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const items = (): Schema => ({
    name: freshName('items'),
    columns: [column('id', 'int64', false), column('v', 'string'), column('done', 'boolean')],
    key: ['id'],
  });
  const final = { cursor: null, final: true } as const;
  const ids = async (table: string): Promise<string[]> => (await readTable(admin, table)).rows.map(([id]) => String(id));

  it.each(['insert', 'upsert', 'replace'] as const)('takes %s from a user with the privileges of README.md, by INSERT', async (write) => {
    expect((await connector.check(writer.connection, new AbortController().signal)).write).toContain('INSERT of many rows');
    const schema = items();
    const rows: Row[] = [
      ['1', 'it\'s \\ "so" \0', true],
      ['2', null, null],
    ];
    await writeAll(writer, schema, rows, { write, batch: final });
    // Another unique key: by way of a table of its own for the load
    if (write === 'upsert') await admin.execute(`ALTER TABLE ${quote(schema.name)} ADD COLUMN own INT UNIQUE`);
    await writeAll(writer, schema, [['3', 'c', false]], { write, deletes: 'soft', batch: final });
    const { rows: found, schema: read } = await readTable(reader, schema.name);
    const wanted = [...(write === 'replace' ? [] : rows), ['3', 'c', false]];
    expect(found.map((row) => row.slice(0, 3))).toEqual(wanted);
    expect(read.columns[2]?.type).toEqual({ kind: 'boolean' });
  });

  it('says what to do about a table without a key, where it takes none', async () => {
    const schema: Schema = { ...items(), key: [] };
    await failure(() => writeAll(writer, schema, [['1', 'a', true]]), 'SCHEMA_MISMATCH', schema.name, 'primary key');
  });

  it('lets a run end the connections of the one before it', async () => {
    const schema = items();
    const sync = schema.name;
    await using frozen = await openWriter(writer, schema, { sync, claim: claimOf(1, { sync }) });
    await frozen.writer.write(chunkOf([['1', 'old', true]]));
    await writeAll(writer, schema, [['1', 'new', true]], { sync, claim: claimOf(2, { sync }) });
    await expect(frozen.writer.commit(batchOf('late'))).rejects.toMatchObject({ code: 'FENCED' });
    expect(await ids(schema.name)).toEqual(['1']);
  });

  it('may end idle connections after a second: those of a run stay', async () => {
    await admin.execute('SET GLOBAL wait_timeout = 1');
    try {
      const schema = items();
      await using open = await openWriter(writer, schema);
      const idle = async (): Promise<number> => {
        const [rows] = await admin.client.query("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'writer' AND TIME >= 2");
        return Number((rows as unknown as string[][])[0]?.[0]);
      };
      for (const id of ['1', '2']) {
        await open.writer.write(chunkOf([[id, 'a', true]]));
        await open.writer.commit(batchOf(id));
      }
      await waitUntil(async () => (await idle()) >= 2, { timeoutMs: 10_000 });
      await open.writer.write(chunkOf([['3', 'a', true]]));
      await open.writer.commit(batchOf('3'));
      expect(await ids(schema.name)).toEqual(['1', '2', '3']);
    } finally {
      await admin.execute('SET GLOBAL wait_timeout = 28800');
    }
  });

  it('refuses by name while it is read-only, and takes rows again afterwards', async () => {
    const schema = items();
    await writeAll(writer, schema, [['1', 'a', true]]);
    const readOnly = (on: 0 | 1): Promise<void> => admin.execute(`SET GLOBAL ${admin.isMariadb ? 'read_only' : 'super_read_only'} = ${on}`);
    await readOnly(1);
    try {
      await failure(() => writeAll(writer, schema, [['2', 'b', true]]), 'PERMISSION_DENIED', schema.name, 'read');
      expect((await readTable(reader, schema.name)).rows.length).toBe(1);
    } finally {
      await readOnly(0);
      if (!admin.isMariadb) await admin.execute('SET GLOBAL read_only = 0');
    }
    await writeAll(writer, schema, [['2', 'b', true]], { claim: claimOf(2) });
    expect(await ids(schema.name)).toEqual(['1', '2']);
  });

  it('names what a user may not do', async () => {
    const schema = items();
    await failure(() => writeAll(reader, schema, [['1', 'a', true]]), 'PERMISSION_DENIED', schema.name);
  });

  it('refuses a table of which the user may not read every column, unless those are named that it may', async () => {
    const name = freshName('partly');
    await admin.execute(`CREATE TABLE ${quote(name)} (id INT, hidden INT, v INT, PRIMARY KEY (id, hidden))`);
    await admin.execute(`INSERT INTO ${quote(name)} VALUES (1, 2, 3)`);
    await admin.execute("CREATE USER partly IDENTIFIED BY 'idra-test'");
    await admin.execute(`GRANT SELECT (id, v) ON ${quote(name)} TO partly`);
    const partly: Made = { ...admin, connection: { ...(admin.connection as object), url: admin.url.replace('//idra:', '//partly:') } };
    await failure(() => readTable(partly, name), 'PERMISSION_DENIED', name, 'columns.include');
    const read = await readTable(partly, name, { include: ['id', 'v'] });
    expect(read.rows).toEqual([['1', '3']]);
    expect(read.schema.key).toEqual([]);
    expect((await readTable(reader, name)).rows).toEqual([['1', '2', '3']]);
  });

  describe('a foreign key of a table that the user cannot see', () => {
    const others = quote(freshName('others'));
    beforeAll(async () => admin.execute(`CREATE DATABASE ${others}`));
    afterAll(async () => {
      await admin.execute('SET foreign_key_checks = 0');
      await admin.execute(`DROP DATABASE ${others}`);
    });

    const child = async (table: string, to: string): Promise<() => Promise<unknown>> => {
      const database = quote(new URL(admin.url).pathname.slice(1));
      const name = `${others}.${quote(`of ${table}`)}`;
      await admin.execute(
        `CREATE TABLE ${name} (id INT PRIMARY KEY, p BIGINT, FOREIGN KEY (p) REFERENCES ${database}.${quote(table)} (${to}) ON DELETE CASCADE)`,
      );
      await admin.execute(`INSERT INTO ${name} VALUES (10, 1)`);
      return async () => (await admin.client.query(`SELECT p FROM ${name}`))[0];
    };

    it.each(['in bulk', 'row by row'])('keeps its rows through an upsert %s, and a delete acts as it says', async (way) => {
      const schema: Schema = { name: freshName('parent'), columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] };
      await writeAll(writer, schema, [['1', 'old']], { write: 'upsert' });
      const left = await child(schema.name, 'id');
      await using open = await openWriter(writer, schema, { write: 'upsert', claim: claimOf(2), frugal: true });
      if (way === 'in bulk') await open.writer.write(chunkOf([['1', 'new']]));
      else {
        await failure(
          async () =>
            open.writer.attempt?.(
              chunkOf([
                ['1', 'new'],
                ['2', '\uD800'],
              ]),
            ),
          'VALUE_UNREPRESENTABLE',
        );
        await open.writer.attempt?.(chunkOf([['1', 'new']]));
      }
      await open.writer.commit(batchOf('one'));
      expect((await readTable(admin, schema.name)).rows).toEqual([['1', 'new']]);
      expect(await left()).toEqual([['1']]);
      await open.writer.write(
        chunkOf(
          [
            ['1', 'again'],
            ['1', null],
          ],
          { operations: Uint8Array.of(1, 2) },
        ),
      );
      await open.writer.commit(batchOf('two'));
      expect(await left()).toEqual([]);
    });

    it('to another column than the key still sees that column change', async () => {
      const schema: Schema = { name: freshName('parent'), columns: [column('id', 'int64', false), column('v', 'int64')], key: ['id'] };
      await admin.execute(`CREATE TABLE ${quote(schema.name)} (id BIGINT PRIMARY KEY, v BIGINT, KEY (v))`);
      await admin.execute(`INSERT INTO ${quote(schema.name)} VALUES (5, 1)`);
      const left = await child(schema.name, 'v');
      await failure(() => writeAll(writer, schema, [['5', '2']], { write: 'upsert' }), 'ROW_REJECTED', 'foreign key');
      await writeAll(writer, schema, [['5', '1']], { write: 'upsert', claim: claimOf(2) });
      expect(await left()).toEqual([['1']]);
    });

    it('of the target itself is checked', async () => {
      const schema: Schema = { name: freshName('child'), columns: [column('id', 'int64', false), column('p', 'int64')], key: ['p'] };
      await admin.execute(`CREATE TABLE ${others}.${quote(schema.name)} (id BIGINT PRIMARY KEY)`);
      await admin.execute(
        `CREATE TABLE ${quote(schema.name)} (id BIGINT, p BIGINT PRIMARY KEY, FOREIGN KEY (p) REFERENCES ${others}.${quote(schema.name)} (id))`,
      );
      await failure(() => writeAll(writer, schema, [['5', '2']], { write: 'upsert' }), 'ROW_REJECTED', 'foreign key');
    });
  });

  describe('names that MySQL and its versions to come keep to themselves', () => {
    it('are names like any other', async () => {
      const words = [
        'rank',
        'lead',
        'groups',
        'system',
        'lateral',
        'of',
        'intersect',
        'manual',
        'parallel',
        'qualify',
        'tablesample',
        'library',
        'window',
        'recursive',
      ];
      const schema: Schema = { name: 'rank', columns: words.map((word) => column(word, 'int32', word !== 'rank')), key: ['rank'] };
      const row: Row = words.map((_, i) => String(i));
      await writeAll(writer, schema, [row], { write: 'upsert' });
      await using source = await openSource(reader, 'rank', { mode: 'timestamp', cursor: { column: 'lead', key: ['rank'] } });
      expect(source.schema.columns.map(({ name }) => name)).toEqual(words);
      expect((await readTable(reader, 'rank', { mode: 'id', cursor: { key: ['rank'] } })).rows).toEqual([row]);
    });

    it('and names with quotes and backslashes hold a boolean as one', async () => {
      const name = freshName('flags');
      const schema: Schema = {
        name,
        columns: [column('id', 'int32', false), ...["it's", 'a`b', 'x\\y', '"q"'].map((flag) => column(flag, 'boolean'))],
        key: ['id'],
      };
      await writeAll(writer, schema, [['1', true, false, null, true]]);
      const found = await readTable(reader, name);
      expect(found.schema.columns.slice(1).map(({ type }) => type.kind)).toEqual(['boolean', 'boolean', 'boolean', 'boolean']);
      expect(found.rows).toEqual([['1', true, false, null, true]]);
    });
  });
});
