import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Chunk, RowChunk, Source, SourceRequest } from '../../lib/connectors/connector.ts';
import type { Row } from '../../lib/values/types.ts';
import { failure } from '../conformance/drive.ts';
import { describeWith } from '../support/servers.ts';
import { type S3World, s3World } from './s3-harness.ts';

const never = new AbortController().signal;

await describeWith(['s3'], 's3 as a source', () => {
  let world: S3World;
  beforeAll(async () => {
    world = await s3World();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  let paths = 0;
  const freshPath = (): string => `p${++paths}/`;
  /** Going by time waits until the second of the last upload is over, which only tests of that order have a use for. */
  let order: 'key' | 'modified' = 'key';
  const open = (path: string, more: Record<string, unknown> = {}, request: Partial<SourceRequest> = {}): Promise<Source> =>
    world.connector.openSource(
      world.connection,
      {
        sync: 's',
        options: world.source(path, { order, ...more }),
        mode: 'stream',
        cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' },
        peer: 'elsewhere',
        ...request,
      },
      never,
    );
  const chunks = async (source: Source, from: string | null = null, maxRows = 50_000): Promise<RowChunk[]> => {
    const found: RowChunk[] = [];
    for await (const chunk of source.read({ from, maxRows, maxBytes: 16_000_000 }, never)) found.push(asRows(chunk));
    return found;
  };
  const run = async (
    path: string,
    from: string | null = null,
    more: Record<string, unknown> = {},
  ): Promise<{ rows: Row[]; cursor: string | null; rejected: string[] }> => {
    await using source = await open(path, more);
    const read = await chunks(source, from);
    return {
      rows: read.flatMap(({ rows }) => rows),
      cursor: read.findLast(({ boundary }) => boundary !== null)?.boundary ?? from,
      rejected: read.flatMap(({ rejected = [] }) => rejected.map(({ error }) => `${error.code} ${error.place.key}`)),
    };
  };
  const names = async (path: string, more: Record<string, unknown> = {}): Promise<string[]> => {
    await using source = await open(path, more);
    return source.schema.columns.map(({ name, type }) => `${name} ${type.kind}`);
  };

  it('a position is of one bucket, path and suffix', async () => {
    const path = freshPath();
    await world.put(`${path}2024/a.jsonl`, '{"id":1}\n');
    await world.put(`${path}2023/a.jsonl`, '{"id":2}\n');
    const { rows, cursor } = await run(`${path}2024/`, null);
    expect(rows).toEqual([['1']]);
    await failure(() => run(`${path}2023/`, cursor), 'CURSOR_INVALID', 'another bucket, path or suffix');
    await failure(() => run(path, cursor), 'CURSOR_INVALID');
    await failure(() => run(`${path}2024/`, cursor, { suffix: '.jsonl' }), 'CURSOR_INVALID');
    // As versions before wrote it
    const { p: _, ...old } = JSON.parse(cursor ?? '') as { p: string };
    expect((await run(`${path}2024/`, JSON.stringify(old))).rows).toEqual([]);
  });

  describe('formats', () => {
    const lines = '{"id":1,"big":9007199254740993,"price":19.90,"text":"é","list":[1.10]}\n\n{"id":2,"big":1,"price":null,"text":""}\n';
    const expected = [
      ['1', '9007199254740993', '19.9', 'é', '[1.10]'],
      ['2', '1', null, '', null],
    ];

    it('reads JSON Lines, plain and compressed, by the end of the key', async () => {
      for (const [key, body] of [
        ['a.jsonl', lines],
        ['a.ndjson', `\uFEFF${lines}`],
        ['a.json', lines],
        ['a.jsonl.gz', gzipSync(lines)],
        ['a.jsonl.zst', zstdCompressSync(lines)],
        ['two-members.jsonl.gz', Buffer.concat([gzipSync(lines.slice(0, 80)), gzipSync(lines.slice(80))])],
      ] as const) {
        const path = freshPath();
        await world.put(`${path}${key}`, body);
        expect([key, (await run(path)).rows]).toEqual([key, expected]);
        expect(await names(path)).toEqual(['id int64', 'big int64', 'price float64', 'text string', 'list json']);
      }
    });

    describe('zstd of several frames', () => {
      const skipped = Buffer.from([0x5e, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
      const text = '{"id":1}\n{"id":2}\n';
      const long = Array.from({ length: 40_000 }, (_, index) => `{"id":${index + 3},"noise":"${Math.sin(index)}"}`).join('\n');
      const checked = zstdCompressSync(long, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });

      it('is read to its end', async () => {
        const path = freshPath();
        await world.put(`${path}a.jsonl.zst`, Buffer.concat([skipped, zstdCompressSync(text), zstdCompressSync(''), skipped, checked]));
        const { rows, rejected } = await run(path, null, { fields: { id: 'int64', noise: 'string' } });
        expect([rows.length, rows[0], rows.at(-1)?.[0], rejected]).toEqual([40_002, ['1', null], '40002', []]);
      });

      it.each([
        ['cut in a block', (whole: Buffer) => whole.subarray(0, -20)],
        ['cut in a header', (whole: Buffer) => Buffer.concat([whole, whole.subarray(0, 3)])],
        ['with something else behind it', (whole: Buffer) => Buffer.concat([whole, Buffer.from('garbage')])],
        ['with a block that is wrong', (whole: Buffer) => Buffer.concat([whole.subarray(0, -10), Buffer.alloc(10)])],
      ])('%s is told, and what stands before is read', async (_, damage) => {
        const path = freshPath();
        await world.put(`${path}a.jsonl.zst`, Buffer.concat([zstdCompressSync(text), damage(zstdCompressSync('{"id":3}\n{"id":4}\n{"id":33333333333}\n'))]));
        const { rows, rejected } = await run(path, null, { fields: { id: 'int64' } });
        expect([rows.slice(0, 2), rejected.length]).toEqual([[['1'], ['2']], 1]);
        expect(rejected[0]).toMatch(/^ROW_MALFORMED /);
      });
    });

    it.each([
      ['a.csv', 'n,f\n1,9007199254740993\n2,0.1234567890123456789012\n3,0.5\n4,NaN\n'],
      ['a.jsonl', '{"n":1,"f":"9007199254740993"}\n{"n":2,"f":0.1234567890123456789012}\n{"n":3,"f":"0.5"}\n{"n":4,"f":"NaN"}\n'],
    ])('a number in %s that a double does not hold is no value of a field that is said to be one', async (key, body) => {
      const path = freshPath();
      await world.put(`${path}${key}`, body);
      const { rows, rejected } = await run(path, null, { fields: { n: 'int64', f: 'float64' } });
      expect([rows, rejected.length]).toEqual([
        [
          ['3', '0.5'],
          ['4', 'NaN'],
        ],
        2,
      ]);
    });

    it('reads tabs between the values of a key that ends in .tsv', async () => {
      const path = freshPath();
      await world.put(`${path}a.tsv`, 'id\tname\n1\tbob, the first\n');
      expect((await run(path)).rows).toEqual([['1', 'bob, the first']]);
    });

    it('refuses CSV whose lines end in CR alone', async () => {
      const path = freshPath();
      await world.put(`${path}a.csv`, 'id,a\r1,x\r2,y\r');
      await failure(() => open(path), 'ROW_MALFORMED', 'carriage return');
      const other = freshPath();
      await world.put(`${other}a.csv`, 'id,"a\r\nb"\r\n1,"x\ry"\r\n');
      expect([await names(other), (await run(other)).rows]).toEqual([['id string', 'a\r\nb string'], [['1', 'x\ry']]]);
    });

    it('reads JSON documents: a list, one object, several objects over many lines', async () => {
      const objects = [
        { id: 1, text: 'a]},"\\' },
        { id: 2, text: '{[' },
      ];
      const rows = [
        ['1', 'a]},"\\'],
        ['2', '{['],
      ];
      for (const body of [JSON.stringify(objects), JSON.stringify(objects, null, 2), objects.map((each) => JSON.stringify(each, null, 2)).join('\n')]) {
        const path = freshPath();
        await world.put(`${path}a.json`, body);
        expect((await run(path)).rows).toEqual(rows);
        const whole = await run(path, null, { format: 'json' });
        expect(whole.rows).toEqual(rows);
        await using source = await open(path);
        const [first] = await chunks(source, null, 1);
        expect((await run(path, first?.boundary ?? null)).rows).toEqual(rows.slice(1));
      }
    });

    it('names a list that is cut short, and an element that is no object', async () => {
      const path = freshPath();
      await world.put(`${path}a.json`, '[{"id":1},7,{"id":3},{"id"');
      const { rows, rejected } = await run(path);
      expect(rows).toEqual([['1'], ['3']]);
      expect(rejected).toEqual([`ROW_MALFORMED ${path}a.json element 2`, `ROW_MALFORMED ${path}a.json after row 3`]);
    });

    it('reads CSV: quotes, empty text beside NULL, line ends within values, types by name', async () => {
      const path = freshPath();
      const body = 'id,name,note\r\n1,"a ""b"", c",\r\n2,"line\r\nbreak",""\r\n\r\n007,é,x\r\n';
      await world.put(`${path}a.csv`, body);
      const rows = [
        ['1', 'a "b", c', null],
        ['2', 'line\r\nbreak', ''],
        ['007', 'é', 'x'],
      ];
      expect((await run(path)).rows).toEqual(rows);
      expect(await names(path)).toEqual(['id string', 'name string', 'note string']);
      expect((await run(path, null, { fields: { id: 'int32' } })).rows.map(([id]) => id)).toEqual(['1', '2', '7']);
      const zipped = freshPath();
      await world.put(`${zipped}a.csv.gz`, gzipSync(body));
      for (const each of [path, zipped]) {
        await using source = await open(each);
        for (const [at, { boundary }] of (await chunks(source, null, 1)).slice(0, 3).entries()) {
          expect((await run(each, boundary)).rows).toEqual(rows.slice(at + 1));
        }
      }
    });

    it('names the line of a CSV that does not fit, and goes on after it', async () => {
      const path = freshPath();
      await world.put(`${path}a.csv`, 'id,name\n1,a\n2\n3,c"d\n4,"e"f\n5,"two\nlines"\n6,"open\n7,g\n8,"h"');
      const { rows, rejected } = await run(path);
      expect(rows).toEqual([
        ['1', 'a'],
        ['5', 'two\nlines'],
        ['7', 'g'],
        ['8', 'h'],
      ]);
      expect(rejected).toEqual([3, 4, 5, 8].map((line) => `ROW_MALFORMED ${path}a.csv line ${line}`));
      await using source = await open(path);
      const read = await chunks(source, null, 1);
      const after = read.findIndex(({ rejected: found = [] }) => found.some(({ error }) => error.place.key?.endsWith('line 5')));
      expect((await run(path, read[after]?.boundary ?? null)).rows).toEqual(rows.slice(1));
    });

    it('takes a header or none, and other delimiters', async () => {
      const path = freshPath();
      await world.put(`${path}a.csv`, '1;x\n2;y\n');
      expect(await run(path, null, { header: false, delimiter: ';' })).toMatchObject({
        rows: [
          ['1', 'x'],
          ['2', 'y'],
        ],
      });
      expect(await names(path, { header: false, delimiter: ';' })).toEqual(['column1 string', 'column2 string']);
    });
  });

  describe('malformed input', () => {
    it('a broken line on row 7: what stands before is a chunk of its own, what follows is read', async () => {
      const path = freshPath();
      const body = Array.from({ length: 12 }, (_, i) => (i === 6 ? '{"id": 7, broken' : JSON.stringify({ id: i + 1 }))).join('\n');
      await world.put(`${path}a.jsonl`, body);
      await using source = await open(path);
      const read = await chunks(source);
      const at = read.findIndex(({ rejected = [] }) => rejected.length > 0);
      expect(read.slice(0, at).flatMap(({ rows }) => rows)).toEqual([1, 2, 3, 4, 5, 6].map((id) => [String(id)]));
      expect(read[at]?.rows).toEqual([]);
      expect(read[at]?.rejected?.[0]).toMatchObject({ raw: '{"id": 7, broken', error: { code: 'ROW_MALFORMED', place: { key: `${path}a.jsonl line 7` } } });
      expect(read.slice(at).flatMap(({ rows }) => rows)).toEqual([8, 9, 10, 11, 12].map((id) => [String(id)]));
      expect((await run(path, read[at - 1]?.boundary ?? null)).rejected).toEqual([`ROW_MALFORMED ${path}a.jsonl line 7`]);
      expect((await run(path, read[at]?.boundary ?? null)).rows[0]).toEqual(['8']);
    });

    it('invalid UTF-8, a value that is not of its fixed type', async () => {
      const path = freshPath();
      await world.put(`${path}a.jsonl`, Buffer.concat([Buffer.from('{"n":"1.5"}\n{"n":"'), Buffer.from([0xff]), Buffer.from('"}\n{"n":"1.555"}\n{"n":2}\n')]));
      const { rows, rejected } = await run(path, null, { fields: { n: 'decimal(5,2)' } });
      expect(rows).toEqual([['1.5'], ['2']]);
      expect(rejected).toEqual([`ROW_MALFORMED ${path}a.jsonl line 2`, `ROW_MALFORMED ${path}a.jsonl line 3`]);
      expect(() => open(path, { fields: { n: 'number' } })).toThrow('has to be a type such as');
    });

    it('an object alone that is cut short before its first record says so, and not that there is nothing', async () => {
      const path = freshPath();
      await world.put(`${path}a.parquet`, Buffer.from('PAR1 and no more'));
      await failure(() => open(path), 'ROW_MALFORMED', `${path}a.parquet`, 'source.fields');
      await world.put(`${path}z/b.jsonl.gz`, gzipSync('{"id":1}').subarray(0, 12));
      await failure(() => open(`${path}z/`), 'ROW_MALFORMED', 'b.jsonl.gz');
    });

    it('a compressed object that is cut short: all that can be read, then the fault, then the next object', async () => {
      const path = freshPath();
      const body = Array.from({ length: 50_000 }, (_, i) => JSON.stringify({ id: i, text: `row ${i * 7919}` })).join('\n');
      const zipped = gzipSync(body);
      await world.put(`${path}a.jsonl.gz`, zipped.subarray(0, zipped.length / 2));
      await world.put(`${path}b.jsonl`, '{"id":-1,"text":"next"}');
      const { rows, rejected } = await run(path);
      expect(rows.length).toBeGreaterThan(5_000);
      expect(rows.at(-1)).toEqual(['-1', 'next']);
      expect(rows.slice(0, -1).every(([id], i) => id === String(i))).toBe(true);
      expect(rejected).toHaveLength(1);
      expect(rejected[0]).toMatch(/^ROW_MALFORMED .*a\.jsonl\.gz after row/);
    });

    it('an ending that tells nothing, an empty prefix, a bucket that is not there', async () => {
      const path = freshPath();
      await world.put(`${path}a.bin`, 'x');
      await failure(() => open(path), 'UNSUPPORTED', 'a.bin');
      await failure(() => open('nothing/'), 'NOT_FOUND', 'nothing/');
      await using declared = await open('nothing/', { fields: { id: 'int64' } });
      expect(await chunks(declared)).toEqual([]);
      const elsewhere = { ...(world.connection as object), bucket: 'no-such-bucket-at-all' };
      const request = { sync: 's', options: world.source(path), mode: 'stream', cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' }, peer: 'x' } as const;
      await failure(() => world.connector.openSource(elsewhere, request, never), 'NOT_FOUND', 'no-such-bucket-at-all');
    });
  });

  describe('order', () => {
    beforeAll(() => {
      order = 'modified';
      return () => {
        order = 'key';
      };
    });

    const put = async (path: string, from: number, to: number): Promise<void> => {
      for (let i = from; i < to; i += 20) {
        await Promise.all(
          Array.from({ length: Math.min(20, to - i) }, (_, j) => world.put(`${path}${String(((i + j) * 7919) % 10_000)}.jsonl`, `{"id":${i + j}}\n`)),
        );
      }
    };
    const ids = (rows: readonly Row[]): number[] => rows.map(([id]) => Number(id)).sort((a, b) => a - b);
    const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

    it('reads each of many objects of the same seconds once, over many runs, keys in any order', { timeout: 120_000 }, async () => {
      const path = freshPath();
      const all: Row[] = [];
      let cursor: string | null = null;
      for (let at = 0; at < 120; at += 40) {
        await put(path, at, at + 40);
        const read = await run(path, cursor);
        all.push(...read.rows);
        cursor = read.cursor;
        expect(Buffer.byteLength(cursor ?? '')).toBeLessThan(4_096);
        expect(ids(all)).toEqual(range(0, at + 40));
      }
      expect((await run(path, cursor)).rows).toEqual([]);
    });

    it('reads more than a page of them, and keeps its cursor under 4 KB', { timeout: 240_000 }, async () => {
      const path = freshPath();
      // A page is what the server says it is: a thousand objects, or a hundred where it was started for these tests
      let count = 0;
      for (let truncated = false; !truncated; ) {
        expect(count).toBeLessThan(1_010);
        await put(path, count, count === 0 ? 110 : 1_010);
        count = count === 0 ? 110 : 1_010;
        truncated = (await world.client.send(new ListObjectsV2Command({ Bucket: world.bucket, Prefix: path }))).IsTruncated === true;
      }
      const first = await run(path);
      expect(ids(first.rows)).toEqual(range(0, count));
      expect(Buffer.byteLength(first.cursor ?? '')).toBeLessThan(4_096);
      await put(path, count, count + 20);
      const second = await run(path, first.cursor);
      expect(ids(second.rows)).toEqual(range(count, count + 20));
      expect((await run(path, second.cursor)).rows).toEqual([]);
    });

    it('takes an object that is dated before those already read', async () => {
      const path = freshPath();
      await world.put(`${path}b.jsonl`, '{"id":1}');
      const first = await run(path);
      await world.put(`${path}a.jsonl`, '{"id":2}');
      // The front is an hour ahead, as if what was read had been uploaded after
      const stored = JSON.parse(first.cursor ?? '');
      stored.f[0] += 3_600_000;
      expect((await run(path, JSON.stringify(stored))).rows).toEqual([['2']]);
    });

    it('reads an object that was written again, and not one that was left alone', async () => {
      const path = freshPath();
      await world.put(`${path}a.jsonl`, '{"id":1}');
      await world.put(`${path}b.jsonl`, '{"id":2}');
      const first = await run(path);
      await world.put(`${path}a.jsonl`, '{"id":3}');
      expect((await run(path, first.cursor)).rows).toEqual([['3']]);
    });

    it('goes by keys where they sort', async () => {
      const path = freshPath();
      await world.put(`${path}1.jsonl`, '{"id":1}\n{"id":2}');
      const first = await run(path, null, { order: 'key' });
      await world.put(`${path}2.jsonl`, '{"id":3}');
      expect((await run(path, first.cursor, { order: 'key' })).rows).toEqual([['3']]);
      await using other = await open(path);
      await failure(() => chunks(other, first.cursor), 'CURSOR_INVALID');
    });

    it('passes hidden keys and its own records by', async () => {
      const path = freshPath();
      for (const key of ['_SUCCESS', '_temporary/x.jsonl', '.hidden.jsonl', '_idra/s-0/manifest.json', 'folder/', 'deep/_idra/x.json'])
        await world.put(`${path}${key}`, '{"id":9}');
      await world.put(`${path}deep/a.jsonl`, '{"id":1}');
      expect((await run(path)).rows).toEqual([['1']]);
    });
  });

  it('resumes a half-read object after every boundary, exactly', async () => {
    const body = Array.from({ length: 2_500 }, (_, i) => JSON.stringify({ id: i, text: 'ü'.repeat(i % 50) })).join('\n');
    for (const [key, bytes] of [
      ['a.jsonl', Buffer.from(body)],
      ['a.jsonl.gz', gzipSync(body)],
    ] as const) {
      const path = freshPath();
      await world.put(`${path}${key}`, bytes);
      await using source = await open(path, { order: 'modified' });
      let done = 0;
      for (const { rows, boundary } of await chunks(source, null, 700)) {
        done += rows.length;
        const rest = await run(path, boundary, { order: 'modified' });
        expect(rest.rows.map(([id]) => Number(id))).toEqual(Array.from({ length: 2_500 - done }, (_, i) => done + i));
      }
      expect(done).toBe(2_500);
    }
  });

  it('refuses to go on in an object that was changed or removed meanwhile', async () => {
    const path = freshPath();
    await world.put(`${path}a.jsonl`, '{"id":1}\n{"id":2}');
    await using source = await open(path);
    const [first] = await chunks(source, null, 1);
    await world.put(`${path}a.jsonl`, '{"id":9}\n{"id":8}');
    await failure(() => run(path, first?.boundary ?? null), 'RESYNC_REQUIRED', `${path}a.jsonl`);
  });

  it('widens its columns when later rows bring more, and says so', async () => {
    const path = freshPath();
    const first = Array.from({ length: 1_500 }, (_, i) => JSON.stringify({ id: i, n: 1 }));
    await world.put(`${path}a.jsonl`, [...first, '{"id":1500,"n":1.5,"more":true}', '{"id":1501,"n":"text"}'].join('\n'));
    await using source = await open(path);
    expect(source.schema.columns.map(({ type }) => type.kind)).toEqual(['int64', 'int64']);
    const changes: string[] = [];
    let rows: Row[] = [];
    let from: string | null = null;
    for (let again = true; again; ) {
      again = false;
      for await (const chunk of source.read({ from, maxRows: 10_000, maxBytes: 10_000_000 }, never)) {
        const { schema, boundary } = asRows(chunk);
        if (schema !== undefined) {
          changes.push(schema.columns.map(({ name, type }) => `${name} ${type.kind}`).join(', '));
          again = true;
          break;
        }
        rows = [...rows, ...asRows(chunk).rows];
        from = boundary;
      }
    }
    expect(changes).toEqual(['id int64, n decimal, more boolean', 'id int64, n json, more boolean']);
    expect(rows.slice(1_499)).toEqual([
      ['1499', '1'],
      ['1500', '1.5', true],
      ['1501', '"text"', null],
    ]);
  });

  it('leaves columns out, and takes only those that are asked for', async () => {
    const path = freshPath();
    await world.put(`${path}a.jsonl`, '{"a":1,"b":2,"c":3}');
    for (const [ask, wanted] of [
      [{ include: ['c', 'a'] }, ['c', 'a']],
      [{ exclude: ['b'] }, ['a', 'c']],
    ] as const) {
      await using source = await open(path, {}, ask);
      expect(source.schema.columns.map(({ name }) => name)).toEqual(wanted);
      expect((await chunks(source)).flatMap(({ rows }) => rows)).toEqual([wanted.map((name) => String(' abc'.indexOf(name)))]);
    }
  });
});

function asRows(chunk: Chunk): RowChunk {
  if (chunk.kind !== 'rows') throw new Error('a raw chunk');
  return chunk;
}
