/** The topic as a destination: one transaction for rows and state, and only the newest claim writes. */
import { randomUUID } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import type { Claim, Destination, DestinationRequest, Writer } from '../../lib/connectors/connector.ts';
import { config } from '../../lib/connectors/kafka/config.ts';
import { connector } from '../../lib/connectors/kafka/index.ts';
import type { Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, column, failure } from '../conformance/drive.ts';
import { type Fresh, freshDatabase } from '../support/fresh.ts';
import { makeTopic, readCommitted, withAdmin } from '../support/kafka-topic.ts';
import { startKafka } from '../support/servers/kafka.ts';
import { describeWith } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const never = new AbortController().signal;
const schema: Schema = { name: 'orders', columns: [column('id', 'int64', false), column('note', 'string'), column('extra', 'json')], key: ['id'] };
/** Key of the request that ends a transaction, after the length, https://kafka.apache.org/protocol.html#protocol_api_keys. */
const endTxn = 26;

await describeWith(['kafka'], 'destination kafka', () => {
  let fresh: Fresh;
  beforeAll(async () => {
    fresh = await freshDatabase('kafka');
    return () => fresh[Symbol.asyncDispose]();
  });

  const sync = 'orders sync';
  function open(
    topic: string,
    more: { options?: object; request?: Partial<DestinationRequest>; brokers?: string; connection?: object } = {},
  ): Promise<Destination> {
    const request: DestinationRequest = {
      sync,
      shard: '0',
      options: config.destination.parse({ topic, partitions: 3, replication: 1, ...more.options }),
      write: 'insert',
      deletes: 'hard',
      softDeleteColumn: '_deleted_at',
      schema: 'evolve',
      onError: 'stop',
      peer: 'elsewhere',
      ...more.request,
    };
    const connection = config.connection.parse({
      type: 'kafka',
      brokers: (more.brokers ?? fresh.url).split(','),
      stateTopic: `${topic}.state`,
      ...more.connection,
    });
    return connector.openDestination(connection, request, never);
  }
  const claim = (fence: bigint, more: Partial<Claim> = {}): Claim => ({ sync, shard: '0', epoch: 0n, fence, enforced: true, ...more });
  async function writer(destination: Destination, fence: bigint): Promise<Writer> {
    return destination.open(await destination.prepare(schema), claim(fence));
  }
  const topicName = (name: string): string => `${fresh.name}${name}`;

  it.each(['none', 'gzip', 'zstd'])('writes keys, values, tombstones and headers, compressed with %s', async (compression) => {
    const topic = topicName(`values-${compression}`);
    await using destination = await open(topic, { options: { compression, headers: { note: 'note' } } });
    expect(await destination.state()).toBeNull();
    const target = await destination.prepare(schema, { dryRun: true });
    expect([target.existed, target.hasRows]).toEqual([false, false]);
    expect(await withAdmin(fresh.url, (admin) => admin.listTopics())).not.toContain(topic);
    await using out = await writer(destination, 5n);
    await out
      .write(
        chunkOf(
          [
            ['9223372036854775807', 'half \ud800', '{"n":12345678901234567890.10}'],
            ['1', '', null],
            ['1', null, null],
          ],
          { operations: Uint8Array.of(0, 0, 2) },
        ),
      )
      .catch(() => undefined);
    await out.discard();
    const big = '{"n":12345678901234567890.10}';
    await out.write(
      chunkOf(
        [
          ['9223372036854775807', 'é\0', big],
          ['1', '', null],
          ['1', null, null],
        ],
        { operations: Uint8Array.of(0, 0, 2) },
      ),
    );
    expect(await readCommitted(fresh.url, topic)).toEqual([]);
    expect(await out.commit(batchOf('c1'))).toEqual({ seq: 1n, written: 2, deleted: 1 });
    const seen = await readCommitted(fresh.url, topic, { atLeast: 3 });
    const first = seen.find(({ key }) => key === '{"id":9223372036854775807}');
    expect(first?.value).toBe(`{"id":9223372036854775807,"note":"é\\u0000","extra":${big}}`);
    expect(String(first?.headers.note)).toBe('é\0');
    expect(seen.filter(({ key }) => key === '{"id":1}').map(({ value }) => value)).toEqual(['{"id":1,"note":"","extra":null}', null]);
    expect(await destination.state()).toMatchObject({ fence: 5n, seq: 1n, cursor: 'c1' });
    const [described] = (await withAdmin(fresh.url, (admin) => admin.fetchTopicMetadata({ topics: [topic] }))).topics;
    expect(described?.partitions).toHaveLength(3);
  });

  it('holds rows once a batch is committed; what was aborted is none', async () => {
    const topic = topicName('aborted');
    await using destination = await open(topic);
    {
      await using dying = await writer(destination, 1n);
      await dying.write(chunkOf([['1', 'never committed', null]]));
      await dying.discard();
    }
    await using next = await open(topic);
    expect(await next.prepare(schema)).toMatchObject({ existed: true, hasRows: false });
    await using out = await writer(next, 2n);
    await out.write(chunkOf([['1', 'committed', null]]));
    await out.commit(batchOf('c1'));
    await using last = await open(topic);
    // The end of the transaction reaches the partition a moment later
    await expect.poll(async () => (await last.prepare(schema)).hasRows, { timeout: 10_000 }).toBe(true);
  });

  it('refuses an older claim without disturbing the newer, and drives an older writer out', async () => {
    const topic = topicName('fences');
    await using one = await open(topic);
    await using two = await open(topic);
    const older = await writer(one, 1n);
    await older.write(chunkOf([['1', 'of the older', null]]));
    const newer = await writer(two, 2n);
    expect(newer.committed).toMatchObject({ fence: 2n, seq: 0n, cursor: null });
    await newer.write(chunkOf([['2', 'of the newer', null]]));
    await failure(async () => {
      await older.write(chunkOf([['3', 'late', null]]));
      await older.commit(batchOf('older'));
    }, 'FENCED');
    await failure(() => writer(one, 1n), 'FENCED', topic);
    expect(await newer.commit(batchOf('newer'))).toMatchObject({ seq: 1n, written: 1 });
    await older.discard();
    await failure(() => older.commit(batchOf('again')), 'CONFLICT');
    expect((await readCommitted(fresh.url, topic, { atLeast: 1 })).map(({ value }) => JSON.parse(value ?? '').id)).toEqual([2]);
    const again = await writer(two, 2n);
    expect(again.committed).toMatchObject({ seq: 1n, cursor: 'newer' });
    for (const each of [older, newer, again]) await each[Symbol.asyncDispose]();
  });

  it('names a row over the limit with its key, and takes the rows around it', async () => {
    const topic = topicName('large');
    await makeTopic(fresh.url, topic, { settings: { 'max.message.bytes': '5000' } });
    await using destination = await open(topic, { request: { onError: 'deadLetter' } });
    await using out = await writer(destination, 1n);
    await out.attempt?.(chunkOf([['1', 'small', null]]));
    const error = await failure(async () => out.attempt?.(chunkOf([['2', 'x'.repeat(6_000), null]])), 'TOO_LARGE', 'id=2', '5000');
    expect(error.message).not.toContain('xxx');
    const rows = Array.from({ length: 200 }, (_, index) => [String(index + 3), 'y'.repeat(1_000), null]);
    await out.attempt?.(chunkOf(rows));
    const letter = { place: 'id=2', code: 'TOO_LARGE', reason: error.message, row: '{"id":"2"}', kind: 'row' } as const;
    await out.commit(batchOf('c', { deadLetters: [letter] }));
    expect(await readCommitted(fresh.url, topic, { atLeast: 201 })).toHaveLength(201);
    const [stored, ...others] = (await destination.deadLetters?.()) ?? [];
    expect([stored, others]).toMatchObject([letter, []]);
    await out.commit(batchOf('d', { resolved: [stored?.id ?? ''] }));
    expect(await destination.deadLetters?.()).toEqual([]);
  });

  it.each(['cut', 'hang'] as const)('a reply to the commit that is lost (%s) is read back', { timeout: 180_000 }, async (and) => {
    let proxy: TcpProxy | undefined;
    const broker = await startKafka({
      advertised: async (port) => {
        proxy = await TcpProxy.before(`127.0.0.1:${port}`, { seed: 1 });
        return proxy.host;
      },
    });
    try {
      const topic = `t-${randomUUID()}`;
      await using destination = await open(topic, { brokers: broker.url, connection: { timeoutSeconds: 5 } });
      await using out = await writer(destination, 1n);
      await out.write(chunkOf([['1', 'once', null]]));
      proxy?.swallowReplies({ after: (piece: Buffer) => piece.length > 6 && piece.readInt16BE(4) === endTxn, and, times: 1 });
      expect(await out.commit(batchOf('c1'))).toEqual({ seq: 1n, written: 1, deleted: 0 });
      proxy?.heal();
      await out.write(chunkOf([['2', 'after', null]]));
      expect(await out.commit(batchOf('c2'))).toEqual({ seq: 2n, written: 1, deleted: 0 });
      expect(await destination.state()).toMatchObject({ seq: 2n, cursor: 'c2' });
      expect((await readCommitted(broker.url, topic, { atLeast: 2 })).map(({ value }) => JSON.parse(value ?? '').id).sort()).toEqual([1, 2]);
    } finally {
      await broker[Symbol.asyncDispose]();
      await proxy?.[Symbol.asyncDispose]();
    }
  });

  it('refuses an upsert without a key and a text key of two columns', async () => {
    await using upsert = await open(topicName('refused'), { request: { write: 'upsert' } });
    await failure(() => upsert.prepare({ ...schema, key: [] }), 'KEY_REQUIRED');
    await using text = await open(topicName('refused'), { options: { keyFormat: 'text' } });
    await failure(() => text.prepare({ ...schema, key: ['id', 'note'] }), 'CONFIG_INVALID', 'keyFormat');
  });
});
