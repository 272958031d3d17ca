/** What is SQL Server's own: its types, rowversion, identity, code pages, and what it would change by itself. */
import sql from 'mssql';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Operation } from '../../../lib/connectors/connector.ts';
import { config } from '../../../lib/connectors/sqlserver/config.ts';
import { Session } from '../../../lib/connectors/sqlserver/session.ts';
import { resolveSettings, type SqlserverConnection } from '../../../lib/connectors/sqlserver/settings.ts';
import type { Row, Schema } from '../../../lib/values/types.ts';
import { batchOf, chunkOf, column, failure, freshName, openWriter, readTable, writeAll } from '../../conformance/drive.ts';
import { sqlserverConfig, sqlserverConnection } from '../../support/servers/sqlserver.ts';
import { describeWith } from '../../support/servers.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { quote, sqlserverHarness } from '../sqlserver-harness.ts';

type Made = Awaited<ReturnType<typeof sqlserverHarness>>;

/** Declared type, literal, canonical value. */
const everyType: readonly (readonly [declared: string, literal: string, canonical: Row[number]])[] = [
  ['bit', '1', true],
  ['tinyint', '255', 255],
  ['smallint', '-32768', -32768],
  ['int', '2147483647', 2147483647],
  ['bigint', '9223372036854775807', '9223372036854775807'],
  ['decimal(38, 20)', "'-0.00000000000000000001'", '-0.00000000000000000001'],
  ['numeric(38, 0)', "'99999999999999999999999999999999999999'", '99999999999999999999999999999999999999'],
  ['money', "'922337203685477.5807'", '922337203685477.5807'],
  ['smallmoney', "'-214748.3648'", '-214748.3648'],
  ['float', '936.6048963090145', 936.6048963090145],
  ['real', '0.5', 0.5],
  ['date', "'0001-01-01'", '0001-01-01'],
  ['time(7)', "'23:59:59.1234567'", '23:59:59.1234567'],
  ['time(0)', "'10:00:00'", '10:00:00'],
  ['datetime2(7)', "'9999-12-31 23:59:59.9999999'", '9999-12-31 23:59:59.9999999'],
  ['datetime2(0)', "'2024-01-01 10:20:30'", '2024-01-01 10:20:30'],
  ['datetime', "CONVERT(datetime, '1753-01-01 23:59:59.997', 121)", '1753-01-01 23:59:59.997'],
  ['smalldatetime', "CONVERT(smalldatetime, '2024-01-01 10:20:00', 120)", '2024-01-01 10:20:00'],
  ['datetimeoffset(7)', "CONVERT(datetimeoffset(7), '2024-01-01 10:20:30.1234567 -09:30', 121)", '2024-01-01 10:20:30.1234567-09:30'],
  ['uniqueidentifier', "'123E4567-E89B-12D3-A456-426614174000'", '123e4567-e89b-12d3-a456-426614174000'],
  ['char(5)', "'ab'", 'ab   '],
  ['nvarchar(20)', "N'hé ☃'", 'hé ☃'],
  ['varchar(20)', "'plain'", 'plain'],
  ['nvarchar(max)', "REPLICATE(CONVERT(nvarchar(max), N'é'), 9000)", 'é'.repeat(9000)],
  ['varbinary(max)', '0x00FF10', Buffer.from([0, 255, 16])],
  ['binary(3)', '0x0102', Buffer.from([1, 2, 0])],
  ['xml', '\'<a b="1">x</a>\'', '<a b="1">x</a>'],
];

