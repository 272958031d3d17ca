/** The rows of the wire, in whatever pieces they arrive: no server is needed. */
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import type { RawChunk } from '../../lib/connectors/connector.ts';
import { binaryHeader, binaryTrailer, copyBinary } from '../../lib/connectors/postgres/copy-binary.ts';
import { cutMessages, rowDecoder } from '../../lib/connectors/postgres/data-rows.ts';
import { RowStream } from '../../lib/connectors/postgres/row-stream.ts';
import type { ReadPass, ReadPlan } from '../../lib/connectors/sql/read-plan.ts';

type Field = string | null;

function message(code: string, body: Buffer): Buffer {
  const head = Buffer.from(`${code}\0\0\0\0`, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function dataRow(fields: readonly Field[]): Buffer {
  const parts = fields.flatMap((field) => {
    const bytes = Buffer.from(field ?? '', 'utf8');
    const size = Buffer.alloc(4);
    size.writeInt32BE(field === null ? -1 : bytes.length);
    return [size, bytes];
  });
  const count = Buffer.alloc(2);
  count.writeInt16BE(fields.length);
  return message('D', Buffer.concat([count, ...parts]));
}

/** A row of COPY's binary format: an int8 and a text. */
function tuple(id: bigint, name: Field): Buffer {
  const head = Buffer.alloc(18);
  head.writeInt16BE(2, 0);
  head.writeInt32BE(8, 2);
  head.writeBigInt64BE(id, 6);
  head.writeInt32BE(name === null ? -1 : Buffer.byteLength(name), 14);
  return Buffer.concat([head, Buffer.from(name ?? '')]);
}

const plan = {
  cursorIndexes: [0],
  selected: [{ pg: { base: 'int8', builtin: true, array: false, kind: 'b' } }, { pg: { base: 'text' } }],
  cursorOf: ([id]: string[]) => `at ${id}`,
} as unknown as ReadPlan;
const pass = { boundary: 'row', end: null } as unknown as ReadPass;

async function cutRaw(pieces: readonly Buffer[], limits: { maxRows: number; maxBytes: number }): Promise<RawChunk[]> {
  const chunks: RawChunk[] = [];
  async function* messages(): AsyncGenerator<Buffer[]> {
    for (const piece of pieces) yield [Buffer.from(piece)];
  }
  for await (const chunk of copyBinary({ plan, pass, options: { from: null, ...limits }, messages: messages() })) {
    if (chunk.kind === 'raw') chunks.push({ ...chunk, data: Buffer.from(chunk.data) });
  }
  return chunks;
}

const kinds = ['plain', 'text', 'text'] as const;
const text = fc.string({ unit: fc.constantFrom('a', '\\', '\t', '\n', 'é', '漢', '🙂', 'x'.repeat(150)), maxLength: 40 });
const rows = fc.array(fc.tuple(fc.integer().map(String), text, fc.option(text)), { minLength: 1, maxLength: 40 });

describe('rows of the wire', () => {
  it('arrive whole, however the socket cuts them; what is no row goes to the driver', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 400 }), async (given, size) => {
        const socket = new PassThrough();
        const others: Buffer[] = [];
        const stream = new RowStream('SELECT', 'DataRow');
        socket.on('data', (data: Buffer) => {
          others.push(Buffer.from(data));
          if (data[0] === 'Z'.charCodeAt(0)) stream.handleReadyForQuery();
        });
        const nothing = (): void => {};
        stream.submit({ stream: socket, parse: nothing, bind: nothing, execute: nothing, sync: nothing } as unknown as pg.Connection);
        const notice = message('N', Buffer.from('a notice'));
        const end = message('Z', Buffer.from('T'));
        const wire = Buffer.concat([...given.flatMap((row, i) => (i === 3 ? [notice, dataRow(row)] : [dataRow(row)])), end]);
        for (let at = 0; at < wire.length; at += size) socket.write(Buffer.from(wire.subarray(at, at + size)));
        const decode = rowDecoder(kinds);
        const read: unknown[] = [];
        for await (const pieces of stream) for (const piece of pieces) read.push(...decode(piece));
        expect(read).toEqual(given);
        expect(Buffer.concat(others)).toEqual(Buffer.concat(given.length > 3 ? [notice, end] : [end]));
      }),
      { numRuns: 60 },
    );
  });

  it('are cut into parts of at most so many bytes, but never within a row', () => {
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 2000 }), (given, maxBytes) => {
        const parts = [...cutMessages(Buffer.concat(given.map(dataRow)), maxBytes)];
        const decoded = parts.map((part) => ({ bytes: part.length, rows: rowDecoder(kinds)(part) }));
        expect(decoded.flatMap((part) => part.rows)).toEqual(given);
        for (const part of decoded) expect(part.bytes <= maxBytes || part.rows.length === 1).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('refuses a row of another width', () => {
    expect(() => rowDecoder(kinds)(dataRow(['1', 'a']))).toThrow('2 values for 3 columns');
  });

  it('ends with the reason of an abort', async () => {
    const stream = new RowStream('SELECT', 'DataRow');
    stream.abort(new Error('stopped'));
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow('stopped');
  });
});

describe('rows that pass unread', () => {
  const copied = fc.array(fc.tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.option(text)), { maxLength: 30 });

  it('lose the heads of their messages and nothing else, in chunks that end at a row whose key is known', async () => {
    await fc.assert(
      fc.asyncProperty(copied, fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 400 }), async (given, together, maxBytes) => {
        const tuples = given.map(([id, name]) => tuple(id, name));
        // As servers send it: the header with the first row, or with the trailer of an empty table
        const bodies = [...tuples, binaryTrailer].map((body, i) => (i === 0 ? Buffer.concat([binaryHeader, body]) : body));
        const wire = bodies.map((body) => message('d', body));
        const pieces: Buffer[] = [];
        for (let at = 0; at < wire.length; at += together) pieces.push(Buffer.concat(wire.slice(at, at + together)));
        const chunks = await cutRaw(pieces, { maxRows: 5, maxBytes });
        expect(Buffer.concat(chunks.map(({ data }) => data))).toEqual(Buffer.concat(tuples));
        let rows = 0;
        for (const { data, rowCount, bytes, boundary } of chunks) {
          rows += rowCount;
          expect(boundary).toBe(`at ${given[rows - 1]?.[0]}`);
          expect(data.length).toBe(bytes);
          expect(rowCount).toBeLessThanOrEqual(5);
          expect(bytes <= maxBytes || rowCount === 1).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are refused where a row has another width than was asked for, and where the end is missing', async () => {
    const limits = { maxRows: 5, maxBytes: 400 };
    const narrow = Buffer.concat([binaryHeader, Buffer.from([0, 1, 0, 0, 0, 0])]);
    await expect(cutRaw([message('d', narrow)], limits)).rejects.toMatchObject({ code: 'ROW_MALFORMED' });
    await expect(cutRaw([message('d', Buffer.concat([binaryHeader, tuple(1n, 'a')]))], limits)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  });
});
