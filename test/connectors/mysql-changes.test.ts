/** What MySQL would change or lose on its own, by way of LOAD DATA LOCAL (errors become warnings) and of INSERT alike. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connector } from '../../lib/connectors/mysql/index.ts';
import { SyncError } from '../../lib/errors.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, freshName, openWriter, readTable, writeAll } from '../conformance/drive.ts';
import { mysqlHarness, quote } from './mysql-harness.ts';

type Made = Awaited<ReturnType<typeof mysqlHarness>>;
let harness: Made;
beforeAll(async () => {
  harness = await mysqlHarness();
});
afterAll(async () => harness[Symbol.asyncDispose]());

/** Code of the refusal, or the rows that were taken. */
async function outcome(schema: Schema, rows: readonly Row[], ask: Parameters<typeof writeAll>[3] = {}): Promise<unknown> {
  try {
    await writeAll(harness, schema, rows, ask);
    return 'taken';
  } catch (error) {
    if (error instanceof SyncError) return error.code;
    throw error;
  }
}

/** The same rows by INSERT, as where rows are set aside and where the server takes no LOAD DATA LOCAL. */
async function attempted(schema: Schema, rows: readonly Row[]): Promise<unknown> {
  await using open = await openWriter(harness, schema, { onError: 'deadLetter' });
  try {
    await open.writer.attempt?.(chunkOf(rows));
    return 'taken';
  } catch (error) {
    if (!(error instanceof SyncError)) throw error;
    await open.writer.commit(batchOf('none'));
    return error.code;
  }
}

async function count(table: string): Promise<number> {
  const [rows] = await harness.client.query(`SELECT COUNT(*) FROM ${quote(table)}`);
  return Number((rows as unknown as string[][])[0]?.[0]);
}

describe('columns that are narrower than their values', () => {
  const string = { kind: 'string' } as const;
  const cases: readonly [declared: string, type: Parameters<typeof column>[1], good: Row[number], bad: Row[number]][] = [
    ['decimal(10, 2)', 'decimal', '1.50', '1.505'],
    ['decimal(4, 2)', 'decimal', '99.99', '100'],
    ['decimal(4, 4)', 'decimal', '0.1234', '1.0000'],
    ['decimal(4, 4)', 'decimal', '-0.1234', '0.12345'],
    ['decimal(4, 4) unsigned', 'decimal', '0', '-0.1'],
    ['decimal(30, 30)', 'decimal', '0.000000000000000000000000000001', '1'],
    ['tinyint unsigned', 'int32', '255', '256'],
    ['smallint', 'int32', '-32768', '-32769'],
    ['int unsigned', 'int64', '4294967295', '-1'],
    ['bit(3)', 'int32', '7', '8'],
    ['year', 'int32', '0', '99'],
    ['float', 'float64', '0.5', '0.1'],
    ['double unsigned', 'float64', '0', '-0.5'],
    ['datetime(3)', 'timestamp', '2024-01-01 00:00:00.123', '2024-01-01 00:00:00.1234'],
    ['datetime', 'timestamp', '2024-01-01 00:00:00.000', '2024-01-01 00:00:00.5'],
    ['time', 'time', '10:00:00', '10:00:00.9'],
    ['timestamp(6) null', { kind: 'timestamp', fraction: 6, zoned: true }, '2024-01-01 00:00:00+05:30', '1969-01-01 00:00:00+00:00'],
    ['char(5)', string, 'abcde', 'a '],
    ['varchar(3)', string, '😀😀😀', 'abcd'],
    ['varchar(3)', string, 'a  ', 'a   '],
    ['tinytext', string, 'a'.repeat(255), 'é'.repeat(128)],
    ['varchar(9) character set latin1', string, 'é', '☃'],
    ['varchar(9) character set utf8mb3', string, '☃', '😀'],
    ['binary(3)', 'bytes', Buffer.from([1, 2, 0]), Buffer.from([1, 2])],
    ['varbinary(3)', 'bytes', Buffer.from([1, 2, 3]), Buffer.from([1, 2, 3, 4])],
    ["enum('a', 'it''s')", string, "it's", 'A'],
    ["enum('a', 'b')", string, 'b', '1'],
    ["set('x', 'y')", string, 'x,y', 'y,x'],
    ['json', 'json', '{"a": 1}', '{"a": '],
  ];
  for (const [declared, type, good, bad] of cases) {
    it(`${declared} takes ${JSON.stringify(good)?.slice(0, 40)} and refuses ${JSON.stringify(bad)?.slice(0, 40)}`, async () => {
      for (const write of ['insert', 'upsert', 'replace'] as const) {
        const schema: Schema = { name: freshName('narrow'), columns: [column('id', 'int32', false), column('v', type)], key: ['id'] };
        await harness.execute(`CREATE TABLE ${quote(schema.name)} (id int primary key, v ${declared})`);
        expect(await outcome(schema, [[1, good]], { write, batch: { cursor: null, final: true } })).toBe('taken');
        expect(await outcome(schema, [[2, bad]], { write, batch: { cursor: null, final: true } })).toMatch(/VALUE_UNREPRESENTABLE|ROW_REJECTED/);
        const { rows } = await readTable(harness, schema.name);
        expect(rows.map(([id]) => Number(id))).toEqual([1]);
      }
    });
  }

  it('a column that rounds what it is given is refused before the first row', async () => {
    const schema: Schema = { name: freshName('rounds'), columns: [column('id', 'int32', false), column('v', 'float64')], key: ['id'] };
    await harness.execute(`CREATE TABLE ${quote(schema.name)} (id int primary key, v double(10, 2))`);
    expect(await outcome(schema, [[1, '0.5']])).toBe('SCHEMA_MISMATCH');
  });
});