await describeWith(['sqlserver'], 'SQL Server, what is its own', () => {
  let harness: Made;
  beforeAll(async () => {
    harness = await sqlserverHarness();
  });
  afterAll(async () => harness[Symbol.asyncDispose]());

  async function everything(): Promise<string> {
    const name = freshName('every');
    await harness.execute(
      `CREATE TABLE ${quote(name)} (id int NOT NULL PRIMARY KEY, ${everyType.map(([declared], i) => `c${i} ${declared} NULL`).join(', ')})`,
    );
    await harness.execute(`INSERT INTO ${quote(name)} VALUES (1, ${everyType.map(([, literal]) => literal).join(', ')})`);
    await harness.execute(`INSERT INTO ${quote(name)} (id) VALUES (2)`);
    return name;
  }

  it('a session that is lost stays lost: no new one, without its temporary table, takes its place', async () => {
    await using proxy = await TcpProxy.before(harness.url);
    const through = (url: string): Promise<Session> =>
      resolveSettings(config.connection.parse(sqlserverConnection(url)) as SqlserverConnection).then((settings) => Session.open(settings, 'idra test'));
    await using session = await through(proxy.through(harness.url));
    await session.batch('CREATE TABLE #own (id int)');
    expect(await session.query('SELECT * FROM #own')).toEqual([]);
    const { connections } = proxy.counts;
    expect(proxy.open).toBe(1);
    proxy.cut();
    await expect(session.query('SELECT * FROM #own')).rejects.toThrow();
    await session.gone;
    expect(session.lost).toBe(true);
    await failure(() => session.query('SELECT * FROM #own'), 'CONNECTION_FAILED');
    expect(proxy.counts.connections).toBe(connections);
    const wrong = new URL(harness.url);
    wrong.password = 'not-it';
    await failure(() => through(wrong.href), 'AUTHENTICATION_FAILED', 'Connecting to');
  });

  it('reads every type exactly, by table and by query', async () => {
    const name = await everything();
    const expected = [
      [1, ...everyType.map(([, , canonical]) => canonical)],
      [2, ...everyType.map(() => null)],
    ];
    expect((await readTable(harness, name)).rows).toEqual(expected);
    const query = await readTable(harness, name, { mode: 'id', cursor: { key: ['id'] }, options: harness.query?.(`SELECT * FROM ${quote(name)}`) });
    expect(query.rows).toEqual(expected);
  });

  it('writes every type back into a table of the same types', async () => {
    const name = await everything();
    const { schema, rows } = await readTable(harness, name, { peer: 'sqlserver' });
    const copy: Schema = { ...schema, name: freshName('copy') };
    await writeAll(harness, copy, rows, { write: 'upsert', peer: 'sqlserver' });
    const back = await readTable(harness, copy.name);
    expect(back.rows).toEqual((await readTable(harness, name)).rows);
    expect(back.schema.columns.map(({ native }) => native?.type)).toEqual(schema.columns.map(({ native }) => native?.type));
  });

  it('a rowversion is an exact cursor: a transaction that commits late is not hidden', async () => {
    const name = freshName('versions');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int NOT NULL PRIMARY KEY, v rowversion NOT NULL)`);
    const ask = { mode: 'timestamp', cursor: { column: 'v', key: ['id'] } } as const;
    await harness.execute(`INSERT INTO ${quote(name)} (id) VALUES (1)`);
    const late = new sql.Transaction(harness.pool);
    await late.begin();
    await late.request().query(`INSERT INTO ${quote(name)} (id) VALUES (2)`);
    const other = await new sql.ConnectionPool(sqlserverConfig(harness.url)).connect();
    await other.request().query(`INSERT INTO ${quote(name)} (id) VALUES (3)`);
    await other.close();
    // Committed whatever comes, or the database could not be dropped
    const first = await readTable(harness, name, { ...ask, include: ['id'] }).finally(() => late.commit());
    expect(first.rows).toEqual([[1]]);
    const second = await readTable(harness, name, { ...ask, include: ['id'], read: { from: first.boundaries.at(-1)?.cursor ?? null } });
    expect(second.rows).toEqual([[2], [3]]);
  });

  it('an identity column takes the values of the source, in inserts and as the key of upserts', async () => {
    const name = freshName('identity');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int IDENTITY(1, 1) NOT NULL PRIMARY KEY, v int NULL)`);
    const schema: Schema = { name, columns: [column('id', 'int32', false), column('v', 'int32')], key: ['id'] };
    await writeAll(harness, schema, [[41, 1]]);
    const upserts = [
      [41, 2],
      [7, 3],
    ];
    await writeAll(harness, schema, upserts, { write: 'upsert' });
    expect((await readTable(harness, name)).rows).toEqual([
      [7, 3],
      [41, 2],
    ]);
  });

  it('leaves computed columns and rowversions to the server', async () => {
    const name = freshName('own');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int NOT NULL PRIMARY KEY, v int NULL, twice AS (v * 2), r rowversion)`);
    const schema: Schema = { name, columns: [column('id', 'int32', false), column('v', 'int32')], key: ['id'] };
    await writeAll(harness, schema, [[1, 21]], { write: 'upsert' });
    expect((await readTable(harness, name, { include: ['id', 'twice'] })).rows).toEqual([[1, 42]]);
    const brought: Schema = { ...schema, columns: [...schema.columns, column('twice', 'int32')] };
    await failure(() => writeAll(harness, brought, [[1, 1, 2]]), 'SCHEMA_MISMATCH', 'twice');
  });

  it('refuses characters that a code page lacks, by key, and takes those that it has', async () => {
    const name = freshName('coded');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int NOT NULL PRIMARY KEY, v varchar(20) COLLATE Latin1_General_CI_AS NULL)`);
    const schema: Schema = { name, columns: [column('id', 'int32', false), column('v', 'string')], key: ['id'] };
    await writeAll(harness, schema, [[1, 'José']]);
    await failure(() => writeAll(harness, schema, [[2, 'snow ☃']]), 'VALUE_UNREPRESENTABLE', 'v', '2');
    expect((await readTable(harness, name)).rows).toEqual([[1, 'José']]);
  });

  it('an upsert takes rows by the key alone, and a clash on another unique key is the fault of the row', async () => {
    const name = freshName('unique');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int NOT NULL PRIMARY KEY, mail nvarchar(50) NOT NULL UNIQUE)`);
    const schema: Schema = { name, columns: [column('id', 'int32', false), column('mail', 'string', false)], key: ['id'] };
    await writeAll(harness, schema, [[1, 'a@example.net']]);
    await failure(() => writeAll(harness, schema, [[2, 'a@example.net']], { write: 'upsert' }), 'ROW_REJECTED', name);
    expect((await readTable(harness, name)).rows).toEqual([[1, 'a@example.net']]);
  });

  it('sets a row aside that only the server refuses, and keeps those around it and the letter', async () => {
    const name = freshName('aside');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int NOT NULL PRIMARY KEY, v int NOT NULL CHECK (v > 0))`);
    const schema: Schema = { name, columns: [column('id', 'int32', false), column('v', 'int32', false)], key: ['id'] };
    await using open = await openWriter(harness, schema, { write: 'upsert', onError: 'deadLetter' });
    await open.writer.attempt?.(chunkOf([[1, 1]]));
    await failure(async () => open.writer.attempt?.(chunkOf([[2, -1]])), 'ROW_REJECTED', name);
    const changes = chunkOf(
      [
        [3, 3],
        [1, null],
      ],
      { operations: Uint8Array.from([Operation.insert, Operation.delete]) },
    );
    await open.writer.attempt?.(changes);
    const letter = { place: 'id=2', code: 'ROW_REJECTED', reason: 'no', row: '{"id":"2"}', kind: 'row' } as const;
    await open.writer.commit(batchOf('after', { deadLetters: [letter] }));
    expect((await readTable(harness, name)).rows).toEqual([[3, 3]]);
    expect(await open.destination.deadLetters?.()).toMatchObject([{ place: 'id=2' }]);
    // The session is as good as before for the batch that follows
    await open.writer.write(chunkOf([[4, 4]]));
    expect(await open.writer.commit(batchOf('later'))).toMatchObject({ seq: 2n, written: 1 });
  });
});
