/** SQLite lets any value stand in any column: what does not fit its column's declared type is refused by name, and what fits comes exactly. */
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { config } from '../../lib/connectors/sqlite/config.ts';
import { declaredType } from '../../lib/connectors/sqlite/types.ts';
import { type Column, type Row, typeName } from '../../lib/values/types.ts';
import { claimOf, column, destinationOf, failure, openSource, readAll, readTable, type SourceAsk, writeAll } from '../conformance/drive.ts';
import type { Harness } from '../conformance/harness.ts';
import { sqliteHarness } from './sqlite-harness.ts';

describe('declared types of SQLite', () => {
  it.each([
    ['INTEGER', 'int64'],
    ['UNSIGNED BIG INT', 'int64'],
    ['int8', 'int64'],
    ['DECIMAL(10,5)', 'decimal(10,5)'],
    ['numeric', 'decimal'],
    ['DECIMAL TEXT(38,20)', 'decimal(38,20)'],
    ['BOOLEAN', 'boolean'],
    ['DATE', 'date'],
    ['DATE TEXT', 'date'],
    ['DATETIME', 'timestamp(6)'],
    ['datetime(3)', 'timestamp(3)'],
    ['TIMESTAMP TEXT(6)', 'timestamp(6)'],
    ['TIMESTAMPTZ TEXT(0)', 'timestamp(0, zoned)'],
    ['TIMESTAMP(6) WITH TIME ZONE', 'timestamp(6, zoned)'],
    ['time', 'time(6)'],
    ['REAL', 'float64'],
    ['DOUBLE PRECISION', 'float64'],
    ['float', 'float64'],
    ['VARCHAR(255)', 'string'],
    ['NATIVE CHARACTER(70)', 'string'],
    ['CLOB', 'string'],
    ['BLOB', 'bytes'],
    ['uuid', 'uuid'],
    ['JSON', 'json'],
  ])('%s is %s', (declared, expected) => {
    const { type, open } = declaredType(declared);
    expect(typeName(type)).toBe(expected);
    expect(open === 'class').toBe(false);
  });

  it.each(['', 'POINT', 'INTERVAL', 'STRING', 'whatever', 'ANY', 'x; DROP TABLE t'])('%j says nothing: the rows decide', (declared) => {
    expect(declaredType(declared).open).toBe('class');
  });
});