describe('rows that LOAD DATA LOCAL would skip', () => {
  const schemaOf = (name: string): Schema => ({ name, columns: [column('id', 'int32', false), column('v', 'int32')], key: ['id'] });
  const cases: readonly [what: string, table: (name: string) => string[], rows: readonly Row[]][] = [
    [
      'duplicates of the key',
      (name) => [`CREATE TABLE ${name} (id int primary key, v int)`],
      [
        [1, 1],
        [1, 2],
      ],
    ],
    [
      'duplicates of another key',
      (name) => [`CREATE TABLE ${name} (id int primary key, v int unique)`],
      [
        [1, 7],
        [2, 7],
      ],
    ],
    ['a broken check', (name) => [`CREATE TABLE ${name} (id int primary key, v int check (v < 10))`], [[1, 10]]],
    [
      'a broken foreign key',
      (name) => [
        `CREATE TABLE parent_${name.slice(1, -1)} (id int primary key)`,
        `CREATE TABLE ${name} (id int primary key, v int, foreign key (v) references parent_${name.slice(1, -1)} (id))`,
      ],
      [[1, 10]],
    ],
    [
      'a trigger that refuses',
      (name) => [
        `CREATE TABLE ${name} (id int primary key, v int)`,
        `CREATE TRIGGER tr_${name.slice(1, -1)} BEFORE INSERT ON ${name} FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'`,
      ],
      [[1, 1]],
    ],
    ['NULL for a required column', (name) => [`CREATE TABLE ${name} (id int primary key, v int not null)`], [[1, null]]],
    [
      'NULL for a timestamp that would become now',
      (name) => [`CREATE TABLE ${name} (id int primary key, v timestamp not null default current_timestamp)`],
      [[1, null]],
    ],
  ];
  for (const [what, table, rows] of cases) {
    it(`${what}: the batch is refused whole`, async () => {
      for (const way of ['load', 'insert'] as const) {
        const name = freshName(`skip_${way}`);
        for (const sql of table(quote(name))) await harness.execute(sql);
        const timestamp = what.includes('timestamp');
        const schema = timestamp
          ? { ...schemaOf(name), columns: [column('id', 'int32', false), column('v', { kind: 'timestamp', fraction: 0, zoned: true })] }
          : schemaOf(name);
        const all = what.includes('NULL') ? rows : [[99, null], ...rows];
        expect(await (way === 'load' ? outcome(schema, all) : attempted(schema, all))).toBe('ROW_REJECTED');
        expect(await count(name)).toBe(0);
      }
    });
  }
});

