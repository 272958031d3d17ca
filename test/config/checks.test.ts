import { describe, expect, it } from 'vitest';
import { Collector } from '../../lib/config/collector.ts';
import type { ParsedConnection } from '../../lib/config/connections.ts';
import { parseSync } from '../../lib/config/syncs.ts';
import type { Capabilities, ConnectorConfig } from '../../lib/connectors/connector.ts';
import { findConnector } from '../../lib/connectors/registry.ts';
import { load, oneSync, said } from './support.ts';

const sqlite = findConnector('sqlite')?.config as ConnectorConfig;

/** Faults of a sync between two connectors that can do what SQLite can, but for what is given here. */
function between(source: Partial<Capabilities['source']>, destination: Partial<Capabilities['destination']>, fields: object) {
  const connection = (name: string, type: string): ParsedConnection => ({
    definition: { name, type, fields: {} },
    config: {
      ...sqlite,
      capabilities: { source: { ...sqlite.capabilities.source, ...source }, destination: { ...sqlite.capabilities.destination, ...destination } },
    },
  });
  const connections = new Map([
    ['a', connection('a', 'giver')],
    ['b', connection('b', 'taker')],
  ]);
  const collector = new Collector('f', () => ({ line: 1, column: 1 }));
  const raw = { name: 's', source: { connection: 'a', table: 't' }, destination: { connection: 'b', table: 't' }, ...fields };
  const draft = parseSync(raw, { index: 0, connections, collector });
  return { definition: draft?.definition, faults: collector.faults.map(({ path, message }) => `${path}: ${message}`) };
}

const byTime = { mode: 'timestamp', cursor: { column: 'at', key: 'id' } };

describe('what a connector lacks', () => {
  it.each([
    [{ modes: [] }, {}, {}, 'syncs[0].source.connection: giver cannot be a source'],
    [{ modes: ['stream'] as const }, {}, {}, 'syncs[0].mode: giver as a source has no mode full; it has stream'],
    [{ where: false }, {}, { where: 'a' }, 'syncs[0].where: giver as a source takes no condition'],
    [{}, { writes: [] }, {}, 'syncs[0].destination.connection: taker cannot be a destination'],
    [{}, { writes: ['upsert'] as const }, {}, 'syncs[0].write: taker as a destination has no insert; it has upsert'],
    [{}, { deadLetter: false }, { onError: 'deadLetter' }, 'syncs[0].onError: taker as a destination cannot set rows aside; use stop'],
    [
      {},
      { max: false },
      { mode: 'lastDestinationId', cursor: { column: 'id' } },
      'syncs[0].mode: taker as a destination cannot say its largest value, which mode lastDestinationId begins from',
    ],
    [
      { deletes: true },
      { deletes: ['ignore'] as const },
      { deletes: 'soft', write: 'upsert' },
      'syncs[0].deletes: taker as a destination has no soft deletes; it has ignore',
    ],
    [{}, {}, { deletes: 'hard', write: 'upsert' }, 'syncs[0].deletes: giver as a source reports no deletions: leave deletes out, or write ignore'],
    [
      { deletes: true },
      {},
      { deletes: 'soft', write: 'upsert', columns: { rename: { gone: '_deleted_at' } } },
      'syncs[0].softDeleteColumn: "_deleted_at" is the name of column "gone" in the destination already',
    ],
  ])('%j %j %j', (source, destination, fields, message) => {
    expect(between(source, destination, fields).faults).toEqual([message]);
  });

  it('decides the defaults', () => {
    expect(between({}, {}, byTime).definition).toMatchObject({ write: 'upsert', deletes: 'ignore' });
    expect(between({}, { writes: ['insert'] }, byTime).definition?.write).toBe('insert');
    const changes = { deletes: true, modes: ['full', 'id', 'stream'] as const };
    expect(between(changes, {}, { mode: 'stream' }).definition?.deletes).toBe('hard');
    expect(between(changes, { deletes: ['ignore'] }, { mode: 'stream' }).definition?.deletes).toBe('ignore');
    // Other modes report no deletions: a destination is not asked for a place for them
    for (const fields of [{}, { mode: 'id', cursor: { column: 'id' } }]) expect(between(changes, {}, fields).definition?.deletes).toBe('ignore');
  });
});

