import { randomUUID } from 'node:crypto';
import { DeleteObjectCommand } from '@aws-sdk/client-s3';
import { parquetMetadata } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Destination, DestinationRequest, Writer } from '../../lib/connectors/connector.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, failure } from '../conformance/drive.ts';
import { comparable } from '../conformance/same.ts';
import { caseGroups } from '../conformance/values.ts';
import { describeWith } from '../support/servers.ts';
import { listed, manifestOf, readManifest, type S3World, s3World, unpacked } from './s3-harness.ts';

const never = new AbortController().signal;
const columns = [column('id', 'int64', false), column('at', { kind: 'timestamp', fraction: 6, zoned: true }), column('v', 'string')];
const schema: Schema = { name: 'orders', columns, key: ['id'] };

interface Opened extends AsyncDisposable {
  readonly destination: Destination;
  readonly writer: Writer;
}

await describeWith(['s3'], 's3 as a destination of objects', () => {
  let world: S3World;
  beforeAll(async () => {
    world = await s3World();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  let paths = 0;
  const freshPath = (): string => `d${++paths}/`;
  const destinationAt = (path: string, options: Record<string, unknown> = {}, request: Partial<DestinationRequest> = {}): Promise<Destination> =>
    world.connector.openDestination(
      world.connection,
      {
        sync: 'orders',
        shard: '0',
        options: world.destination(path, options),
        write: 'insert',
        deletes: 'ignore',
        softDeleteColumn: '_deleted_at',
        schema: 'evolve',
        onError: 'stop',
        peer: 'elsewhere',
        ...request,
      },
      never,
    );
  const open = async (
    path: string,
    more: { options?: Record<string, unknown>; request?: Partial<DestinationRequest>; fence?: number; schema?: Schema } = {},
  ): Promise<Opened> => {
    const destination = await destinationAt(path, more.options, more.request);
    const target = await destination.prepare(more.schema ?? schema);
    const writer = await destination.open(target, claimOf(more.fence ?? 1, { sync: 'orders' }));
    return {
      destination,
      writer,
      [Symbol.asyncDispose]: async () => {
        await writer[Symbol.asyncDispose]();
        await destination[Symbol.asyncDispose]();
      },
    };
  };
  const rowsFrom = (from: number, to: number): Row[] =>
    Array.from({ length: to - from }, (_, i) => [String(from + i), `2026-01-0${1 + ((from + i) % 3)} 10:00:00+00:00`, `v${from + i}`]);
  const ids = async (path: string): Promise<string[]> => (await readManifest(world, path, columns)).map(([id]) => String(id));

  it('names objects by sync, shard, generation and seq, and the manifest by their ETags', async () => {
    const path = freshPath();
    await using end = await open(path, { options: { compression: 'gzip' } });
    for (const n of [0, 1, 2]) {
      await end.writer.write(chunkOf(rowsFrom(n * 10, n * 10 + 10)));
      await end.writer.commit(batchOf(`c${n}`));
    }
    expect((await listed(world, path)).map(({ key }) => key)).toEqual([1, 2, 3].map((seq) => `${path}orders-0-g0-00000000000${seq}.jsonl.gz`));
    expect(await ids(path)).toEqual(Array.from({ length: 30 }, (_, i) => String(i)));
    expect(await unpacked(world, `${path}orders-0-g0-000000000001.jsonl.gz`)).toMatch(/^\{"id":0,"at":"2026-01-01 10:00:00\+00:00","v":"v0"\}\n/);
  });

  it('replaces what a run that died left behind, and nothing that was committed', async () => {
    const path = freshPath();
    {
      await using died = await open(path);
      await died.writer.write(chunkOf(rowsFrom(0, 5)));
      await died.writer.commit(batchOf('one'));
    }
    // An object of batch 2 whose manifest was never stored
    await using zombie = await open(path);
    await zombie.writer.write(chunkOf(rowsFrom(5, 8)));
    await using next = await open(path, { fence: 2 });
    await failure(() => zombie.writer.commit(batchOf('two')), 'FENCED');
    expect(await world.keys(path)).toContain(`${path}orders-0-g0-000000000002.jsonl`);
    expect(await ids(path)).toHaveLength(5);
    await next.writer.write(chunkOf(rowsFrom(5, 15)));
    await next.writer.commit(batchOf('two'));
    expect(await ids(path)).toEqual(Array.from({ length: 15 }, (_, i) => String(i)));
    await failure(async () => {
      await zombie.writer.discard();
      await zombie.writer.write(chunkOf(rowsFrom(5, 8)));
      await zombie.writer.commit(batchOf('again'));
    }, 'FENCED');
    expect(await ids(path)).toHaveLength(15);
    expect((await world.keys(path)).filter((key) => key.endsWith('.jsonl'))).toHaveLength(2);
  });

  it('keeps old generations until the new one is complete, then deletes them', async () => {
    const path = freshPath();
    const request = { write: 'replace' } as const;
    for (const [fence, from] of [
      [1, 0],
      [2, 100],
    ] as const) {
      await using end = await open(path, { request, fence });
      await end.writer.write(chunkOf(rowsFrom(from, from + 5)));
      await end.writer.commit(batchOf('half'));
      if (fence === 2) expect(await ids(path)).toHaveLength(10);
      await end.writer.write(chunkOf(rowsFrom(from + 5, from + 10)));
      await end.writer.commit(batchOf(null, { final: true }));
    }
    expect(await ids(path)).toEqual(Array.from({ length: 10 }, (_, i) => String(100 + i)));
    expect((await world.keys(path)).filter((key) => key.endsWith('.jsonl'))).toHaveLength(2);
  });

  it('is emptied but for what a run has written that took over since', async () => {
    const path = freshPath();
    await using end = await open(path);
    await end.writer.write(chunkOf(rowsFrom(0, 5)));
    await end.writer.commit(batchOf('one'));
    await world.put(`${path}foreign.jsonl`, '{"id":7}\n');
    // The manifest is stored before anything is deleted: whoever claims in between writes under the generation that it names, or a later one
    const newer = [1, 2].map((generation) => `${path}orders-0-g${generation}-000000000001.jsonl`);
    for (const key of newer) await world.put(key, '{"id":8}\n');
    await end.destination.clear?.(await end.destination.prepare(schema), claimOf(1, { sync: 'orders' }));
    expect((await world.keys(path)).filter((key) => key.endsWith('.jsonl'))).toEqual(newer);
  });

  it('appends from the beginning where the position was that of a generation that is not live', async () => {
    const path = freshPath();
    {
      await using half = await open(path, { request: { write: 'replace' } });
      await half.writer.write(chunkOf(rowsFrom(0, 5)));
      await half.writer.commit(batchOf('half'));
    }
    // The rest alone, beside what was there, would lose the five rows
    await using end = await open(path, { fence: 2 });
    expect(end.writer.committed).toMatchObject({ seq: 1n, cursor: null });
    expect(await end.destination.state()).toMatchObject({ fence: 2n, cursor: null });
  });

  it('writes folders by date, and keeps the order of an upsert where a key moves', async () => {
    const path = freshPath();
    await using end = await open(path, { options: { partition: 'dt={at:yyyy-MM-dd}' }, request: { write: 'upsert' } });
    await end.writer.write(
      chunkOf([
        ['1', '2026-01-01 23:30:00-02:00', 'old'],
        ['2', null, 'x'],
        ['1', '2026-01-01 12:00:00+00:00', 'new'],
      ]),
    );
    expect(await end.writer.commit(batchOf('a'))).toMatchObject({ written: 3 });
    const keys = (await listed(world, path)).map(({ key }) => key.slice(path.length));
    expect(keys).toEqual([
      'dt=2026-01-02/orders-0-g0-000000000001.jsonl',
      'dt=__HIVE_DEFAULT_PARTITION__/orders-0-g0-000000000001.jsonl',
      'dt=2026-01-01/orders-0-g0-000000000001-1.jsonl',
    ]);
    expect((await readManifest(world, path, columns)).map(([id, , v]) => [id, v])).toEqual([
      ['1', 'new'],
      ['2', 'x'],
    ]);
    await failure(() => open(freshPath(), { options: { partition: 'dt={nope}' } }), 'NOT_FOUND', 'nope');
  });

  it('no value makes a folder that readers pass by', async () => {
    const path = freshPath();
    await using end = await open(path, { options: { partition: '{v}/n={v}' } });
    const values = ['de', null, '', '_x', '.h', '..', '_idra'];
    await end.writer.write(chunkOf(values.map((value, i): Row => [String(i), null, value])));
    await end.writer.commit(batchOf('a'));
    const folders = new Set((await listed(world, path)).map(({ key }) => key.slice(path.length).split('/').slice(0, -1).join('/')));
    expect([...folders].sort()).toEqual(
      ['%2E./n=..', '%2Eh/n=.h', '%5F_HIVE_DEFAULT_PARTITION__/n=__HIVE_DEFAULT_PARTITION__', '%5Fidra/n=_idra', '%5Fx/n=_x', 'de/n=de'].sort(),
    );
    expect(await ids(path)).toHaveLength(values.length);
  });

  it('sends a large object in parts', { timeout: 120_000 }, async () => {
    const path = freshPath();
    await using end = await open(path);
    const big = Array.from({ length: 30 }, (_, i): Row => [String(i), null, randomUUID().repeat(20_000)]);
    await end.writer.write(chunkOf(big));
    await end.writer.commit(batchOf('a'));
    const [object] = await listed(world, path);
    expect(object?.etag).toMatch(/-\d+"$/);
    const found = await readManifest(world, path, columns);
    expect(found.map(([, , v]) => v)).toEqual(big.map(([, , v]) => v));
  });

  it('keeps dead letters with the batch, and takes those away that are resolved', async () => {
    const path = freshPath();
    await using end = await open(path, { request: { onError: 'deadLetter' } });
    const attempt = (rows: Row[]): Promise<unknown> =>
      (end.writer.attempt?.(chunkOf(rows)) ?? Promise.reject(new Error('no attempt'))).then(
        () => 'taken',
        (error: { code: string }) => error.code,
      );
    expect(
      await attempt([
        ['1', null, 'a'],
        ['9223372036854775808', null, 'b'],
      ]),
    ).toBe('VALUE_UNREPRESENTABLE');
    expect(await attempt([['1', null, 'a']])).toBe('taken');
    expect(await attempt([[null, null, 'a']])).toBe('ROW_REJECTED');
    const letter = (place: string) => ({ place, code: 'ROW_REJECTED', reason: 'r', row: '{"text":"\\u0000\\ud800"}', kind: 'row' as const });
    await end.writer.commit(batchOf('a', { deadLetters: [letter('x'), letter('y')] }));
    const stored = (await end.destination.deadLetters?.()) ?? [];
    expect(stored.map(({ place, sync, row }) => [place, sync, row])).toEqual(['x', 'y'].map((place) => [place, 'orders', letter('x').row]));
    await end.writer.commit(batchOf('b', { resolved: [stored[0]?.id ?? ''] }));
    expect((await end.destination.deadLetters?.())?.map(({ place }) => place)).toEqual(['y']);
    expect(await ids(path)).toEqual(['1']);
  });

  it('moves long lists into segments', { timeout: 240_000 }, async () => {
    const path = freshPath();
    await using end = await open(path, { options: { partition: 'v={v}' } });
    for (const [batch, objects] of [128, 128, 1].entries()) {
      await end.writer.write(chunkOf(Array.from({ length: objects }, (_, i): Row => [String(batch * 128 + i), null, `v${i}`])));
      await end.writer.commit(batchOf(`b${batch}`));
    }
    const { live } = await manifestOf(world, path);
    expect([live.segments.length, live.objects.length]).toEqual([1, 1]);
    expect(new Set(await ids(path)).size).toBe(257);
  });

  it('refuses what is not its own: foreign objects are rows, a lost manifest is told, a type that changes in Parquet', async () => {
    const path = freshPath();
    await world.put(`${path}foreign.jsonl`, '{}');
    await using end = await destinationAt(path);
    expect(await end.prepare(schema)).toMatchObject({ existed: true, hasRows: true });
    const parquet = freshPath();
    const options = { format: 'parquet' };
    await using first = await open(parquet, { options });
    await first.writer.write(chunkOf(rowsFrom(0, 1)));
    await first.writer.commit(batchOf('a'));
    const changed: Schema = { ...schema, columns: [column('id', 'string', false), ...columns.slice(1)] };
    await failure(async () => (await destinationAt(parquet, options)).prepare(changed), 'SCHEMA_MISMATCH', 'id');
    await failure(
      async () => (await destinationAt(parquet, options, { schema: 'freeze' })).prepare({ ...schema, columns: [...columns, column('more', 'int32')] }),
      'SCHEMA_MISMATCH',
      'more',
    );
    await world.client.send(new DeleteObjectCommand({ Bucket: world.bucket, Key: `${parquet}_idra/orders-0/manifest.json` }));
    await first.writer.write(chunkOf(rowsFrom(1, 2)));
    await failure(() => first.writer.commit(batchOf('b')), 'FENCED');
  });

  describe('every value of the round-trip set, written and read again by the source', () => {
    const refused: Readonly<Record<string, readonly string[]>> = {
      parquet: [
        'infinite date',
        'infinite timestamp',
        'timestamp minus infinity',
        'infinite zoned',
        'zero date',
        'zero timestamp',
        'date without a day',
        'date BC',
        'date past 9999',
        '24:00:00',
        '838 hours',
        'negative time',
        'seven fraction digits',
        'lone surrogate',
      ],
      csv: ['lone surrogate'],
      jsonl: ['JSON null'],
    };
    /** JSON in Parquet and CSV is text; a field of JSON Lines has no type beyond JSON's. */
    const nameOf = (type: Schema['columns'][number]['type']): string => {
      const { kind } = type;
      if (kind === 'decimal') return type.precision === undefined ? 'decimal' : `decimal(${type.precision},${type.scale})`;
      if (kind === 'timestamp') return `timestamp(${type.fraction}${type.zoned ? ', zoned' : ''})`;
      return kind === 'time' ? `time(${type.fraction})` : kind;
    };

    /** A page of Parquet is encoded before it is compressed: what compresses it sees bytes, and one type of each physical kind shows what all types would. */
    const physical = ['boolean', 'int32', 'int64', 'float64', 'string', 'bytes', 'decimal'];

    it.each([
      ['jsonl', 'gzip', undefined],
      ['csv', 'zstd', undefined],
      ['parquet', 'snappy', undefined],
      ['parquet', 'zstd', physical],
      ['parquet', 'gzip', physical],
    ])('%s with %s', { timeout: 180_000 }, async (format, compression, kinds) => {
      const groups = caseGroups().filter(({ type }) => kinds?.includes(type.kind) ?? true);
      expect(groups.length).toBeGreaterThanOrEqual(physical.length);
      for (const group of groups) {
        const path = freshPath();
        const typed: Schema = { name: 'set', columns: [column('id', 'int32', false), column('v', group.type)], key: ['id'] };
        await using end = await open(path, { options: { format, compression }, schema: typed });
        const kept = group.cases.filter(({ name }) => refused[format]?.includes(name) !== true);
        for (const [id, { name, value }] of group.cases.entries()) {
          if (kept.some((each) => each.name === name)) continue;
          const error = await failure(() => end.writer.write(chunkOf([[id, value]])), 'VALUE_UNREPRESENTABLE', 'v', path);
          expect([name, error.place.key]).toEqual([name, String(id)]);
          await end.writer.discard();
        }
        if (kept.length === 0) continue;
        await end.writer.write(chunkOf(kept.map(({ value }, i) => [i, value])));
        await end.writer.commit(batchOf('a'));
        const fields = format === 'parquet' && group.type.kind !== 'json' && group.name !== 'decimal' ? undefined : { id: 'int32', v: nameOf(group.type) };
        const options = world.source(path, fields === undefined ? {} : { fields });
        const request = { sync: 's', options, mode: 'full', cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' }, peer: 'x' } as const;
        await using source = await world.connector.openSource(world.connection, request, never);
        const found: Row[] = [];
        for await (const chunk of source.read({ from: null, maxRows: 1_000, maxBytes: 1_000_000 }, never)) {
          if (chunk.kind === 'rows') found.push(...chunk.rows);
          if (chunk.kind === 'rows') expect(chunk.rejected ?? []).toEqual([]);
        }
        expect([group.name, found.map(([, value]) => comparable(value ?? null, group.type))]).toEqual([
          group.name,
          kept.map(({ value }) => comparable(value, group.type)),
        ]);
        if (fields === undefined && group.name !== 'short') expect(source.schema.columns.map(({ type }) => type.kind)).toEqual(['int32', group.type.kind]);
      }
    });
  });

  it('a Parquet file cut short is a named fault, and what follows is read', async () => {
    const path = freshPath();
    await using end = await open(path, { options: { format: 'parquet' } });
    await end.writer.write(chunkOf(rowsFrom(0, 100)));
    await end.writer.commit(batchOf('a'));
    const [object] = await listed(world, path);
    const whole = await world.bytes(object?.key ?? '');
    expect(Number(parquetMetadata(new Uint8Array(whole).buffer).num_rows)).toBe(100);
    const broken = freshPath();
    await world.put(`${broken}a.parquet`, whole.subarray(0, whole.length / 2));
    await world.put(`${broken}b.parquet`, whole);
    const request = { sync: 's', options: world.source(broken), mode: 'full', cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' }, peer: 'x' } as const;
    await using source = await world.connector.openSource(world.connection, request, never);
    const told: string[] = [];
    let rows = 0;
    for await (const chunk of source.read({ from: null, maxRows: 1_000, maxBytes: 1_000_000 }, never)) {
      if (chunk.kind !== 'rows') continue;
      rows += chunk.rows.length;
      told.push(...(chunk.rejected ?? []).map(({ error }) => `${error.code} ${error.place.key}`));
    }
    expect([rows, told]).toEqual([100, [`ROW_MALFORMED ${broken}a.parquet after row 0`]]);
  });
});