describe('upserts', () => {
  it('that would meet another row by another unique key are refused, not applied to that row', async () => {
    const name = freshName('other_key');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int primary key, email varchar(50) unique)`);
    const schema: Schema = { name, columns: [column('id', 'int32', false), column('email', 'string')], key: ['id'] };
    await writeAll(
      harness,
      schema,
      [
        [1, 'a@x'],
        [2, 'b@x'],
      ],
      { write: 'upsert' },
    );
    expect(await outcome(schema, [[3, 'a@x']], { write: 'upsert' })).toBe('ROW_REJECTED');
    await writeAll(
      harness,
      schema,
      [
        [1, 'c@x'],
        [3, 'a@x'],
        [3, 'd@x'],
      ],
      { write: 'upsert' },
    );
    const { rows } = await readTable(harness, name);
    expect(rows.map(([id, email]) => [Number(id), email])).toEqual([
      [1, 'c@x'],
      [2, 'b@x'],
      [3, 'd@x'],
    ]);
  });

  it('keep columns that the source does not bring, and rows that reference theirs', async () => {
    const name = freshName('kept');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int primary key, v int, own varchar(9) default 'mine')`);
    await harness.execute(
      `CREATE TABLE ${quote(`${name}_child`)} (id int primary key, parent int, foreign key (parent) references ${quote(name)} (id) on delete cascade)`,
    );
    await harness.execute(`INSERT INTO ${quote(name)} VALUES (1, 1, 'theirs')`);
    await harness.execute(`INSERT INTO ${quote(`${name}_child`)} VALUES (1, 1)`);
    const schema: Schema = { name, columns: [column('id', 'int32', false), column('v', 'int32')], key: ['id'] };
    await writeAll(
      harness,
      schema,
      [
        [1, 2],
        [2, 2],
      ],
      { write: 'upsert' },
    );
    const { rows } = await readTable(harness, name);
    expect(rows.map(([id, v, own]) => [Number(id), Number(v), own])).toEqual([
      [1, 2, 'theirs'],
      [2, 2, 'mine'],
    ]);
    expect(await count(`${name}_child`)).toBe(1);
    expect(await outcome(schema, [[1, 3]], { write: 'replace', batch: { cursor: null, final: true } })).toBe('SCHEMA_MISMATCH');
  });

  it('by LOAD DATA keep the rows of a table that the user cannot see, whose foreign key would delete them', async () => {
    const [name, user] = [freshName('hidden'), freshName('u')];
    const child = quote(`${name}_other`);
    const schema: Schema = { name, columns: [column('id', 'int32', false), column('v', 'int32')], key: ['id'] };
    await writeAll(harness, schema, [[1, 1]], { write: 'upsert' });
    await harness.execute(`CREATE DATABASE ${child}`);
    try {
      const database = quote(new URL(harness.url).pathname.slice(1));
      await harness.execute(
        `CREATE TABLE ${child}.c (id int primary key, p int, foreign key (p) references ${database}.${quote(name)} (id) on delete cascade)`,
      );
      await harness.execute(`INSERT INTO ${child}.c VALUES (1, 1)`);
      await harness.execute(`CREATE USER ${user} IDENTIFIED BY 'idra-test'`);
      await harness.execute(`GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, CREATE TEMPORARY TABLES ON ${database}.* TO ${user}`);
      const url = new URL(harness.url);
      [url.username, url.password] = [user, 'idra-test'];
      const limited = { ...harness, connection: { ...(harness.connection as object), url: url.href } };
      await writeAll(limited, schema, [[1, 2]], { write: 'upsert', claim: claimOf(2) });
      expect((await readTable(harness, name)).rows).toEqual([['1', '2']]);
      const [rows] = await harness.client.query(`SELECT p FROM ${child}.c`);
      expect(rows).toEqual([['1']]);
    } finally {
      await harness.execute(`DROP DATABASE ${child}`);
      await harness.execute(`DROP USER IF EXISTS ${user}`);
    }
  });

  it('refuse a key whose collation takes two texts for one', async () => {
    const schema: Schema = { name: freshName('folds'), columns: [column('id', { kind: 'string', maxLength: 20 }, false)], key: ['id'] };
    await harness.execute(`CREATE TABLE ${quote(schema.name)} (id varchar(20) character set utf8mb4 collate utf8mb4_general_ci primary key)`);
    expect(await outcome(schema, [['a'], ['A']], { write: 'upsert' })).toBe('SCHEMA_MISMATCH');
    const spaces: Schema = { ...schema, name: freshName('spaces') };
    await harness.execute(`CREATE TABLE ${quote(spaces.name)} (id varchar(20) character set utf8mb4 collate utf8mb4_bin primary key)`);
    expect(await outcome(spaces, [['a'], ['a ']], { write: 'upsert' })).toBe('VALUE_UNREPRESENTABLE');
    const own: Schema = { ...schema, name: freshName('own') };
    await writeAll(harness, own, [['a'], ['A'], ['a '], ['ä']], { write: 'upsert' });
    expect(await count(own.name)).toBe(4);
  });
});

