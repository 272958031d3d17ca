/** The topic as a source: every committed message once, in the order of its partition, from any boundary. */
import { randomBytes } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import type { Chunk, SourceRequest } from '../../lib/connectors/connector.ts';
import { config } from '../../lib/connectors/kafka/config.ts';
import { connector } from '../../lib/connectors/kafka/index.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { failure } from '../conformance/drive.ts';
import { type Fresh, freshDatabase } from '../support/fresh.ts';
import { client, makeTopic, produce, withAdmin } from '../support/kafka-topic.ts';
import { configureKafka } from '../support/servers/kafka.ts';
import { describeWith } from '../support/servers.ts';
import { waitUntil } from '../support/wait-until.ts';

const never = new AbortController().signal;

interface Result {
  readonly rows: Row[];
  readonly cursor: string | null;
  readonly chunks: Chunk[];
  readonly schema: Schema;
}

await describeWith(['kafka'], 'source kafka', () => {
  let fresh: Fresh;
  beforeAll(async () => {
    fresh = await freshDatabase('kafka');
    return () => fresh[Symbol.asyncDispose]();
  });

  const ask = (topic: string, options: object = {}): SourceRequest => ({
    sync: `sync-${topic}`,
    options: config.source.parse({ topic, ...options }),
    mode: 'stream',
    cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' },
    peer: 'elsewhere',
  });
  const open = (request: SourceRequest) => connector.openSource(config.connection.parse({ type: 'kafka', brokers: fresh.url.split(',') }), request, never);

  async function read(topic: string, options: { from?: string | null; maxRows?: number; stopAfter?: number; source?: object } = {}): Promise<Result> {
    await using source = await open(ask(topic, options.source));
    const rows: Row[] = [];
    const chunks: Chunk[] = [];
    let cursor = options.from ?? null;
    for await (const chunk of source.read({ from: cursor, maxRows: options.maxRows ?? 50_000, maxBytes: 16_000_000 }, never)) {
      chunks.push(chunk);
      if (chunk.kind === 'rows') rows.push(...chunk.rows);
      cursor = chunk.boundary;
      if (options.stopAfter !== undefined && rows.length >= options.stopAfter) break;
    }
    return { rows, cursor, chunks, schema: source.schema };
  }

  async function topicOf(name: string, options: Parameters<typeof makeTopic>[2] = {}): Promise<string> {
    const topic = `${fresh.name}${name}`;
    await makeTopic(fresh.url, topic, options);
    return topic;
  }

  it('reads all partitions, each in its order, and goes on from any boundary', async () => {
    const topic = await topicOf('many', { partitions: 5 });
    await produce(
      fresh.url,
      topic,
      Array.from({ length: 3_000 }, (_, id) => ({ partition: id % 5, key: String(id), value: JSON.stringify({ id, note: `n${id}` }) })),
    );
    const whole = await read(topic, { source: { partitionColumn: 'p' } });
    expect(whole.rows.map(([id]) => Number(id)).sort((a, b) => a - b)).toEqual(Array.from({ length: 3_000 }, (_, id) => id));
    for (let partition = 0; partition < 5; partition++) {
      const ids = whole.rows.filter(([, , p]) => p === partition).map(([id]) => Number(id));
      expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    }
    const ids = new Set<number>();
    let cursor: string | null = null;
    let total = 0;
    for (let round = 0; round < 100; round++) {
      const part: Result = await read(topic, { from: cursor, maxRows: 37, stopAfter: 300 });
      for (const [id] of part.rows) ids.add(Number(id));
      total += part.rows.length;
      cursor = part.cursor;
      if (part.rows.length === 0) break;
    }
    expect([ids.size, total]).toEqual([3_000, 3_000]);
    expect(Buffer.byteLength(cursor ?? '')).toBeLessThan(4096);
  });

  it('leaves out what was aborted, also where transactions overlap, and passes control records at the end', async () => {
    const topic = await topicOf('aborted');
    const transactional = async (id: string) => {
      const producer = client(fresh.url).producer({ transactionalId: `${topic}-${id}`, createPartitioner: () => () => 0 });
      await producer.connect();
      return producer;
    };
    const [a, b, c] = await Promise.all([transactional('a'), transactional('b'), transactional('c')]);
    const [ta, tb, tc] = [await a.transaction(), await b.transaction(), await c.transaction()];
    // b begins first and ends last; a key of four zero bytes is not the end of a transaction
    await tb.send({ topic, messages: [{ key: Buffer.alloc(4), value: '{"id":-1}' }] });
    await ta.send({ topic, messages: [{ value: '{"id":-2}' }] });
    await tc.send({ topic, messages: [{ value: '{"id":1}' }] });
    await tb.send({ topic, messages: [{ value: '{"id":-3}' }] });
    await ta.abort();
    await tc.commit();
    await tb.send({ topic, messages: [{ value: '{"id":-4}' }] });
    await tb.abort();
    const second = await a.transaction();
    await second.send({ topic, messages: [{ value: '{"id":2}' }] });
    await second.abort();
    await Promise.all([a.disconnect(), b.disconnect(), c.disconnect()]);
    const all = await read(topic);
    expect(all.rows).toEqual([['1']]);
    expect((await read(topic, { from: all.cursor })).rows).toEqual([]);
  });

  it('ends before an open transaction, and reads it once it is committed', async () => {
    const topic = await topicOf('open');
    await produce(fresh.url, topic, [{ value: '{"id":1}' }]);
    const producer = client(fresh.url).producer({ transactionalId: `${topic}-tx`, createPartitioner: () => () => 0 });
    await producer.connect();
    const transaction = await producer.transaction();
    await transaction.send({ topic, messages: [{ value: '{"id":2}' }] });
    await produce(fresh.url, topic, [{ value: '{"id":3}' }]);
    const before = await read(topic);
    expect(before.rows).toEqual([['1']]);
    await transaction.commit();
    await producer.disconnect();
    const after = await waitUntil(
      async () => {
        const { rows } = await read(topic, { from: before.cursor });
        return rows.length === 2 ? rows : undefined;
      },
      { timeoutMs: 10_000, what: 'the rest' },
    );
    expect(after).toEqual([['2'], ['3']]);
  });

  it('passes what compaction has taken', { timeout: 60_000 }, async () => {
    const settings = {
      'cleanup.policy': 'compact',
      'segment.ms': '200',
      'min.cleanable.dirty.ratio': '0.01',
      'delete.retention.ms': '100',
      'segment.bytes': '1048576',
    };
    const topic = await topicOf('compacted', { settings });
    for (let round = 0; round < 10; round++) {
      await produce(
        fresh.url,
        topic,
        Array.from({ length: 50 }, (_, i) => ({ key: `k${i % 5}`, value: JSON.stringify({ id: round * 50 + i }) })),
      );
      await new Promise((done) => setTimeout(done, 250));
    }
    const rows = await waitUntil(
      async () => {
        const found = await read(topic);
        return found.rows.length < 400 ? found : undefined;
      },
      { timeoutMs: 40_000, what: 'compaction' },
    );
    const ids = rows.rows.map(([id]) => Number(id));
    expect(ids.slice(-5)).toEqual([495, 496, 497, 498, 499]);
    expect((await read(topic, { from: rows.cursor })).rows).toEqual([]);
    // From inside what is gone
    expect((await read(topic, { maxRows: 1, stopAfter: 3 })).rows).toHaveLength(3);
  });

  it('makes deletes of tombstones, takes keys from the message key, and adds what stands around the value', async () => {
    const topic = await topicOf('tombstones');
    await produce(fresh.url, topic, [
      { key: '{"id":7}', value: '{"id":7,"note":"here"}', headers: { h: 'é' }, timestamp: '1700000000123' },
      { key: '8', value: '{"note":"by key"}' },
      { key: '{"id":7}', value: null },
    ]);
    const { rows, chunks, schema } = await read(topic, {
      source: { key: ['id'], headersColumn: 'h', timestampColumn: 't', offsetColumn: 'o', keyColumn: 'k' },
    });
    expect(schema.columns.map(({ name }) => name)).toEqual(['id', 'note', 'k', 'h', 't', 'o']);
    expect(schema.key).toEqual(['id']);
    expect(rows[0]).toEqual(['7', 'here', '{"id":7}', '{"h":"é"}', '2023-11-14 22:13:20.123+00:00', '0']);
    expect(rows[1]?.slice(0, 3)).toEqual(['8', 'by key', '8']);
    expect(rows[2]).toEqual(['7', null, null, null, null, null]);
    expect(chunks.flatMap((chunk) => (chunk.kind === 'rows' ? [...(chunk.operations ?? [])] : []))).toEqual([0, 0, 2]);
  });

  it('sets aside what is no row, with its place, and goes on after it', async () => {
    const topic = await topicOf('malformed');
    const values = ['{"id":1}', 'not json', '[1]', Buffer.from([0xff, 0xfe]), '{"id":"text"}', '{"id":2}'];
    await produce(
      fresh.url,
      topic,
      values.map((value) => ({ value })),
    );
    const { rows, chunks } = await read(topic, { source: { fields: { id: 'int64' } } });
    expect(rows).toEqual([['1'], ['2']]);
    const rejected = chunks.flatMap((chunk) => (chunk.kind === 'rows' ? (chunk.rejected ?? []) : []));
    expect(rejected.map(({ error }) => [error.code, error.place.key])).toEqual([1, 2, 3, 4].map((offset) => ['ROW_MALFORMED', `${topic}/0@${offset}`]));
    expect(rejected[0]?.raw).toBe('not json');
    // What stands before is in a chunk of its own
    const first = chunks.find((chunk) => chunk.kind === 'rows' && chunk.rejected !== undefined);
    expect(first?.kind === 'rows' && first.rejected?.[0]?.before).toBe(0);
  });

  it('keeps numbers exact and widens the columns when new fields and types come', async () => {
    const topic = await topicOf('wider');
    const filler = Array.from({ length: 2_000 }, () => ({ value: `{"n":1,"pad":"${'x'.repeat(200)}"}` }));
    for (const part of [filler, [{ value: '{"n":9223372036854775807}' }, { value: '{"n":0.10000000000000000001,"late":{"a":1e2}}' }], filler])
      await produce(fresh.url, topic, part);
    const { rows, chunks, schema } = await read(topic);
    const widened = chunks.filter((chunk) => chunk.kind === 'rows' && chunk.schema !== undefined);
    expect(widened.length).toBeGreaterThan(0);
    expect(schema.columns.map(({ name, type }) => [name, type.kind])).toEqual([
      ['n', 'decimal'],
      ['pad', 'string'],
      ['late', 'json'],
    ]);
    expect(rows).toHaveLength(4_002);
    expect(rows.slice(2_000, 2_002).map(([n, , late]) => [n, late])).toEqual([
      ['9223372036854775807', undefined],
      ['0.10000000000000000001', '{"a":1e2}'],
    ]);
  });

  it('reads all there is although a quota makes the broker answer with nothing', { timeout: 60_000 }, async () => {
    const topic = await topicOf('quota', { partitions: 2 });
    const clientId = `slow-${topic}`;
    await configureKafka(fresh.url, '--alter', '--entity-type', 'clients', '--entity-name', clientId, '--add-config', 'consumer_byte_rate=20000');
    const count = 500;
    await produce(
      fresh.url,
      topic,
      Array.from({ length: count }, (_, id) => ({ partition: id % 2, value: JSON.stringify({ id, text: randomBytes(75).toString('hex') }) })),
    );
    const connection = config.connection.parse({ type: 'kafka', brokers: fresh.url.split(','), clientId });
    await using source = await connector.openSource(connection, ask(topic), never);
    let cursor: string | null = null;
    // The sample alone has used up what a client may have at once; but a broker takes up a new quota when it comes to it
    for (let tookMs = 0, reads = 1; tookMs < 1_000; reads++) {
      const began = performance.now();
      const ids: number[] = [];
      for await (const chunk of source.read({ from: null, maxRows: 100, maxBytes: 1_000_000 }, never)) {
        if (chunk.kind === 'rows') ids.push(...chunk.rows.map(([id]) => Number(id)));
        cursor = chunk.boundary;
      }
      tookMs = performance.now() - began;
      expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, index) => index));
      expect(reads, 'reads without a quota').toBeLessThan(20);
    }
    expect((await read(topic, { from: cursor })).rows).toEqual([]);
  });

  it('reads partitions that were added later', async () => {
    const topic = await topicOf('grown');
    await produce(fresh.url, topic, [{ value: '{"id":1}' }]);
    const { cursor } = await read(topic);
    await withAdmin(fresh.url, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] }));
    await produce(fresh.url, topic, [{ partition: 2, value: '{"id":2}' }]);
    expect((await read(topic, { from: cursor })).rows).toEqual([['2']]);
  });

  it('latest keeps the position of the first run', async () => {
    const topic = await topicOf('latest');
    await produce(fresh.url, topic, [{ value: '{"id":1}' }]);
    const first = await read(topic, { source: { start: 'latest' } });
    expect(first.rows).toEqual([]);
    await produce(fresh.url, topic, [{ value: '{"id":2}' }]);
    expect((await read(topic, { from: first.cursor, source: { start: 'latest' } })).rows).toEqual([['2']]);
  });

  it('commits the offsets to the group', async () => {
    const topic = await topicOf('group', { partitions: 2 });
    await produce(fresh.url, topic, [
      { partition: 0, value: '{"id":1}' },
      { partition: 1, value: '{"id":2}' },
    ]);
    const { cursor } = await read(topic);
    await using source = await open(ask(topic));
    await source.acknowledge?.(cursor ?? '');
    const offsets = await withAdmin(fresh.url, (admin) => admin.fetchOffsets({ groupId: `idra-sync-${topic}`, topics: [topic] }));
    expect(offsets[0]?.partitions.map(({ offset }) => offset)).toEqual(['1', '1']);
  });

  it('names retention that was faster, a topic made anew, and one that is missing', { timeout: 60_000 }, async () => {
    const topic = await topicOf('gone');
    const messages = Array.from({ length: 10 }, (_, id) => ({ value: `{"id":${id}}` }));
    await produce(fresh.url, topic, messages);
    const { cursor } = await read(topic, { maxRows: 3, stopAfter: 3 });
    const later = await read(topic);
    await withAdmin(fresh.url, async (admin) => {
      // The driver looks for the leaders in what it has already fetched
      await admin.fetchTopicOffsets(topic);
      await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '6' }] });
    });
    const gone = await failure(() => read(topic, { from: cursor }), 'RESYNC_REQUIRED', `${topic}/0`, 'checkpoint reset');
    expect(gone.message).toContain('3 to 5');
    await withAdmin(fresh.url, (admin) => admin.deleteTopics({ topics: [topic] }));
    await waitUntil(async () => !(await withAdmin(fresh.url, (admin) => admin.listTopics())).includes(topic), { timeoutMs: 10_000, what: 'the deletion' });
    await failure(() => read(topic, { from: later.cursor }), 'NOT_FOUND', topic);
    await makeTopic(fresh.url, topic);
    await produce(fresh.url, topic, messages.slice(0, 4));
    await failure(() => read(topic, { from: later.cursor }), 'RESYNC_REQUIRED', 'made anew');
    await produce(fresh.url, topic, messages);
    await failure(() => read(topic, { from: later.cursor }), 'RESYNC_REQUIRED', 'made anew');
    await failure(() => read(topic, { from: later.cursor?.replace(topic, 'another') ?? '' }), 'CURSOR_INVALID', topic);
  });
});
