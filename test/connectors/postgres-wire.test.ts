/** The rows of the wire, in whatever pieces they arrive: no server is needed. */
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import type pg from 'pg';
import { describe, expect, it } from 'vitest';
import { cutMessages, rowDecoder } from '../../lib/connectors/postgres/data-rows.ts';
import { RowStream } from '../../lib/connectors/postgres/row-stream.ts';

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

const kinds = ['plain', 'text', 'text'] as const;
const text = fc.string({ unit: fc.constantFrom('a', '\\', '\t', '\n', 'é', '漢', '🙂', 'x'.repeat(150)), maxLength: 40 });
const rows = fc.array(fc.tuple(fc.integer().map(String), text, fc.option(text)), { minLength: 1, maxLength: 40 });

describe('rows of the wire', () => {
  it('arrive whole, however the socket cuts them; what is no row goes to the driver', async () => {
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 400 }), async (given, size) => {
        const socket = new PassThrough();
        const others: Buffer[] = [];
        const stream = new RowStream('SELECT');
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
    const stream = new RowStream('SELECT');
    stream.abort(new Error('stopped'));
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toThrow('stopped');
  });
});
