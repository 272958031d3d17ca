import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { connectorKinds } from '../../lib/config/idra/connectors.ts';
import { translateMysql } from '../../lib/config/idra/mysql.ts';
import { translatePostgres } from '../../lib/config/idra/postgres.ts';
import { translateSqlite } from '../../lib/config/idra/sqlite.ts';
import { parseReferences } from '../../lib/config/references.ts';

/** What a field says once it is resolved: literals only here. */
function resolved(value: unknown): unknown {
  return typeof value === 'string' ? parseReferences(value).parts?.join('') : value;
}

const secret = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((text) => !/\$\{(env|ssm|secret):/.test(text));
const word = fc.stringMatching(/^[a-z][a-z0-9_-]{0,15}$/);
const portNumber = fc.integer({ min: 1, max: 65535 });

describe('PostgreSQL', () => {
  it.each([
    [
      'host=localhost user=gorm password=gorm dbname=gorm port=9920 sslmode=disable',
      { host: 'localhost', user: 'gorm', password: 'gorm', database: 'gorm', port: 9920, ssl: 'disable' },
    ],
    ["host = h  password = 'it''s' ", undefined],
    ["host=h password='it\\'s a \\\\'", { host: 'h', password: "it's a \\" }],
    ['host=h password=a\\ b', { host: 'h', password: 'a b' }],
    ["host=h password=''", { host: 'h' }],
    ['user=u', { host: 'localhost', user: 'u' }],
    ['host=h sslmode=verify-full sslrootcert=/ca.pem', { host: 'h', ssl: 'verify-full', sslCa: '/ca.pem' }],
    ['postgres://u:p%40ss@h:5433/d?sslmode=require', { host: 'h', port: 5433, user: 'u', password: 'p@ss', database: 'd', ssl: 'require' }],
    ['host=h password=${env:PW}', { host: 'h', password: '${env:PW}' }],
    ['host=h password=${x}', { host: 'h', password: '$${x}' }],
    ['host=h sslmode=prefer', { host: 'h' }],
    ['postgres://[::1]/d', { host: '::1', database: 'd' }],
    ['host=h sslmode=verify-ca', undefined],
    ['host=h port=99999', undefined],
    ['host=a,b', undefined],
    ['', undefined],
    ['postgres://[h', undefined],
  ])('%s', (text, fields) => {
    const translated = translatePostgres(text);
    if (fields === undefined) expect(translated.faults).not.toEqual([]);
    else expect(translated).toMatchObject({ fields: { type: 'postgres', ...fields }, faults: [] });
  });

  it('reads back every password in the keyword form', () => {
    fc.assert(
      fc.property(secret, word, portNumber, (password, user, port) => {
        const quoted = `'${password.replace(/[\\']/g, '\\$&')}'`;
        const { fields, faults } = translatePostgres(`host=h user=${user} password=${quoted} port=${port}`);
        expect(faults).toEqual([]);
        expect({ ...fields, password: resolved(fields.password) }).toEqual({ type: 'postgres', host: 'h', user, password, port });
      }),
    );
  });

  it('reads back every password in an address', () => {
    fc.assert(
      fc.property(secret, (password) => {
        const { fields, faults } = translatePostgres(`postgres://u:${encodeURIComponent(password.toWellFormed())}@h/d`);
        expect(faults).toEqual([]);
        expect(resolved(fields.password)).toBe(password.toWellFormed());
      }),
    );
  });
});

describe('MySQL', () => {
  it.each([
    [
      'user:pass@tcp(127.0.0.1:3306)/dbname?charset=utf8mb4&parseTime=True',
      { host: '127.0.0.1', port: 3306, user: 'user', password: 'pass', database: 'dbname' },
    ],
    ['root@/d', { host: '127.0.0.1', user: 'root', database: 'd' }],
    ['u:p@tcp/d', { host: '127.0.0.1', user: 'u', password: 'p', database: 'd' }],
    ['u:p@tcp([::1]:3307)/', { host: '::1', port: 3307 }],
    ['u:p@tcp(h)/a%2Fb?tls=skip-verify', { host: 'h', database: 'a/b', ssl: 'require' }],
    ['u:a:b@c/d@tcp(h)/d?tls=true', { password: 'a:b@c/d', ssl: 'verify-full' }],
    ['u:p@unix(/run/mysql.sock)/d', undefined],
    ['u:p@tcp(h:0)/d', undefined],
    ['u:p@tcp(h)/d?sql_mode=x', undefined],
    ['u:p@tcp(h)/d?tls=preferred', undefined],
    ['u:p@tcp(h)', undefined],
    ['', undefined],
  ])('%s', (text, fields) => {
    const translated = translateMysql(text);
    if (fields === undefined) expect(translated.faults).not.toEqual([]);
    else expect(translated).toMatchObject({ fields: { type: 'mysql', ...fields }, faults: [], notes: [] });
  });

  it('reads back every password', () => {
    fc.assert(
      fc.property(secret, word, portNumber, (password, database, port) => {
        const { fields, faults } = translateMysql(`u:${password}@tcp(h:${port})/${database}?parseTime=true`);
        expect(faults).toEqual([]);
        expect({ ...fields, password: resolved(fields.password) }).toEqual({ type: 'mysql', host: 'h', port, user: 'u', password, database });
      }),
    );
  });
});

describe('SQLite', () => {
  it.each([
    ['test.db', 'test.db'],
    ['/data/my file.db', '/data/my file.db'],
    ['file:test.db', 'test.db'],
    ['file:/data/a%20b.db?mode=rwc', '/data/a b.db'],
    ['file:///data/a.db', '/data/a.db'],
    ['C:\\data\\a.db', 'C:\\data\\a.db'],
    [':memory:', undefined],
    ['file::memory:?cache=shared', undefined],
    ['file:a.db?mode=ro', undefined],
    ['file:a.db?_pragma=x', undefined],
    ['', undefined],
  ])('%s', (text, path) => {
    const { fields, faults } = translateSqlite(text);
    if (path === undefined) expect(faults).not.toEqual([]);
    else expect([fields.path, faults]).toEqual([path, []]);
  });
});

it.each([
  ['postgres', translatePostgres, 'host=h user=u password=half canary=1 dbname=d'],
  ['postgres', translatePostgres, 'postgres://u:123?canary&x=1@h/d'],
  ['mysql', translateMysql, 'u:p@/x?canary=1@tcp(h:1)'],
  ['sqlserver', (text: string) => connectorKinds.MssqlGORM?.connect({ connection_string: text } as never, 'source'), 'sqlserver://sa:123?canary=1@h'],
] as const)('%s: a password that was not quoted or encoded is refused, and no part of it is repeated', (_, translate, text) => {
  const { faults = [], notes = [] } = translate(text) ?? {};
  expect(faults).not.toEqual([]);
  expect([...faults, ...notes].join()).not.toMatch(/canary|half|123/);
});

describe('the others', () => {
  const connector = {
    ...{ id: '', connector_name: '', connector_source_type: '', connection_string: '', database: '', query: '', table: '', polling_time: 0 },
    ...{ timestamp_field: '', timestamp_field_format: '', max_record_batch_size: 0, save_mode: '', start_offset: 0, token: '', attributes: {} },
  };

  it.each([
    [
      'MssqlGORM',
      { connection_string: 'sqlserver://gorm:pw@localhost:9930?database=gorm' },
      { type: 'sqlserver', url: 'sqlserver://gorm:pw@localhost:9930?database=gorm', ssl: 'require' },
    ],
    [
      'MssqlGORM',
      { connection_string: 'sqlserver://gorm:${env:PW}@localhost?database=gorm&encrypt=false' },
      { type: 'sqlserver', url: 'sqlserver://gorm:${env:PW}@localhost?database=gorm&encrypt=false' },
    ],
    ['MssqlGORM', { connection_string: 'sqlserver://gorm:pw@localhost?encrypt=perhaps' }, undefined],
    ['MssqlGORM', { connection_string: 'sqlserver://gorm:pw@localhost?colour=red' }, undefined],
    ['MssqlGORM', { connection_string: 'server=localhost;user id=sa' }, undefined],
    [
      'MongodbConnector',
      { connection_string: 'mongodb+srv://u:p@c.example.net/?w=majority', database: 'd' },
      { type: 'mongodb', url: 'mongodb+srv://u:p@c.example.net/?w=majority', database: 'd' },
    ],
    ['MongodbConnector', { connection_string: 'localhost' }, undefined],
    [
      'KafkaConnector',
      { connection_string: 'a:9092, b:9092', attributes: { 'client.id': 'c', acks: 'all' } },
      { type: 'kafka', brokers: ['a:9092', 'b:9092'], clientId: 'c' },
    ],
    ['KafkaConnector', { connection_string: 'a:9092', attributes: { acks: '0' } }, undefined],
    ['s3JsonConnector', { connection_string: 'eu-west-1', database: 'lake' }, { type: 's3', bucket: 'lake', region: 'eu-west-1' }],
    ['s3JsonConnector', { connection_string: 's3://lake' }, { type: 's3', bucket: 'lake' }],
    ['s3JsonConnector', { connection_string: 'https://s3.example.net', database: 'lake' }, { type: 's3', bucket: 'lake', endpoint: 'https://s3.example.net' }],
    ['s3JsonConnector', { connection_string: 'eu-west-1' }, undefined],
    ['RestConnector', { connection_string: 'https://example.net/posts', token: 't' }, { type: 'rest', url: 'https://example.net/posts', token: 't' }],
    ['RestConnector', { connection_string: 'example.net' }, undefined],
  ])('%s %j', (kind, fields, expected) => {
    const translated = connectorKinds[kind]?.connect({ ...connector, ...fields }, 'destination');
    if (expected === undefined) expect(translated?.faults).not.toEqual([]);
    else expect(translated).toEqual({ fields: expected, faults: [], notes: [] });
  });

  it('Kafka: the group goes to the source, and what has no effect on a side is told', () => {
    const attributes = { 'group.id': 'readers', acks: 'all' };
    const given = { ...connector, connection_string: 'a:9092', attributes };
    const fields = { type: 'kafka', brokers: ['a:9092'] };
    expect(connectorKinds.KafkaConnector?.connect(given, 'source')).toEqual({
      fields,
      source: { group: 'readers' },
      faults: [],
      notes: ['the attribute "acks" has no effect on a source'],
    });
    expect(connectorKinds.KafkaConnector?.connect(given, 'destination')).toEqual({
      fields,
      faults: [],
      notes: ['the attribute "group.id" has no effect on a destination'],
    });
    const twice = { ...given, attributes: { 'group.id': 'a', ConsumerGroup: 'b' } };
    expect(connectorKinds.KafkaConnector?.connect(twice, 'source').faults).toHaveLength(1);
  });
});