describe('tables without transactions', () => {
  it('are refused', async () => {
    const schema: Schema = { name: freshName('myisam'), columns: [column('id', 'int32', false)], key: ['id'] };
    await harness.execute(`CREATE TABLE ${quote(schema.name)} (id int primary key) ENGINE=MyISAM`);
    expect(await outcome(schema, [[1]])).toBe('UNSUPPORTED');
  });
});

describe('two connections in turn', () => {
  it('commit overlapping batches of the same keys in order, without a deadlock', { timeout: 60_000 }, async () => {
    for (const extra of ['', ', unique (v)'] as const) {
      const name = freshName('turns');
      await harness.execute(`CREATE TABLE ${quote(name)} (id int primary key, v int${extra})`);
      const schema: Schema = { name, columns: [column('id', 'int32', false), column('v', 'int32')], key: ['id'] };
      await using open = await openWriter(harness, schema, { write: 'upsert' });
      let committing: Promise<unknown> = Promise.resolve();
      for (let batch = 0; batch < 12; batch++) {
        const rows = Array.from({ length: 2000 }, (_, i): Row => [i, batch * 10_000 + i]);
        await open.writer.write(chunkOf(rows.slice(0, 1000)));
        await open.writer.write(chunkOf(rows.slice(1000)));
        await committing;
        committing = open.writer.commit(batchOf(`c${batch}`));
      }
      await committing;
      const { rows } = await readTable(harness, name);
      expect([rows.length, Number(rows[0]?.[1]), Number(rows.at(-1)?.[1])]).toEqual([2000, 110_000, 111_999]);
    }
  });
});

describe('names', () => {
  it.each(['smile 😀', 'n'.repeat(65), 'end '])('that MySQL cannot hold are refused before anything is made: %j', async (name) => {
    const table = freshName('named');
    const failed = (schema: Schema) => writeAll(harness, schema, [['1']]).catch((error: unknown) => error);
    const ask = { key: [] };
    expect(await failed({ name: table, columns: [column(name, 'int64')], ...ask })).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('columns.rename'),
    });
    expect(await failed({ name, columns: [column('id', 'int64')], ...ask })).toMatchObject({ code: 'CONFIG_INVALID' });
    expect((await connector.discover(harness.connection, new AbortController().signal)).map((found) => found.name)).not.toContain(table);
  });

  it('hold dots, and more columns than the server takes are no fault of Idra', async () => {
    const dotted = `${freshName('dotted')}.table`;
    await harness.execute(`CREATE TABLE ${quote(dotted)} (id int primary key)`);
    expect((await connector.discover(harness.connection, new AbortController().signal)).map((found) => found.name)).toContain(`"${dotted}"`);
    const columns = Array.from({ length: 1100 }, (_, index) => column(`c${index}`, 'int32'));
    expect(await outcome({ name: freshName('wide'), columns, key: [] }, [columns.map(() => 1)])).toBe('SCHEMA_MISMATCH');
  });
});

describe('check and discover', () => {
  it('say what is there', async () => {
    const signal = new AbortController().signal;
    const checked = await connector.check(harness.connection, signal);
    expect(checked.server).toMatch(/MariaDB|MySQL/);
    expect(checked.write).toMatch(/LOAD DATA LOCAL|INSERT of many rows/);
    const name = freshName('found');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int primary key, v varchar(7) not null)`);
    const found = (await connector.discover(harness.connection, signal)).find((table) => table.name === name);
    expect(found).toMatchObject({
      key: ['id'],
      columns: [
        { name: 'id', type: { kind: 'int32' } },
        { name: 'v', type: { kind: 'string', maxLength: 7 }, nullable: false },
      ],
    });
    const wrong = { ...(harness.connection as object), url: harness.url.replace(/\/\/[^@]*@/, '//nobody:canary-secret@') };
    const error = await connector.check(wrong, signal).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ code: 'AUTHENTICATION_FAILED' });
    expect(String(error)).not.toContain('canary-secret');
  });
});