describe('dynamic typing', () => {
  let harness: Harness;
  let database: Database.Database;
  beforeAll(async () => {
    harness = await sqliteHarness();
    database = new Database((harness.connection as { path: string }).path);
  });
  afterAll(async () => {
    database.close();
    await harness[Symbol.asyncDispose]();
  });

  const make = (table: string, definition: string, ...inserts: string[]): void => {
    database.exec(
      `DROP TABLE IF EXISTS ${table}; CREATE TABLE ${table} (${definition}); ${inserts.map((values) => `INSERT INTO ${table} VALUES ${values};`).join(' ')}`,
    );
  };
  const read = (table: string, ask: SourceAsk = {}): ReturnType<typeof readTable> => readTable(harness, table, ask);

  it.each([
    ['INTEGER', "'abc'"],
    ['INTEGER', '1.5'],
    ['INTEGER', "x'31'"],
    ['INTEGER', '1e300'],
    ['REAL', "'abc'"],
    ['DECIMAL(10,2)', "'abc'"],
    ['DECIMAL(10,2)', "x'00'"],
    ['BOOLEAN', '2'],
    ['BOOLEAN', "'true'"],
    ['TEXT', "x'616263'"],
    ['TEXT', "CAST(x'61ff62' AS TEXT)"],
    ['TEXT', "CAST(x'f09f98' AS TEXT)"],
    ['BLOB', "'text'"],
    ['BLOB', '5'],
    ['DATE', "'yesterday'"],
    ['DATE', '19000'],
    ['DATE', "'2024-02-30'"],
    ['DATETIME', '1700000000'],
    ['DATETIME', '2460000.5'],
    ['DATETIME', "'2024-01-01 00:00:00+02:00'"],
    ['DATETIME', "'2024-01-01 00:00:00.1234567'"],
    ['TIME', "'noon'"],
    ['UUID', "'nonsense'"],
    ['JSON', "'{broken'"],
  ])('refuses what a column of %s holds by accident: %s', async (type, value) => {
    const fitting: Readonly<Record<string, string>> = { DATETIME: "'2024-01-01 00:00:00'" };
    make('odd', `id INTEGER PRIMARY KEY, good TEXT, v ${type}`, `(1, 'before', ${fitting[type] ?? 'NULL'}), (77, 'bad', ${value}), (99, 'after', NULL)`);
    const { rows, chunks } = await read('odd');
    expect(rows.map(([id]) => id)).toEqual([1, 99]);
    const rejected = chunks.flatMap((chunk) => chunk.rejected ?? []);
    expect(rejected.map(({ error }) => [error.code, error.place])).toEqual([['ROW_MALFORMED', { table: 'odd', column: 'v', key: '77' }]]);
    expect(rejected[0]?.raw).toContain('"bad"');
    for (const named of ['odd.v', '77']) expect(rejected[0]?.error.message).toContain(named);
  });

  it('keeps text with U+FFFD that was there, in UTF-8 and UTF-16 files', async () => {
    make('replaced', 'id INTEGER PRIMARY KEY, v TEXT', "(1, 'plain'), (2, char(65533) || 'x'), (3, CAST(x'ff' AS TEXT)), (4, 'é😀' || char(65533))");
    const { rows, chunks } = await read('replaced');
    expect(rows).toEqual([
      [1, 'plain'],
      [2, '\uFFFDx'],
      [4, 'é😀\uFFFD'],
    ]);
    expect(chunks.flatMap((chunk) => chunk.rejected ?? []).map(({ error }) => error.place.key)).toEqual(['3']);
    for (const encoding of ['UTF-16le', 'UTF-16be']) {
      const other = await sqliteHarness();
      const path = `${(other.connection as { path: string }).path}.16`;
      const file = new Database(path);
      file.pragma(`encoding = '${encoding}'`);
      file.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'é😀' || char(65533))");
      file.close();
      const connection = { type: 'sqlite', path };
      expect((await readTable({ ...other, connection }, 't')).rows).toEqual([[1, 'é😀\uFFFD']]);
      await other[Symbol.asyncDispose]();
    }
  });

  it('reads numbers beyond doubles and decimals as what is stored', async () => {
    make(
      'numbers',
      'id INTEGER PRIMARY KEY, i BIGINT, d DECIMAL(30,10), r REAL',
      '(1, 9007199254740993, 9007199254740993, 9007199254740993)',
      "(2, '-9223372036854775808', '19.90', 1e308), (3, 5.0, 1e23, 9e999), (4, 0, 1e-7, 3)",
    );
    const { rows } = await read('numbers');
    expect(rows).toEqual([
      [1, '9007199254740993', '9007199254740993', 9007199254740992],
      [2, '-9223372036854775808', '19.9', 1e308],
      [3, 5, '100000000000000000000000', Number.POSITIVE_INFINITY],
      [4, 0, '0.0000001', 3],
    ]);
  });

  it('lets the rows decide where nothing is declared', async () => {
    make('bare', 'id INTEGER PRIMARY KEY, i, r, t, b, n, mixed', "(1, 1, 1.5, 'x', x'00', NULL, 'x'), (2, 9007199254740993, 2, 'y', NULL, NULL, 7)");
    const { schema, rows, chunks } = await read('bare', { exclude: ['mixed'] });
    expect(schema.columns.map(({ type }) => type.kind)).toEqual(['int64', 'int64', 'float64', 'string', 'bytes', 'string']);
    expect(rows.map((row) => row.slice(0, 3))).toEqual([
      [1, 1, 1.5],
      [2, '9007199254740993', 2],
    ]);
    expect(chunks.flatMap((chunk) => chunk.rejected ?? [])).toEqual([]);
    expect((await read('bare')).chunks.flatMap((chunk) => chunk.rejected ?? []).map(({ error }) => error.place)).toEqual([
      { table: 'bare', column: 'mixed', key: '2' },
    ]);
  });

  it('takes integers for times where the definition says what they mean', async () => {
    make('epochs', 'id INTEGER PRIMARY KEY, at DATETIME', "(1, 1700000000), (2, -1), (3, '2024-01-01 00:00:00')");
    const seconds = config.source.parse({ table: 'epochs', integerTimes: 'seconds' });
    expect((await read('epochs', { options: seconds })).rows.map(([, at]) => at)).toEqual([
      '2023-11-14 22:13:20',
      '1969-12-31 23:59:59',
      '2024-01-01 00:00:00',
    ]);
    make('epochs', 'id INTEGER PRIMARY KEY, at DATETIME', '(1, 1700000000123), (2, 1700000000124), (3, 1700000000124)');
    const options = config.source.parse({ table: 'epochs', integerTimes: 'milliseconds' });
    await using source = await openSource(harness, 'epochs', { options, mode: 'timestamp', cursor: { column: 'at', key: ['id'], lookbackSeconds: 1 } });
    const first = await readAll(source);
    expect(first.rows.map(([, at]) => at)).toEqual(['2023-11-14 22:13:20.123', '2023-11-14 22:13:20.124', '2023-11-14 22:13:20.124']);
    expect((await readAll(source, { from: first.boundaries.at(-1)?.cursor ?? null })).rows).toHaveLength(3);
    const after = source.cursorAfter?.(['2023-11-14 22:13:20.124', '2']) ?? null;
    await using strict = await openSource(harness, 'epochs', { options, mode: 'timestamp', cursor: { column: 'at', key: ['id'] } });
    expect((await readAll(strict, { from: after })).rows.map(([id]) => id)).toEqual([3]);
  });

  it('goes by text timestamps in the form in which they are written, and refuses a mixture', async () => {
    make('iso', 'id INTEGER PRIMARY KEY, at DATETIME', ...[1, 2, 3, 4].map((i) => `(${i}, '2024-01-0${i}T00:00:00.${i}00Z')`));
    const cursor = { column: 'at', key: ['id'] };
    await using source = await openSource(harness, 'iso', { mode: 'timestamp', cursor });
    expect(source.schema.columns[1]?.type).toEqual({ kind: 'timestamp', fraction: 6, zoned: true });
    const first = await readAll(source, { maxRows: 1 });
    expect(first.rows.map(([, at]) => at)).toEqual([1, 2, 3, 4].map((i) => `2024-01-0${i} 00:00:00.${i}00+00:00`));
    expect((await readAll(source, { from: first.boundaries[1]?.cursor ?? null })).rows.map(([id]) => id)).toEqual([3, 4]);
    const after = source.cursorAfter?.(['2024-01-02 05:30:00.2+05:30', '2']) ?? null;
    expect((await readAll(source, { from: after })).rows.map(([id]) => id)).toEqual([3, 4]);
    database.exec("INSERT INTO iso VALUES (5, '2024-01-05 00:00:00Z')");
    await failure(() => readAll(source), 'ROW_MALFORMED', 'iso', 'at');
  });

  it('reads views, generated columns, tables without rowid, and its own tables never', async () => {
    database.exec(`DROP VIEW IF EXISTS seen; DROP TABLE IF EXISTS made; CREATE TABLE made (a TEXT, n INT, twice INT AS (n * 2), stored TEXT AS (a || '!') STORED, PRIMARY KEY (a, n)) WITHOUT ROWID;
      INSERT INTO made (a, n) VALUES ('x', 1), ('x', 2); CREATE VIEW seen AS SELECT a, twice, n + 0.5 AS half FROM made`);
    const made = await read('made');
    expect(made.schema.key).toEqual(['a', 'n']);
    expect(made.rows).toEqual([
      ['x', 1, 2, 'x!'],
      ['x', 2, 4, 'x!'],
    ]);
    const view = await read('seen', { mode: 'id', cursor: { column: 'twice', key: ['twice'] } });
    expect(view.schema.columns.map(({ type }) => type.kind)).toEqual(['string', 'int64', 'float64']);
    expect(view.rows.map(([, , half]) => half)).toEqual([1.5, 2.5]);
    await writeAll(harness, { name: 'own', columns: [{ name: 'id', type: { kind: 'int64' }, nullable: false }], key: ['id'] }, [['1']]);
    const names = (await harness.connector.discover(harness.connection, new AbortController().signal)).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['made', 'seen', 'own']));
    expect(names.filter((name) => name.startsWith('_idra') || name.startsWith('sqlite_'))).toEqual([]);
  });

  it('takes the rowid as a key where it is named', async () => {
    make('logs', 'line TEXT', "('a'), ('b'), ('a')");
    const byRowid = await readTable(harness, 'logs', { mode: 'id', cursor: { key: ['rowid'] }, read: { maxRows: 1 } });
    expect(byRowid.rows).toEqual([['a'], ['b'], ['a']]);
    expect(byRowid.boundaries).toHaveLength(3);
    expect(byRowid.schema.columns.map(({ name }) => name)).toEqual(['line']);
    expect((await read('logs')).boundaries).toEqual([]);
  });

  it('replaces every row, whatever its columns are called and wherever its key begins', async () => {
    const min = '-9223372036854775808';
    const integer = (name: string) => column(name, 'int64', name !== 'id');
    const texts = (rows: readonly Row[]) => rows.map((row) => row.map((value) => (value === null ? null : String(value))).join()).sort();
    const cases: [string, Column[], Row[]][] = [
      ['least', [column('id', 'int64', false)], [[min], ['2']]],
      [
        'named',
        [column('id', 'int64', false), column('rowid', 'string')],
        [
          ['1', 'a'],
          ['2', 'b'],
        ],
      ],
      [
        'taken',
        ['id', 'rowid', '_rowid_', 'OID'].map(integer),
        [
          ['1', '5', '5', '5'],
          ['2', null, null, null],
        ],
      ],
    ];
    for (const [name, columns, rows] of cases) {
      const schema = { name: `replaced_${name}`, columns, key: ['id'] };
      await writeAll(harness, schema, rows, { write: 'replace', batch: { cursor: null, final: true } });
      expect(texts(await harness.read(schema.name, columns)), name).toEqual(texts(rows));
    }
  });

  it.each(['insert', 'upsert', 'replace'] as const)('stops before the position passes rows that a trigger drops: %s', async (write) => {
    const schema = { name: `dropping_${write}`, columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] };
    make(schema.name, 'id INTEGER PRIMARY KEY, v TEXT', "(7, 'old')");
    database.exec(`CREATE TRIGGER "${write} drops" BEFORE INSERT ON ${schema.name} WHEN new.id = 2 BEGIN SELECT RAISE(IGNORE); END`);
    const batch = { cursor: write === 'replace' ? null : 'after', final: write === 'replace' };
    await failure(
      () =>
        writeAll(
          harness,
          schema,
          ['1', '2', '3'].map((id) => [id, 'new']),
          { write, batch },
        ),
      'ROWS_UNACCOUNTED',
      schema.name,
    );
    expect((await readTable(harness, schema.name)).rows).toEqual([[7, 'old']]);
    expect(
      await writeAll(
        harness,
        schema,
        ['1', '3'].map((id) => [id, 'new']),
        { write, batch, claim: claimOf(2) },
      ),
    ).toMatchObject({ seq: 1n });
  });

  it.each(['elsewhere', 'sqlite'])('follows a position only where time is written as before, and looks back from it: peer %s', async (peer) => {
    const cursor = { column: 'at', key: ['id'], lookbackSeconds: 10 };
    make('seen_at', 'id INTEGER PRIMARY KEY, at DATETIME', "(1, '2026-01-01 00:00:00')", "(2, '2026-01-01 00:00:05')");
    const { boundaries } = await readTable(harness, 'seen_at', { mode: 'timestamp', cursor, peer });
    const from = boundaries.at(-1)?.cursor ?? null;
    database.exec("INSERT INTO seen_at VALUES (3, '2026-01-01 00:00:01'), (4, '2026-01-01 00:00:06')");
    const again = await readTable(harness, 'seen_at', { mode: 'timestamp', cursor, peer, read: { from } });
    expect(again.rows.map(([id]) => id)).toEqual([1, 3, 2, 4]);
    // Every text with a T sorts behind those of its day with a space: once it is passed, they would be missed
    database.exec("DELETE FROM seen_at; INSERT INTO seen_at VALUES (5, '2026-01-01T00:00:02')");
    await failure(
      () => readTable(harness, 'seen_at', { mode: 'timestamp', cursor: { ...cursor, lookbackSeconds: 0 }, peer, read: { from } }),
      'ROW_MALFORMED',
      'seen_at',
      'at',
    );
  });

  it.each(['insert', 'upsert', 'replace'] as const)('overrules what constraints say of conflicts, so that no row is lost or changed: %s', async (write) => {
    const name = `resolving_${write}`;
    const schema = { name, columns: [column('id', 'int64', false), column('email', 'string'), column('v', 'string')], key: ['id'] };
    const columns = `id INTEGER PRIMARY KEY ON CONFLICT REPLACE, email TEXT UNIQUE ON CONFLICT REPLACE, v TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'made up'`;
    make(name, columns, "(7, 'old', 'x')");
    const batch = { cursor: write === 'replace' ? null : 'after', final: write === 'replace' };
    const rows = [
      ['1', 'same', 'x'],
      ['2', 'same', 'x'],
    ];
    await failure(() => writeAll(harness, schema, rows, { write, batch }), 'ROW_REJECTED', name);
    await failure(() => writeAll(harness, schema, [['3', 'other', null]], { write, batch, claim: claimOf(2) }), 'ROW_REJECTED', name);
    if (write === 'insert') await failure(() => writeAll(harness, schema, [['7', 'new', 'x']], { write, batch, claim: claimOf(3) }), 'ROW_REJECTED', name, '7');
    expect((await readTable(harness, name)).rows).toEqual([[7, 'old', 'x']]);
    const good = [[write === 'insert' ? '8' : '7', 'new', 'y'], ...Array.from({ length: 20 }, (_, i): Row => [String(10 + i), `e${i}`, 'y'])];
    expect(await writeAll(harness, schema, good, { write, batch, claim: claimOf(4) })).toMatchObject({ written: 21 });
    expect((await readTable(harness, name)).rows).toHaveLength(write === 'insert' ? 22 : 21);
  });

  it('leaves a trigger its own way with conflicts where no constraint has one', async () => {
    const schema = { name: 'audited', columns: [column('id', 'int64', false)], key: ['id'] };
    make('audited', 'id INTEGER PRIMARY KEY');
    database.exec('CREATE TABLE audit (day TEXT UNIQUE); CREATE TRIGGER noting AFTER INSERT ON audited BEGIN INSERT OR IGNORE INTO audit VALUES (1); END');
    expect(await writeAll(harness, schema, [['1'], ['2']])).toMatchObject({ written: 2 });
  });

  it('says which columns were there, so that a plan can tell which are added', async () => {
    make('growing', 'id INTEGER PRIMARY KEY, v TEXT');
    await using destination = await destinationOf(harness, 'growing');
    const schema = { name: 'growing', columns: [column('id', 'int64', false), column('more', 'string')], key: ['id'] };
    expect(await destination.prepare(schema, { dryRun: true })).toMatchObject({ existed: true, existingColumns: ['id', 'v'] });
    expect(await harness.columns('growing')).toEqual(['id', 'v']);
  });

  it.each([
    ['DATE TEXT', '-000042-03-15', '2024-01-01'],
    ['DATETIME', '+010000-01-01 00:00:00', '2024-01-01 00:00:00'],
    ['TIMESTAMP TEXT(6)', '+010000-01-01 00:00:00', '2024-01-01 00:00:00'],
    ['TIMESTAMPTZ TEXT(6)', '+010000-01-01 00:00:00+00:00', '2024-01-01 00:00:00+00:00'],
  ])('tells no largest %s where there are years with a sign, whose order as text is not that of time', async (declared, signed, plain) => {
    const infinite = declared === 'DATE TEXT' ? '1999-01-01' : '-infinity';
    make('moments', `id INTEGER, at ${declared}`, `(1, '${plain}'), (2, '${infinite}'), (3, NULL)`);
    await using destination = await destinationOf(harness, 'moments');
    expect(await destination.max?.(['at'])).toEqual([plain]);
    database.exec(`INSERT INTO moments VALUES (4, '${signed}')`);
    await failure(async () => destination.max?.(['at']), 'UNSUPPORTED', 'moments', 'at', 'mode timestamp');
    // The number of a row comes first: only among equal ones does the time count
    await failure(async () => destination.max?.(['id', 'at']), 'UNSUPPORTED', 'moments', 'at');
  });

  it.each(['?', '?1', ':x', '@x', '$x'])('refuses the parameter %s, to which nothing is bound, in a condition and in a query', async (parameter) => {
    make('asked', 'id INTEGER PRIMARY KEY, v TEXT', "(1, 'a:x'), (2, '?')");
    await failure(() => read('asked', { where: `id = ${parameter}` }), 'CONFIG_INVALID', 'where', 'parameter');
    const query = (sql: string) => read('asked', { options: config.source.parse({ query: sql }) });
    await failure(() => query(`SELECT id, v || '' AS v FROM asked WHERE id > ${parameter}`), 'CONFIG_INVALID', 'source.query', 'parameter');
    expect((await read('asked', { where: `v IN ('a:x', '?', '${parameter}') -- ${parameter}` })).rows).toHaveLength(2);
  });

  describe('columns that SQLite takes for one', () => {
    const schemaOf = (name: string, ...columns: string[]) => ({ name, columns: columns.map((each) => column(each, 'string')), key: [] });
    const refused = async (schema: ReturnType<typeof schemaOf>, ask: Parameters<typeof writeAll>[3], ...named: string[]) => {
      await failure(async () => (await destinationOf(harness, schema.name, ask)).prepare(schema, { dryRun: true }), 'SCHEMA_MISMATCH', schema.name, ...named);
      await failure(() => writeAll(harness, schema, [], ask), 'SCHEMA_MISMATCH', schema.name, ...named);
    };

    it('are refused with both names: in a new table, in one that is there, and late in a run', async () => {
      await refused(schemaOf('folded', 'V', 'v'), {}, '"V"', '"v"', 'columns.rename');
      await writeAll(harness, schemaOf('folded', 'name'), [['x']]);
      await refused(schemaOf('folded', 'Name'), { claim: claimOf(2) }, '"name"', '"Name"', 'columns.rename');
      await refused(schemaOf('folded', 'name', 'NAME'), { claim: claimOf(2) }, '"name"', '"NAME"', 'columns.rename');
      expect(await harness.columns('folded')).toEqual(['name']);
      // ASCII alone is folded
      await writeAll(harness, schemaOf('accents', 'É', 'é'), [['x', 'y']]);
      expect(await harness.columns('accents')).toEqual(['É', 'é']);
    });

    it('are refused where the column for soft deletes is one of them', async () => {
      await refused(schemaOf('marked', '_Deleted_At'), { deletes: 'soft' }, '"_Deleted_At"', '"_deleted_at"', 'softDeleteColumn');
      make('marked', 'a TEXT, _DELETED_AT TEXT');
      await refused(schemaOf('marked', 'a'), { deletes: 'soft' }, '"_DELETED_AT"', '"_deleted_at"', 'softDeleteColumn');
    });

    it('are at most 2,000, those that are there included', async () => {
      const names = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `c${from + i}`);
      await refused(schemaOf('many', ...names(0, 2001)), {}, '2001', 'columns.exclude');
      await writeAll(harness, schemaOf('many', ...names(0, 2000)), []);
      await refused(schemaOf('many', ...names(1, 2001)), { claim: claimOf(2) }, '2001', 'columns.exclude');
    });
  });

  it.each([
    ['2026-01-01T10:00:00Z', '2026-01-01 10:00:05Z'],
    ['2026-01-01T10:00:00.5Z', '2026-01-01T10:00:00.51Z'],
    ['2026-01-01 10:00:00+02:00', '2026-01-01 09:30:00+00:00'],
  ])('a lookback of a day meets what is written otherwise and sorts behind the position: %s, then %s', async (before, after) => {
    const cursor = { column: 'at', key: ['id'], lookbackSeconds: 86_400 };
    make('mixed_at', 'id INTEGER PRIMARY KEY, at DATETIME', `(1, '${before}')`);
    const { boundaries } = await readTable(harness, 'mixed_at', { mode: 'timestamp', cursor });
    database.exec(`INSERT INTO mixed_at VALUES (2, '${after}')`);
    expect(after < before).toBe(true);
    await failure(
      () => readTable(harness, 'mixed_at', { mode: 'timestamp', cursor, read: { from: boundaries.at(-1)?.cursor ?? null } }),
      'ROW_MALFORMED',
      'mixed_at',
      'at',
    );
  });

  it('makes no number of NULL in a key that only the destination knows of', async () => {
    make('numbered', 'id INTEGER PRIMARY KEY, v TEXT');
    const schema = { name: 'numbered', columns: [column('id', 'int64'), column('v', 'string')], key: [] };
    await failure(
      () =>
        writeAll(harness, schema, [
          ['1', 'a'],
          [null, 'b'],
        ]),
      'ROW_REJECTED',
      'numbered',
      'id',
    );
    expect(database.prepare('SELECT * FROM numbered').all()).toEqual([]);
  });

  it('refuses NULL in a primary key, which SQLite allows', async () => {
    make('loose', 'id TEXT PRIMARY KEY, v INT', "('a', 1), (NULL, 2), (NULL, 3)");
    await failure(() => read('loose', { mode: 'id' }), 'CURSOR_NULL', 'loose', 'id');
  });
});
