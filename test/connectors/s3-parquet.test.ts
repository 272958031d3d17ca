/** Parquet of many pages and row groups: each row once, from wherever the reading begins, and no more fetched than is needed. */
import type { S3Client } from '@aws-sdk/client-s3';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { readPageHeader, TooShort } from '../../lib/connectors/s3/parquet-header.ts';
import { parquet } from '../../lib/connectors/s3/read-parquet.ts';
import { isFault } from '../../lib/connectors/s3/records.ts';

const count = 2500;
const ids = Array.from({ length: count }, (_, i) => i);

interface Written {
  readonly file: Uint8Array;
  readonly requests: { from: number; to: number }[];
}

function written(wide: number, codec: 'SNAPPY' | 'UNCOMPRESSED'): Written {
  const filler = 'x'.repeat(wide);
  const file = new Uint8Array(
    parquetWriteBuffer({
      codec,
      rowGroupSize: 1000,
      pageSize: 4096,
      columnData: [
        { name: 'id', data: ids, type: 'INT32' },
        { name: 'same', data: ids.map((id) => `kind ${id % 3}`), type: 'STRING' },
        { name: 'text', data: ids.map((id) => (id % 7 === 0 ? null : `${id} é ${filler}`)), type: 'STRING' },
        { name: 'raw', data: ids.map((id) => Uint8Array.of(id % 256, 0, 255)), type: 'BYTE_ARRAY' },
      ],
    }),
  );
  return { file, requests: [] };
}

async function rowsFrom({ file, requests }: Written, rows: number): Promise<unknown[][]> {
  const send = async ({ input }: { input: { Range: string } }): Promise<unknown> => {
    const [from = 0, last = 0] = (/=(\d+)-(\d+)/.exec(input.Range) ?? []).slice(1).map(Number);
    requests.push({ from, to: last + 1 });
    return { Body: { transformToByteArray: async () => file.slice(from, last + 1) } };
  };
  const bucket = { client: { send } as unknown as S3Client, name: 'b', aws: true, serverNow: () => 0, [Symbol.dispose]: () => undefined };
  const object = { key: 'a.parquet', etag: '"a"', bytes: file.length, modified: 0 };
  const found: unknown[][] = [];
  const read = { bucket, object, compression: 'none', from: { bytes: 0, rows }, signal: new AbortController().signal, delimiter: ',', header: true } as const;
  for await (const piece of parquet.read(read)) {
    for (const { cells, number } of piece) {
      if (isFault(cells)) throw new Error(cells.reason);
      found.push([number, ...[...cells.values()].map((cell) => ('value' in cell ? cell.value : cell))]);
    }
  }
  return found;
}

const expected = (wide: number): unknown[][] =>
  ids.map((id) => [id + 1, id, `kind ${id % 3}`, id % 7 === 0 ? null : `${id} é ${'x'.repeat(wide)}`, Uint8Array.of(id % 256, 0, 255)]);

describe.each([
  ['SNAPPY', 10],
  ['UNCOMPRESSED', 10],
  // A row group that no single request brings
  ['UNCOMPRESSED', 12_000],
] as const)('%s, texts of %i characters', (codec, wide) => {
  const object = written(wide, codec);

  it.each([0, 1, 999, 1000, 1777, count - 1, count])('from row %i on', async (rows) => {
    object.requests.length = 0;
    expect(await rowsFrom(object, rows)).toEqual(expected(wide).slice(rows));
    // The footer apart, nothing twice
    const fetched = object.requests.slice(1).reduce((sum, { from, to }) => sum + to - from, 0);
    expect(fetched).toBeLessThanOrEqual(object.file.length);
  });
});

describe('headers of pages', () => {
  // Data page, 300 bytes, 100 unpacked; 1,000 values; statistics with a text of two bytes, and a field that is true
  const bytes = Uint8Array.of(
    0x15,
    0,
    0x15,
    0xc8,
    0x01,
    0x15,
    0xd8,
    0x04,
    0x2c,
    0x15,
    0xd0,
    0x0f,
    0x15,
    0,
    0x15,
    0,
    0x15,
    0,
    0x1c,
    0x18,
    2,
    65,
    66,
    0x11,
    0,
    0,
    0,
  );

  it('say how long the page is and how many rows it has', () => {
    expect(readPageHeader(bytes)).toEqual({ kind: 'data', headerBytes: bytes.length, pageBytes: 300, rows: 1000 });
  });

  it('that are cut short are told from broken ones', () => {
    for (let length = 0; length < bytes.length; length++) expect(() => readPageHeader(bytes.subarray(0, length))).toThrow(TooShort);
    expect(() => readPageHeader(Uint8Array.of(0x1d, 0))).toThrow('unknown type');
    expect(() => readPageHeader(Uint8Array.of(0))).toThrow('without a size');
  });
});
