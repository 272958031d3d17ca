/** Reading by rowid, page by page: nothing is missed or doubled where pages change their size, their statement or the way in which texts are read. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { describe, expect, it } from 'vitest';
import type { SourceRequest } from '../../lib/connectors/connector.ts';
import { openSource } from '../../lib/connectors/sqlite/source.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const request: SourceRequest = {
  sync: 'pages',
  options: { table: 't', integerTimes: 'refuse' },
  mode: 'id',
  cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' },
  peer: 'postgres',
};

describe('pages by rowid', () => {
  it.each([7, 1000])('hand over every row once, in order, at most %i to a chunk', async (maxRows) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'pages.db');
    const database = new Sqlite(path);
    database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT)');
    const ids = [
      -9223372036854775808n,
      -5n,
      ...Array.from({ length: 300 }, (_, i) => BigInt(i * 3)),
      9007199254740993n,
      9007199254740995n,
      9223372036854775807n,
    ];
    // A text that only its bytes decide comes in the middle, after small rows and before one larger than a chunk
    const note = (i: number): string => (i === 150 ? 'a \uFFFD b' : i === 200 ? 'x'.repeat(200_000) : `note ${i}`);
    const insert = database.prepare('INSERT INTO t VALUES (?, ?)');
    database.exec('BEGIN');
    for (const [i, id] of ids.entries()) insert.run(id, note(i));
    database.exec('COMMIT');
    database.close();
    await using source = await openSource({ type: 'sqlite', path }, request);
    const expected = ids.map((id, i) => [String(id), note(i)]);
    const read = async (from: string | null): Promise<{ rows: unknown[][]; boundaries: (string | null)[] }> => {
      const rows: unknown[][] = [];
      const boundaries: (string | null)[] = [];
      for await (const chunk of source.read({ from, maxRows, maxBytes: 1_000_000 }, new AbortController().signal)) {
        if (chunk.kind !== 'rows') throw new Error('rows are expected');
        expect(chunk.rows.length).toBeLessThanOrEqual(maxRows);
        rows.push(...chunk.rows.map(([id, text]) => [String(id), text]));
        boundaries.push(chunk.boundary);
      }
      return { rows, boundaries };
    };
    const all = await read(null);
    expect(all.rows).toEqual(expected);
    const first = all.boundaries[0] ?? null;
    const rest = await read(first);
    expect(rest.rows).toEqual(expected.slice(expected.length - rest.rows.length));
    expect(rest.rows.length).toBeLessThan(expected.length);
    expect((await read(all.boundaries.at(-1) ?? null)).rows).toEqual([]);
  });

  it.each([1, 10])('rows of a large table are estimated where each %i. rowid is taken', async (step) => {
    await using folder = await temporaryFolder();
    const path = join(folder.path, 'many.db');
    const database = new Sqlite(path);
    database.exec('CREATE TABLE t (id INTEGER PRIMARY KEY)');
    database.exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000) INSERT INTO t SELECT i * ${step} FROM n`);
    database.close();
    await using source = await openSource({ type: 'sqlite', path }, request);
    const left = await source.remaining?.(null);
    expect(left?.exact).toBe(false);
    expect(Math.abs((left?.rows ?? 0) - 30_000)).toBeLessThan(20);
    expect(await source.remaining?.(source.cursorAfter?.([String(29_990 * step)]) ?? null)).toEqual({ rows: 10, exact: true });
  });
});
