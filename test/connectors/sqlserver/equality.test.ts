/** What SQL Server takes for equal, cuts off or leaves out without a word: none of it may cost a row, or a character of one. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Operation } from '../../../lib/connectors/connector.ts';
import { isRowError } from '../../../lib/errors.ts';
import type { Row, Schema } from '../../../lib/values/types.ts';
import { column, failure, freshName, readTable, writeAll } from '../../conformance/drive.ts';
import { describeWith } from '../../support/servers.ts';
import { quote, sqlserverHarness } from '../sqlserver-harness.ts';

type Made = Awaited<ReturnType<typeof sqlserverHarness>>;

await describeWith(['sqlserver'], 'SQL Server, what it does without a word', () => {
  let harness: Made;
  beforeAll(async () => {
    harness = await sqlserverHarness();
  });
  afterAll(async () => harness[Symbol.asyncDispose]());

  it('bytes that differ in zero bytes at their end are two keys: neither is changed or deleted in the place of the other', async () => {
    const name = freshName('zeros');
    await harness.execute(`CREATE TABLE ${quote(name)} (id varbinary(10) NOT NULL PRIMARY KEY, v int NULL)`);
    const schema: Schema = { name, columns: [column('id', 'bytes', false), column('v', 'int32')], key: ['id'] };
    await writeAll(harness, schema, [[Buffer.from([1]), 1]], { write: 'upsert' });
    const longer = Buffer.from([1, 0]);
    const deletes = { operations: Uint8Array.of(Operation.delete) };
    await writeAll(harness, schema, [[longer, null]], { write: 'upsert', chunk: deletes });
    // The server itself may keep both, or refuse the second: it may not take it for the first
    await writeAll(harness, schema, [[longer, 2]], { write: 'upsert' }).catch((error: unknown) => {
      if (!isRowError(error)) throw error;
    });
    expect((await readTable(harness, name)).rows).toContainEqual([Buffer.from([1]), 1]);
  });

  it('a delete whose key ends with a space does not delete the row without it', async () => {
    const name = freshName('spaces');
    await harness.execute(`CREATE TABLE ${quote(name)} (id nvarchar(10) COLLATE Latin1_General_100_BIN2 NOT NULL PRIMARY KEY)`);
    const schema: Schema = { name, columns: [column('id', 'string', false)], key: ['id'] };
    await writeAll(harness, schema, [['a']], { write: 'upsert' });
    await writeAll(harness, schema, [['a ']], { write: 'upsert', chunk: { operations: Uint8Array.of(Operation.delete) } });
    expect((await readTable(harness, name)).rows).toEqual([['a']]);
  });

  it.each(['varchar(4)', 'char(4)'])('a text that has too many bytes for %s in its code page is refused, not cut off', async (declared) => {
    const name = freshName('bytes');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int NOT NULL PRIMARY KEY, v ${declared} COLLATE Japanese_CI_AS NULL)`);
    const schema: Schema = { name, columns: [column('id', 'int32', false), column('v', 'string')], key: ['id'] };
    // Two bytes each
    await failure(() => writeAll(harness, schema, [[1, '日本語']]), 'VALUE_UNREPRESENTABLE', 'v', '1');
    // What arrives is whole, or is refused where the server counts otherwise
    await writeAll(harness, schema, [[2, '日本']]).catch((error: unknown) => {
      if (!isRowError(error)) throw error;
    });
    for (const [, v] of (await readTable(harness, name)).rows) expect(v).toBe('日本');
  });

  it('an index that leaves duplicates out without an error is refused by name', async () => {
    const name = freshName('forgiving');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int NOT NULL)`);
    await harness.execute(`CREATE UNIQUE INDEX forgiving_one ON ${quote(name)} (id) WITH (IGNORE_DUP_KEY = ON)`);
    const schema: Schema = { name, columns: [column('id', 'int32', false)], key: [] };
    await failure(() => writeAll(harness, schema, [[1]]), 'SCHEMA_MISMATCH', 'forgiving_one');
  });

  it('rows that a trigger answers with are not taken for the answer to the commit', async () => {
    const name = freshName('answering');
    await harness.execute(`CREATE TABLE ${quote(name)} (id int NOT NULL PRIMARY KEY)`);
    await harness.execute(`CREATE TRIGGER ${quote(`on_${name}`)} ON ${quote(name)} AFTER INSERT AS SELECT 7 AS seven`);
    const schema: Schema = { name, columns: [column('id', 'int32', false)], key: ['id'] };
    expect(await writeAll(harness, schema, [[1]])).toMatchObject({ seq: 1n, written: 1 });
    expect((await readTable(harness, name)).rows).toEqual([[1]]);
  });

  it.each<[string, readonly string[], readonly string[]]>([
    ['datetimeoffset(3)', ["'2024-01-01 10:00:00.000 +00:00'", "'2024-01-01 12:00:00.000 +02:00'"], ["'2024-01-01 10:00:01.000 +00:00'"]],
    ['nvarchar(10)', ["N'a'", "N'a '", "N'a  '"], ["N'b'"]],
    ['varbinary(4)', ['0x01', '0x0100'], ['0x02']],
  ])('a position never stands between values of %s that the server takes as equal', async (declared, equal, later) => {
    const name = freshName('groups');
    await harness.execute(`CREATE TABLE ${quote(name)} (n int NOT NULL, v ${declared} NOT NULL)`);
    const convert = declared.startsWith('datetimeoffset') ? (text: string): string => `CONVERT(${declared}, ${text}, 121)` : (text: string): string => text;
    const all = [...equal, ...later];
    await harness.execute(`INSERT INTO ${quote(name)} VALUES ${all.map((text, n) => `(${n}, ${convert(text)})`).join(', ')}`);
    // Texts are put in their exact order where a query is read
    const options = declared.startsWith('nvarchar') ? { options: harness.query?.(`SELECT n, v FROM ${quote(name)}`) } : {};
    const ask = { mode: 'timestamp', cursor: { column: 'v' }, include: ['n'], read: { maxRows: 1 }, ...options } as const;
    const { rows, boundaries } = await readTable(harness, name, ask);
    expect(rows.length).toBe(all.length);
    expect(boundaries.map((boundary) => boundary.rows).filter((at) => at < equal.length)).toEqual([]);
    for (const { cursor, rows: before } of boundaries) {
      const rest = await readTable(harness, name, { ...ask, read: { from: cursor } });
      expect(rest.rows.length).toBe(all.length - before);
    }
  });

  it('reads on behind every key of a varchar, in the order of its own collation', async () => {
    const name = freshName('sorted');
    const keys = ['a-b', 'ab', 'a-c', 'ac', 'é-b', 'éb', 'é-c', 'éc', 'zé'];
    await harness.execute(`CREATE TABLE ${quote(name)} (id varchar(10) COLLATE SQL_Latin1_General_CP1_CI_AS NOT NULL PRIMARY KEY)`);
    await harness.execute(`INSERT INTO ${quote(name)} VALUES ${keys.map((key) => `(N'${key}')`).join(', ')}`);
    const ask = { mode: 'id', cursor: { column: 'id' } } as const;
    const { rows, boundaries } = await readTable(harness, name, { ...ask, read: { maxRows: 1 } });
    expect(rows.map(([key]) => key).sort()).toEqual([...keys].sort());
    for (const { cursor, rows: before } of boundaries) {
      const rest: Row[] = (await readTable(harness, name, { ...ask, read: { from: cursor } })).rows;
      expect([...rows.slice(0, before), ...rest]).toEqual(rows);
    }
  });
});
