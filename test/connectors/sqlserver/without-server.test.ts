/** What needs no server: addresses, error numbers, the forms in which values are sent, and the statements that take a batch to its table. */
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import type { CatalogueColumn } from '../../../lib/connectors/sqlserver/catalogue.ts';
import { columnWriter } from '../../../lib/connectors/sqlserver/column-writer.ts';
import { config } from '../../../lib/connectors/sqlserver/config.ts';
import { sqlserverDialect } from '../../../lib/connectors/sqlserver/dialect.ts';
import { endsConnection, sqlserverError } from '../../../lib/connectors/sqlserver/errors.ts';
import { Session } from '../../../lib/connectors/sqlserver/session.ts';
import { resolveSettings, type SqlserverConnection } from '../../../lib/connectors/sqlserver/settings.ts';
import { sinkFor } from '../../../lib/connectors/sqlserver/sink.ts';
import { columnOf, factsOf } from '../../../lib/connectors/sqlserver/types.ts';
import { SyncError } from '../../../lib/errors.ts';
import type { LogicalType, Value } from '../../../lib/values/types.ts';

describe('addresses', () => {
  const settings = (fields: object) => resolveSettings(config.connection.parse({ type: 'sqlserver', ...fields }) as SqlserverConnection);

  it.each([
    [
      { url: 'sqlserver://u:p%40ss@db.example:1533?database=shop' },
      { host: 'db.example', port: 1533, user: 'u', password: 'p@ss', database: 'shop', ssl: 'verify-full' },
    ],
    [
      { url: 'mssql://u@db.example/shop?encrypt=true&trustServerCertificate=true' },
      { host: 'db.example', port: 1433, user: 'u', database: 'shop', ssl: 'require' },
    ],
    [{ url: 'sqlserver://u@db.example/SQLEXPRESS?Encrypt=disable' }, { host: 'db.example', instance: 'SQLEXPRESS', user: 'u', ssl: 'disable' }],
    [
      { url: 'sqlserver://u@db.example?encrypt=false', ssl: 'verify-full' },
      { host: 'db.example', port: 1433, ssl: 'verify-full' },
    ],
    [
      { host: 'db.example', instance: 'one' },
      { host: 'db.example', instance: 'one', ssl: 'verify-full', name: 'db.example\\one/' },
    ],
  ])('%j', async (fields, expected) => {
    const resolved = await settings(fields);
    expect(resolved).toMatchObject(expected);
    if ('instance' in expected) expect(resolved).not.toHaveProperty('port');
  });

  it.each(['sqlserver://u:secret@h?colour=red', 'sqlserver://u:secret@h?encrypt=perhaps', 'sqlserver://u:secret@h:port'])(
    'refuses %s without telling the password',
    async (url) => {
      const error = await settings({ url }).catch((caught: unknown) => caught);
      expect(error).toBeInstanceOf(SyncError);
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
      expect(String((error as Error).message)).not.toContain('secret');
    },
  );
});

describe('the driver', () => {
  it('is one: the requests that are made here belong to the very tedious that mssql connects with', () => {
    const here = createRequire(import.meta.url);
    expect(createRequire(here.resolve('mssql')).resolve('tedious')).toBe(here.resolve('tedious'));
  });

  it('says what could not be reached, and leaves nothing behind', async () => {
    const settings = await resolveSettings(config.connection.parse({ type: 'sqlserver', host: '127.0.0.1', port: 1, user: 'u' }) as SqlserverConnection);
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const before = timers();
    await expect(Session.open(settings, 'idra test')).rejects.toMatchObject({ code: 'CONNECTION_FAILED', retry: 'backoff' });
    expect(timers()).toBeLessThanOrEqual(before);
  });
});

