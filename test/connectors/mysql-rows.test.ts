/** Our own reading of the text protocol's rows against the driver's: lengths at which the form of a length changes, and rows of more than one packet. */
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import type { Row } from '../../lib/values/types.ts';
import { freshName, readTable } from '../conformance/drive.ts';
import { describeWith } from '../support/servers.ts';
import { mysqlHarness, quote } from './mysql-harness.ts';

/** A length has one byte up to 250, two more up to 65,535, three more up to 16,777,215. */
const edges = [0, 1, 249, 250, 251, 252, 255, 256, 65_534, 65_535, 65_536, 70_000];
/** The longest payload of one packet: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_packets.html */
const packetBytes = 0xff_ff_ff;

await describeWith(['mysql'], 'rows as they come from MySQL', () => {
  let harness: Awaited<ReturnType<typeof mysqlHarness>>;
  beforeAll(async () => {
    harness = await mysqlHarness();
    return () => harness[Symbol.asyncDispose]();
  });

  /** The table by the driver alone, in the order of its key. */
  async function plain(table: string): Promise<Row[]> {
    const [rows] = await harness.client.query({
      sql: `SELECT * FROM ${quote(table)} ORDER BY id`,
      rowsAsArray: true,
      typeCast: (field) => (field.type === 'BLOB' && field.name === 'bytes' ? field.buffer() : field.string(field.type === 'JSON' ? 'utf8' : undefined)),
    });
    return rows as unknown as Row[];
  }

  async function table(): Promise<string> {
    const name = freshName('rows');
    await harness.execute(
      `CREATE TABLE ${quote(name)} (id int PRIMARY KEY, text longtext, latin longtext CHARACTER SET latin1, bytes longblob, d double, j json, n decimal(30,10), at datetime(6))`,
    );
    return name;
  }

  async function same(name: string): Promise<void> {
    const { rows } = await readTable(harness, name, { mode: 'id', cursor: { key: ['id'] } });
    const wanted = await plain(name);
    expect(rows.length).toBe(wanted.length);
    for (const [i, row] of wanted.entries()) {
      for (const [c, value] of row.entries()) {
        const found = rows[i]?.[c];
        // Bytes are compared as bytes, and megabytes not printed
        const equal = value instanceof Uint8Array && found instanceof Uint8Array ? Buffer.compare(value, found) === 0 : value === found;
        expect([i, c, equal]).toEqual([i, c, true]);
      }
    }
  }

  it('of every form of a length, beside NULL and in letters of one to four bytes', async () => {
    const name = await table();
    for (const [i, length] of edges.entries()) {
      const values: readonly Row[] = [
        [i * 4, 'a'.repeat(length), 'ÿ'.repeat(length), Buffer.alloc(length, 251), '0.1', '{"a": 1.0}', '1.5', '2024-01-01 00:00:00.000001'],
        [i * 4 + 1, 'é'.repeat(length >> 1), null, Buffer.alloc(length, 0), null, '"é😀"', null, null],
        [i * 4 + 2, '😀'.repeat(length >> 2), 'é', null, '-1e-300', null, '-0.0000000001', '0000-00-00 00:00:00'],
        [i * 4 + 3, null, 'b'.repeat(length), Buffer.from([255]), '5', '[]', '0', null],
      ];
      await harness.client.query(`INSERT INTO ${quote(name)} VALUES ?`, [values]);
    }
    await same(name);
  });

  it('of any content', async () => {
    const text = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.constantFrom('\0', '\\', '\ufb00'.repeat(100)));
    const row = fc.tuple(fc.option(text), fc.option(fc.uint8Array({ maxLength: 300 })), fc.option(fc.json({ maxDepth: 2 })));
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 40 }), async (rows) => {
        const name = await table();
        const values = rows.map(([t, b, j], i) => [i, t, null, b === null ? null : Buffer.from(b), null, j, null, null]);
        await harness.client.query(`INSERT INTO ${quote(name)} VALUES ?`, [values]);
        await same(name);
      }),
      { numRuns: 15 },
    );
  });

  it('of one packet to the last byte, of one byte more, and of three packets', { timeout: 60_000 }, async () => {
    // The id has two bytes with its length, the text's length four
    const longest = packetBytes - 6;
    // 1 to 5 before and behind, so that a row that was cut wrongly spoils its neighbours
    const lengths = [3, longest - 1, longest, longest + 1, 5, 2 * packetBytes + 10, 7];
    const sql = lengths.map((length, i) => `SELECT ${i} AS id, REPEAT('${'abcdefg'[i]}', ${length}) AS v`).join(' UNION ALL ');
    const { rows } = await readTable(harness, 'unused', { options: harness.query?.(sql), mode: 'full' });
    const found = rows.map(([id, v]) => [id, String(v).length]);
    expect(found).toEqual(lengths.map((length, i) => [String(i), length]));
    for (const [i, [, v]] of rows.entries()) expect(String(v) === 'abcdefg'[i]?.repeat(lengths[i] ?? 0)).toBe(true);
  });
});
