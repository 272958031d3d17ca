import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isSortable, pollingMs } from '../../lib/config/idra/times.ts';
import { loadDefinitions } from '../../lib/config/load.ts';
import { load, said } from './support.ts';

const source = { id: 'id', connector_name: 'from', connector_source_type: 'PostgresGORM', connection_string: 'host=h dbname=d', table: 't' };
const destination = { id: 'id', connector_name: 'to', connector_source_type: 'SqliteGORM', connection_string: 'to.db', table: 't' };

/** One of Idra's syncs, with some fields set otherwise. */
function file(sync: object = {}, from: object = {}, to: object = {}): string {
  return JSON.stringify([
    { id: '1', sync_name: 's', source_connector: { ...source, ...from }, destination_connector: { ...destination, ...to }, mode: 'Id', ...sync },
  ]);
}

describe("Idra's own file", () => {
  it('is read as it is', async () => {
    const { connections, syncs, warnings } = await loadDefinitions(join(import.meta.dirname, 'fixtures', 'idra.json'));
    expect(Object.values(connections).map(({ name, fields }) => [name, fields])).toEqual([
      ['school', { type: 'postgres', host: 'localhost', port: 5432, user: 'app', password: 'two words', database: 'school', ssl: 'disable' }],
      ['copy', { type: 'mysql', host: '127.0.0.1', port: 3307, user: 'root', password: 'p@ss/word', database: 'school' }],
      ['copy-2', { type: 'sqlite', path: 'marks.db' }],
    ]);
    expect(syncs).toMatchObject([
      {
        name: 'School-to-MySQL',
        enabled: true,
        schedule: { everyMs: 60_000 },
        source: { connection: 'school', options: { table: 'pupils' } },
        destination: { connection: 'copy', options: { table: 'pupils' } },
        mode: 'lastDestinationTimestamp',
        cursor: { column: 'ts', key: ['id'] },
        key: ['id'],
        write: 'insert',
        batch: { rows: 5000 },
      },
      {
        name: 'School-to-MySQL-b3016da2',
        enabled: false,
        schedule: { everyMs: 90_000 },
        source: { connection: 'school', options: { query: 'SELECT * FROM marks' } },
        destination: { connection: 'copy-2', options: { table: 'marks' } },
        mode: 'timestamp',
        cursor: { column: 'changed_at', key: ['tenant', 'id'] },
        key: ['tenant', 'id'],
        write: 'upsert',
        batch: { rows: 50_000 },
      },
    ]);
    expect(new Set(warnings.map(({ message }) => message.split(':')[0]))).toEqual(
      new Set(['TimeZone makes no difference', 'loc makes no difference', 'cache makes no difference', 'holds a secret in plain text']),
    );
  });

  it('keeps no secret in what it says', async () => {
    const text = await readFile(join(import.meta.dirname, 'fixtures', 'idra.json'), 'utf8');
    const broken = text.replace('sslmode=disable', 'sslmode=verify-ca').replace('tcp(127.0.0.1:3307)', 'udp(127.0.0.1)').replace('"Timestamp"', '"Time"');
    const messages = said(broken).join('\n');
    expect(messages).toContain('[0].source_connector.connection_string');
    expect(messages).not.toMatch(/two words|p@ss/);
  });

  it.each([
    [file({ mode: 'Full' }), { mode: 'full' }],
    [file({ mode: 'FullWithId' }), { mode: 'fullWithId', cursor: { column: 'id' } }],
    [file({ mode: 'Id' }), { mode: 'id', cursor: { column: 'id' } }],
    [file({ mode: 'IdField' }), { mode: 'id' }],
    [file({ mode: 'LastDestinationId' }), { mode: 'lastDestinationId', cursor: { column: 'id' } }],
    [file({ mode: 'Timestamp' }, { timestamp_field: 'ts' }), { mode: 'timestamp', cursor: { column: 'ts', key: ['id'] }, write: 'insert' }],
    [file({}, {}, { id: 'tenant, id', save_mode: 'Upsert' }), { key: ['tenant', 'id'], write: 'upsert' }],
    [file({}, { table: null, query: 'select 1' }), { source: { options: { query: 'select 1' } } }],
    [file({}, { polling_time: null }), { schedule: { everyMs: 60_000 } }],
  ])('case %#', (text, expected) => {
    expect(load(text).syncs[0]).toMatchObject(expected);
  });

  it.each([
    [file({ bogus: 1 }), '[0].bogus: is no field here; known: id, sync_name, source_connector, destination_connector, mode, disabled'],
    [file({ sync_name: '' }), '[0].sync_name: is required'],
    [file({ mode: 'id' }), '[0].mode: there is no mode "id"; did you mean "Id"?'],
    [file({ mode: '' }), '[0].mode: is required'],
    [
      file({ mode: 'CDC' }),
      '[0].mode: postgres as a source has no mode cdc; it has full, fullWithId, id, timestamp, lastDestinationId, lastDestinationTimestamp',
    ],
    [file({ mode: 'Timestamp' }), '[0].source_connector.timestamp_field: is required by mode Timestamp'],
    [file({}, { id: '' }), '[0].source_connector.id: has to name the one id column that mode Id goes by'],
    [
      file({}, { connector_source_type: 'PostgreGORM' }),
      '[0].source_connector.connector_source_type: there is no connector type "PostgreGORM"; did you mean "PostgresGORM"?',
    ],
    [file({}, { connection_string: '' }), '[0].source_connector.connection_string: is required'],
    [file({}, { connection_string: 'what' }), /^\[0\]\.source_connector\.connection_string: is no PostgreSQL connection string/],
    [file({}, { connection_string: 'host=h foo=1' }), '[0].source_connector.connection_string: the setting "foo" has no counterpart: take it out'],
    [file({}, { database: 'other' }), '[0].source_connector.connection_string: names another database than the field database: make them agree'],
    [file({}, { table: '' }), '[0].source_connector.table: has to be more than an empty text'],
    [file({}, { start_offset: 7 }), /^\[0\]\.source_connector\.start_offset: has no counterpart/],
    [file({}, { attributes: { a: 'b' } }), '[0].source_connector.attributes: PostgresGORM has no use for it: leave it out'],
    [file({}, { polling_time: 'soon' }), /^\[0\]\.source_connector\.polling_time: has to be a number of seconds/],
    [file({}, { timestamp_field_format: '02/01/2006' }), /^\[0\]\.source_connector\.timestamp_field_format: has to have the year first/],
    [file({}, { max_record_batch_size: 1e9 }), '[0].source_connector.max_record_batch_size: has to be at most 10000000'],
    [file({}, {}, { save_mode: 'Merge' }), '[0].destination_connector.save_mode: has to be Insert or Upsert'],
    [file({}, {}, { query: 'select 1' }), '[0].destination_connector.query: a destination has no query: leave it out'],
    [file({}, {}, { connection_string: ':memory:' }), /^\[0\]\.destination_connector\.connection_string: a database in memory/],
    [file({ mode: 'LastDestinationId' }, {}, { id: 'other' }), /^\[0\]\.destination_connector\.id: names another column/],
  ])('refuses %s by name', (text, message) => {
    const messages = said(text);
    expect(messages).toHaveLength(1);
    if (typeof message === 'string') expect(messages).toEqual([message]);
    else expect(messages[0]).toMatch(message);
  });

  it.each([
    [file({}, { timestamp_field: 'ts' }), '[0].source_connector.timestamp_field', 'has no effect with mode Id'],
    [file({}, { token: 't' }), '[0].source_connector.token', 'has no effect on PostgresGORM'],
    [file({}, {}, { database: 'shop' }), '[0].destination_connector.database', 'has no effect on SqliteGORM'],
    [file({}, { query: 'select 1' }), '[0].source_connector.table', 'has no effect beside query'],
    [file({}, { save_mode: 'Upsert' }), '[0].source_connector.save_mode', 'has no effect: the destination’s save_mode decides'],
    [file({}, {}, { polling_time: 5 }), '[0].destination_connector.polling_time', 'has no effect: the source’s polling_time decides'],
    [
      file({}, {}, { max_record_batch_size: 5 }),
      '[0].destination_connector.max_record_batch_size',
      'has no effect: the source’s max_record_batch_size decides',
    ],
  ])('warns of %s', (text, path, message) => {
    expect(load(text).warnings).toMatchObject([{ path, message }]);
  });
});

describe("Idra's times", () => {
  it.each([
    [0, 60_000],
    [5, 5000],
    ['5', 5000],
    ['1m30s', 90_000],
    ['1.5h', 5_400_000],
    ['1000ms', 1000],
    ['999ms', undefined],
    ['-1s', undefined],
    ['', undefined],
    [1e9, undefined],
  ])('polling_time %j is %j ms', (value, ms) => {
    expect(pollingMs(value)).toBe(ms);
  });

  it.each([
    ['', true],
    ['2006-01-02', true],
    ['2006-01-02 15:04:05.99999', true],
    ['2006-01-02T15:04:05Z07:00', true],
    ['20060102150405', true],
    ['02/01/2006', false],
    ['Jan 2 2006', false],
    ['2006-1-2', false],
  ])('layout %j sorts: %j', (layout, sorts) => {
    expect(isSortable(layout)).toBe(sorts);
  });
});