describe('errors by number', () => {
  const server = (number: number): Error =>
    Object.assign(new Error("Violation of PRIMARY KEY constraint 'pk_orders'. The duplicate key value is (hidden)."), { number, code: 'EREQUEST' });

  it.each([
    [1205, 'CONFLICT', 'now'],
    [1222, 'CONFLICT', 'now'],
    [2627, 'ROW_REJECTED', 'never'],
    [2601, 'ROW_REJECTED', 'never'],
    [547, 'ROW_REJECTED', 'never'],
    [515, 'ROW_REJECTED', 'never'],
    [8152, 'VALUE_UNREPRESENTABLE', 'never'],
    [2628, 'VALUE_UNREPRESENTABLE', 'never'],
    [18_456, 'AUTHENTICATION_FAILED', 'never'],
    [4060, 'NOT_FOUND', 'never'],
    [208, 'NOT_FOUND', 'never'],
    [229, 'PERMISSION_DENIED', 'never'],
    [9002, 'DISK_FULL', 'backoff'],
    [3966, 'DISK_FULL', 'backoff'],
    [3952, 'UNSUPPORTED', 'never'],
    [41_368, 'UNSUPPORTED', 'never'],
    [40_501, 'THROTTLED', 'backoff'],
    [596, 'CONNECTION_FAILED', 'backoff'],
    [976, 'CONNECTION_FAILED', 'backoff'],
    [18_401, 'CONNECTION_FAILED', 'backoff'],
    [40_914, 'PERMISSION_DENIED', 'never'],
    [41_839, 'CONFLICT', 'now'],
    [33_504, 'ROW_REJECTED', 'never'],
  ])('%i is %s', (number, code, retry) => {
    const error = sqlserverError(server(number), { doing: 'Writing dbo.orders', rows: true });
    expect(error).toMatchObject({ code, retry });
  });

  it('names the constraint and not the values beside it', () => {
    const { message } = sqlserverError(new AggregateError([server(2627), server(3621)]), { doing: 'Writing dbo.orders', rows: true });
    expect(message).toContain('pk_orders');
    expect(message).not.toContain('hidden');
    expect(sqlserverError(server(987_654), { doing: 'Writing dbo.orders', rows: true }).message).not.toContain('hidden');
  });

  it('takes a conversion that fails, and what a trigger throws, for the fault of a row only where rows are written', () => {
    expect(sqlserverError(server(245), { doing: 'Writing', rows: true }).code).toBe('VALUE_UNREPRESENTABLE');
    expect(sqlserverError(server(245), { doing: 'Reading' }).code).toBe('CONFIG_INVALID');
    expect(sqlserverError(server(50_001), { doing: 'Writing', rows: true }).code).toBe('ROW_REJECTED');
    expect(sqlserverError(server(50_001), { doing: 'Reading' }).code).toBe('INTERNAL');
  });

  it('knows what ends a connection, and why none was made', () => {
    const socket = Object.assign(new Error('failed'), { code: 'ESOCKET', cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }) });
    expect(endsConnection(socket)).toBe(true);
    expect(endsConnection(server(2627))).toBe(false);
    expect(sqlserverError(socket, { doing: 'Connecting', lost: true })).toMatchObject({ code: 'CONNECTION_FAILED', retry: 'backoff' });
    const certificate = Object.assign(new Error('failed'), {
      code: 'ESOCKET',
      cause: Object.assign(new Error('self-signed'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }),
    });
    expect(sqlserverError(certificate, { doing: 'Connecting', lost: true })).toMatchObject({ code: 'CONNECTION_FAILED', retry: 'never' });
  });
});

describe('values', () => {
  const any: Parameters<typeof factsOf>[1] = { bytes: 20, precision: 10, scale: 2, collation: null };
  const writer = (base: string, incoming: LogicalType, facts: Partial<typeof any> = {}) =>
    columnWriter({ name: 'c', nullable: true, facts: factsOf(base, { ...any, ...facts }) }, incoming);
  const stamp: LogicalType = { kind: 'timestamp', fraction: 9, zoned: false };
  const zoned: LogicalType = { kind: 'timestamp', fraction: 9, zoned: true };
  const decimal: LogicalType = { kind: 'decimal' };

  it.each<[string, LogicalType, Value, unknown, Partial<typeof any>?]>([
    ['decimal', decimal, '-0012.50000000000000000000000000000000000000', '-12.5'],
    ['decimal', decimal, '5', '5'],
    ['money', decimal, '922337203685477.5807', '922337203685477.5807'],
    ['datetime2', stamp, '2024-01-01T10:20:30.123000000', '2024-01-01 10:20:30.1230000', { scale: 3 }],
    ['datetime', stamp, '2024-01-01 10:20:30.997000', '2024-01-01 10:20:30.997'],
    ['smalldatetime', stamp, '2024-01-01 10:20:00.000', '2024-01-01 10:20:00'],
    ['datetimeoffset', zoned, '2024-01-01 10:20:30.5+05:30', '2024-01-01 10:20:30.5 +05:30', { scale: 7 }],
    ['datetimeoffset', zoned, '2024-01-01 10:20:30Z', '2024-01-01 10:20:30 +00:00', { scale: 7 }],
    ['datetimeoffset', zoned, '2024-01-01 10:20:30+15:00', '2023-12-31 19:20:30 +00:00', { scale: 7 }],
    ['time', { kind: 'time', fraction: 9 }, '23:59:59.123456700', '23:59:59.1234567', { scale: 7 }],
    ['tinyint', { kind: 'int32' }, '255', '255'],
    ['bit', { kind: 'boolean' }, true, true],
    ['bigint', { kind: 'boolean' }, true, 1n],
    ['float', { kind: 'float64' }, '1.7976931348623157e+308', Number.MAX_VALUE],
    ['nvarchar', { kind: 'string' }, 'a\ud800b', 'a\ud800b'],
    ['char', { kind: 'string' }, '日本', '日本', { bytes: 4, collation: 'Japanese_CI_AS' }],
  ])('%s takes %j %s', (base, incoming, value, sent, facts = {}) => {
    const { check, wire } = writer(base, incoming, facts);
    expect(check(value)).toBeNull();
    expect(wire(value as Exclude<Value, null>)).toEqual(sent);
  });

  it.each<[string, LogicalType, Value, Partial<typeof any>?]>([
    ['decimal', decimal, '1.234'],
    ['decimal', decimal, 'NaN'],
    ['money', decimal, '922337203685477.5808'],
    ['smallmoney', decimal, '214748.3648'],
    ['datetime2', stamp, '2024-01-01 10:20:30.1234', { scale: 3 }],
    ['datetime', stamp, '2024-01-01 10:20:30.001'],
    ['datetime', stamp, '1752-12-31 00:00:00'],
    ['smalldatetime', stamp, '2024-01-01 10:20:30'],
    ['datetimeoffset', zoned, '0001-01-01 00:00:00+01:00', { scale: 7 }],
    ['time', { kind: 'time', fraction: 0 }, '24:00:00', { scale: 0 }],
    ['tinyint', { kind: 'int32' }, '-1'],
    ['bit', { kind: 'int32' }, '2'],
    ['float', { kind: 'float64' }, '5e-324'],
    ['float', { kind: 'float64' }, '-0'],
    ['real', { kind: 'float64' }, -0],
    ['float', { kind: 'float64' }, 'Infinity'],
    ['real', { kind: 'float64' }, '0.1'],
    ['char', { kind: 'string' }, 'short'],
    ['nchar', { kind: 'string' }, '日本'],
    ['hierarchyid', { kind: 'string' }, '/1'.repeat(2001)],
    ['nvarchar', { kind: 'string' }, '12345678901'],
    ['binary', { kind: 'bytes' }, new Uint8Array(19)],
    ['varbinary', { kind: 'bytes' }, new Uint8Array(21)],
  ])('%s refuses %j %s', (base, incoming, value, facts = {}) => {
    expect(writer(base, incoming, facts).check(value)).not.toBeNull();
  });
});