describe('what does not go together', () => {
  it.each([
    [{ timezone: 'Europe/Rome' }, 'syncs[0].timezone: has a meaning with cron alone'],
    [{ mode: 'id', cursor: { column: 'id', lookback: '5m' } }, 'syncs[0].cursor.lookback: has a meaning with mode timestamp alone, not with id'],
    [
      { ...byTime, cursor: { ...byTime.cursor, lookback: '5m' }, write: 'insert' },
      'syncs[0].cursor.lookback: needs write upsert: it reads rows again, and insert would double them',
    ],
    [
      { mode: 'lastDestinationId', cursor: { column: 'id', nulls: 'include' } },
      'syncs[0].cursor.nulls: include does not go with mode lastDestinationId, which could read rows without a value again and again: use mode id or timestamp, or fill the column',
    ],
    [
      { mode: 'lastDestinationTimestamp', cursor: { column: 'at', key: 'id' }, onError: 'deadLetter' },
      'syncs[0].onError: deadLetter needs write upsert here: mode lastDestinationTimestamp begins at the largest value that the destination holds, so that rows set aside behind it are read by each run and would be doubled',
    ],
    [{ ...byTime, columns: { include: ['at', 'a'] } }, 'syncs[0].cursor.key: "id" has to be read, but it is not in columns.include'],
    [{ columns: { include: ['b', 'a'], rename: { a: 'b' } } }, 'syncs[0].columns.rename.a: "b" is the name of column "b" in the destination already'],
    [{ columns: { rename: { a: 'c', b: 'c' } } }, 'syncs[0].columns.rename.b: "c" is the name of column "a" in the destination already'],
    [{ columns: { exclude: ['a'] }, mask: { a: 'sha256' } }, 'syncs[0].mask.a: "a" is not read: it is in columns.exclude'],
    [{ columns: { include: [] } }, 'syncs[0].columns.include: has to name at least one column'],
    [{ ...byTime, mask: { id: 'partial' } }, 'syncs[0].mask.id: partial on a key column makes different rows one row; sha256 keeps them apart'],
  ])('%j', (fields, message) => {
    expect(said(oneSync(fields))).toEqual([message]);
  });

  it.each([
    { columns: { rename: { a: 'b', b: 'a' } } },
    { columns: { include: ['a', 'b'], rename: { a: 'b', b: 'a' } } },
    { ...byTime, mask: { id: 'sha256' } },
    { ...byTime, mask: { id: 'redact' }, write: 'insert' },
    { cron: '0 */10 9-17 * * MON-FRI', timezone: 'Europe/Rome' },
    { mode: 'timestamp', cursor: { column: 'at', key: ['a', 'b'], lookback: '1h', nulls: 'include' } },
    { write: 'replace' },
    { mode: 'lastDestinationId', cursor: { column: 'id', key: 'id' }, onError: 'deadLetter', write: 'upsert' },
  ])('%j does', (fields) => {
    expect(said(oneSync(fields))).toEqual([]);
  });

  it('is told of, where it is allowed', () => {
    const warnings = (fields: Record<string, unknown>) => load(oneSync(fields)).warnings.map(({ path, message }) => `${path}: ${message}`);
    expect(warnings({ mode: 'timestamp', cursor: { column: 'at' } })).toEqual([
      'syncs[0].cursor: has no key: rows of the same timestamp are read and committed as one group, however large it is',
    ]);
    expect(warnings({ write: 'insert', cursor: { column: 'at' } })).toEqual(['syncs[0].cursor.column: has no effect with mode full']);
    expect(warnings({ write: 'insert', cursor: { nulls: 'include' } })).toEqual(['syncs[0].cursor.nulls: has no effect with mode full']);
    expect(warnings({})).toEqual([
      'syncs[0]: reads everything on each run and adds it to what is there (mode full, write insert): write replace or upsert keeps one copy',
    ]);
    expect(warnings(byTime)).toEqual([]);
  });

  it('lets a disabled sync stand beside one that replaces', () => {
    const two = (enabled: boolean) =>
      oneSync({ write: 'replace' }).replace(
        'syncs:',
        `syncs:\n  - { name: other, enabled: ${enabled}, source: { connection: a, table: u }, destination: { connection: b, table: t } }`,
      );
    expect(said(two(true))).toEqual(['syncs[1].write: replace removes what "other" writes to the same place']);
    expect(said(two(false))).toEqual([]);
  });
});

describe('a field of a connector that would have no effect', () => {
  it.each([
    ['kafka', 'connection', { type: 'kafka', brokers: ['h:1'], mechanism: 'scram-sha-256' }, 'mechanism'],
    ['rest', 'connection', { type: 'rest', url: 'https://h.example', apiKeyIn: 'query' }, 'apiKeyIn'],
    ['rest', 'connection', { type: 'rest', url: 'https://h.example', apiKeyName: 'k' }, 'apiKeyName'],
    ['s3', 'source', { path: 'a/', format: 'jsonl', header: false }, 'header'],
    ['s3', 'source', { path: 'a/', format: 'parquet', delimiter: ';' }, 'delimiter'],
    ['s3', 'source', { path: 'a/', fields: { a: 'nonsense' } }, 'fields.a'],
  ] as const)('%s %s %j', (type, section, fields, path) => {
    const schema = findConnector(type)?.config[section];
    expect(schema?.safeParse(fields).error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });

  it('is none where it has one', () => {
    const source = findConnector('s3')?.config.source;
    expect(source?.safeParse({ path: 'a/', delimiter: ';', header: false }).success).toBe(true);
    expect(source?.safeParse({ path: 'a/', format: 'csv', delimiter: ';', fields: { a: 'decimal(10,2)' } }).success).toBe(true);
  });
});
