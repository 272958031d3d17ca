/**
 * Rows are written in groups, with one look for escapes at each group, and read in parts: whatever stands beside whatever, the server has to hold the rows that were given, and the source has to give them back.
 * What the server holds is read from its own COPY output, by the rules of its documentation alone.
 */
import fc from 'fast-check';
import pgCopy from 'pg-copy-streams';
import { beforeAll, expect, it } from 'vitest';
import type { Row, Schema, Value } from '../../lib/values/types.ts';
import { batchOf, chunkOf, column, freshName, openWriter, readTable } from '../conformance/drive.ts';
import { codePoint } from '../support/code-point.ts';
import { describeWith } from '../support/servers.ts';
import { postgresHarness, quote } from './postgres-harness.ts';

/** https://www.postgresql.org/docs/current/sql-copy.html, File Formats, Text Format. */
const letters: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
const field = (text: string): string | null => (text === '\\N' ? null : text.replace(/\\(.)/gs, (_, letter: string) => letters[letter] ?? letter));

/** Letters of one to four bytes, what COPY escapes, what looks like its escapes, and long runs that end a group early. */
const text = fc.oneof(
  { weight: 5, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 20 }) },
  { weight: 2, arbitrary: fc.string({ unit: codePoint, maxLength: 20 }).filter((value) => value.isWellFormed() && !value.includes('\0')) },
  { weight: 3, arbitrary: fc.constantFrom('', '\\', '\\N', '\\.', '\t', '\n', '\r\n', '\\t', '\b\f\v', 'é', '😀', "'", ' end ', '\u2028', '\ufeff') },
  { weight: 1, arbitrary: fc.constantFrom('é', 'x', '\\', '😀\n').chain((unit) => fc.nat(90_000).map((length) => unit.repeat(length))) },
);
const value = {
  text: fc.option(text),
  count: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
  bytes: fc.option(fc.uint8Array({ maxLength: 40 })),
  yes: fc.option(fc.boolean()),
  real: fc.option(fc.double({ noDefaultInfinity: true, noNaN: true })),
};
const rows = fc.array(fc.tuple(value.text, value.count, value.bytes, value.text, value.yes, value.real), { minLength: 1, maxLength: 14 });

const columns = [
  column('id', 'int32', false),
  column('a', 'string'),
  column('n', 'int64'),
  column('b', 'bytes'),
  column('z', 'string'),
  column('yes', 'boolean'),
  column('d', 'float64'),
];

/** The server's text for a value; numbers are compared as numbers. */
const shown = (given: Value): unknown => {
  if (given instanceof Uint8Array) return `\\x${Buffer.from(given).toString('hex')}`;
  return typeof given === 'boolean' ? (given ? 't' : 'f') : given;
};

await describeWith(['postgres'], 'rows as PostgreSQL takes and gives them', () => {
  let harness: Awaited<ReturnType<typeof postgresHarness>>;
  beforeAll(async () => {
    harness = await postgresHarness();
    return () => harness[Symbol.asyncDispose]();
  });

  async function copied(table: string): Promise<(string | null)[][]> {
    const pieces: Buffer[] = [];
    for await (const piece of harness.client.query(pgCopy.to(`COPY (SELECT * FROM ${quote(table)} ORDER BY id) TO STDOUT`))) pieces.push(piece as Buffer);
    const lines = Buffer.concat(pieces).toString('utf8').split('\n').slice(0, -1);
    return lines.map((line) => line.split('\t').map(field));
  }

  it.each(['insert', 'upsert'] as const)('in any company (%s)', { timeout: 60_000 }, async (write) => {
    const schema: Schema = { name: freshName('company'), columns, key: ['id'] };
    await using open = await openWriter(harness, schema, { write });
    await fc.assert(
      fc.asyncProperty(rows, async (given) => {
        await harness.execute?.(`TRUNCATE ${quote(schema.name)}`);
        const wanted = given.map((values, i): Row => [String(i), ...values]);
        await open.writer.write(chunkOf(wanted));
        await open.writer.commit(batchOf(`${given.length}`));
        const held = await copied(schema.name);
        expect(held.map((row) => row.slice(0, -1))).toEqual(wanted.map((row) => row.slice(0, -1).map(shown)));
        const numbers = (all: readonly Row[]) => all.map((row) => (row.at(-1) == null ? null : Number(row.at(-1))));
        expect(numbers(held)).toEqual(numbers(wanted));
        const back = await readTable(harness, schema.name, { mode: 'id', cursor: { key: ['id'] } });
        expect(back.rows.map((row) => row.slice(0, -1).map(shown))).toEqual(wanted.map((row) => row.slice(0, -1).map(shown)));
        expect(numbers(back.rows)).toEqual(numbers(wanted));
      }),
      { numRuns: 15 },
    );
  });
});