describe('statements', () => {
  const column = (name: string, base: string, identity = false): CatalogueColumn => ({
    ...columnOf(name, factsOf(base, { bytes: 40, precision: 10, scale: 2, collation: null }), { nullable: false, declares: true }),
    filled: identity,
    computed: false,
    identity,
  });
  const columns = [column('i]d', 'int', true), column('price', 'decimal')];
  const table = {
    schema: 'dbo',
    table: 'orders',
    name: 'dbo.orders',
    into: '[dbo].[orders]',
    existed: true,
    existingColumns: [],
    ddl: [],
    columns,
    incoming: { name: 'orders', columns, key: ['i]d'] },
    marker: null,
  };
  const asked = { deletes: 'hard', sync: 's', shard: '' } as const;

  it('never merges: updates what is there, then inserts what is not, with the key range locked', () => {
    const merge = sinkFor(table, { ...asked, write: 'upsert' }).merge(true);
    expect(merge.map((sql) => sql.split(' ')[0])).toEqual(['UPDATE', 'INSERT', 'DELETE']);
    for (const sql of merge) {
      expect(sql).not.toMatch(/\bMERGE\b/);
      expect(sql).toContain('WITH (UPDLOCK, HOLDLOCK)');
      expect(sql).toContain('ORDER BY s.n DESC');
    }
    expect(merge[0]).toContain('SET [price] = CONVERT(decimal(10,2), s.c1)');
    expect(merge[0]).not.toContain('[i]]d] = s.c0,');
  });

  it('asks the server for what a code page and the bytes of its column keep, to the last space', () => {
    const coded: CatalogueColumn = {
      ...column('v', 'varchar'),
      ...columnOf('v', factsOf('varchar', { bytes: 4, precision: 0, scale: 0, collation: 'Japanese_CI_AS' }), { nullable: true, declares: true }),
    };
    const { codedCheck, prepare } = sinkFor(
      { ...table, columns: [coded], incoming: { name: 'orders', columns: [coded], key: [] } },
      { ...asked, write: 'insert' },
    );
    expect(prepare[0]).toContain('c0 nvarchar(4) COLLATE Japanese_CI_AS');
    expect(codedCheck).toContain('CONVERT(nvarchar(max), CONVERT(varchar(4), s.c0))');
    expect(codedCheck).toContain('<> DATALENGTH(s.c0)');
    expect(sqlserverDialect.bind('é', coded, [])).toBe('CONVERT(varchar(8000), @p1 COLLATE Japanese_CI_AS)');
  });

  it('brings identity values, and quotes what a name holds', () => {
    const { prepare } = sinkFor(table, { ...asked, write: 'insert' });
    expect(prepare).toContain('SET IDENTITY_INSERT [dbo].[orders] ON');
    expect(sinkFor(table, { ...asked, write: 'insert' }).merge(false)[0]).toContain('([i]]d], [price])');
  });
});
