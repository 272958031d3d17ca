/** Requests and replies that are lost on the way to MongoDB, and streams that end: what is stored is found again, what is not is done again. */
import { type Collection, Int32, MongoClient, MongoServerError } from 'mongodb';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { SourceRequest } from '../../lib/connectors/connector.ts';
import { config } from '../../lib/connectors/mongodb/config.ts';
import { decodeStream, encodeStream } from '../../lib/connectors/mongodb/cursor.ts';
import { mongoError } from '../../lib/connectors/mongodb/errors.ts';
import { connector } from '../../lib/connectors/mongodb/index.ts';
import type { Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, failure, freshName, openWriter, readAll } from '../conformance/drive.ts';
import type { Harness } from '../conformance/harness.ts';
import { type Fresh, freshDatabase } from '../support/fresh.ts';
import { hasTransactions, isReplicaSet } from '../support/servers/mongodb.ts';
import { describeWith } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { mongodbHarness } from './mongodb-harness.ts';

const never = new AbortController().signal;

await describeWith(['mongodb'], 'mongodb on a bad line', ({ mongodb }) => {
  let fresh: Fresh;
  let client: MongoClient;
  let proxy: TcpProxy;
  let harness: Harness;

  beforeAll(async () => {
    fresh = await freshDatabase('mongodb');
    client = new MongoClient(fresh.url);
    const plain = await mongodbHarness();
    proxy = await TcpProxy.before(fresh.url, { seed: 1 });
    harness = { ...plain, connection: config.connection.parse({ type: 'mongodb', url: proxy.through(fresh.url) }) };
    return async () => {
      await proxy[Symbol.asyncDispose]();
      await plain[Symbol.asyncDispose]();
      await client.close();
      await fresh[Symbol.asyncDispose]();
    };
  });
  beforeEach(() => proxy.heal());

  const schema = (): Schema => ({ name: freshName('orders'), columns: [column('id', 'int64', false), column('note', 'string')], key: ['id'] });
  const idsOf = async (name: string): Promise<number[]> =>
    (
      await client
        .db(fresh.name)
        .collection(name)
        .find({}, { sort: { id: 1 } })
        .toArray()
    ).map(({ id }) => Number(id));

  describe('writing', () => {
    it('a reply to the batch’s last step that is lost is read back', { timeout: 60_000 }, async () => {
      const orders = schema();
      await using open = await openWriter(harness, orders, { write: 'upsert' });
      await open.writer.write(chunkOf([['1', 'once']]));
      // The state document moves last; in a transaction its end is what counts
      const last = hasTransactions(mongodb) ? 'commitTransaction' : 'batchId';
      proxy.swallowReplies({ after: last, and: 'cut', times: 1 });
      expect(await open.writer.commit(batchOf('c1'))).toEqual({ seq: 1n, written: 1, deleted: 0 });
      await open.writer.write(chunkOf([['2', 'after']]));
      expect(await open.writer.commit(batchOf('c2'))).toEqual({ seq: 2n, written: 1, deleted: 0 });
      expect(await open.destination.state()).toMatchObject({ seq: 2n, cursor: 'c2' });
      expect(await idsOf(orders.name)).toEqual([1, 2]);
    });

    it.skipIf(!hasTransactions(mongodb))(
      'a commit whose every reply is lost is decided by what is stored (with transactions only)',
      { timeout: 60_000 },
      async () => {
        const orders: Schema = { ...schema(), key: [] };
        await using open = await openWriter(harness, orders);
        await open.writer.write(chunkOf([['1', 'once']]));
        // The driver asks twice, five times over
        proxy.swallowReplies({ after: 'commitTransaction', and: 'cut', times: 10 });
        expect(await open.writer.commit(batchOf('c1'))).toEqual({ seq: 1n, written: 1, deleted: 0 });
        expect(await idsOf(orders.name)).toEqual([1]);
        proxy.heal();
        await open.writer.write(chunkOf([['2', 'after']]));
        expect(await open.writer.commit(batchOf('c2'))).toMatchObject({ seq: 2n });
      },
    );

    it('a connection cut in the middle of the rows: nothing moves, and the same batch again comes to the same end', { timeout: 60_000 }, async () => {
      const orders = schema();
      const rows = Array.from({ length: 300 }, (_, i) => [String(i), `marked ${i}`]);
      await using open = await openWriter(harness, orders, { write: 'upsert' });
      await open.writer.write(chunkOf(rows));
      proxy.cutAfter({ pattern: 'marked 250', direction: 'toServer', times: 1 });
      const committed = await open.writer.commit(batchOf('c1')).then(
        () => true,
        async (error: unknown) => {
          const { retry } = await failure(() => Promise.reject(error), 'CONNECTION_FAILED');
          expect(retry).toBe('now');
          return false;
        },
      );
      if (!committed) {
        expect(await open.destination.state()).toMatchObject({ seq: 0n, cursor: null });
        await open.writer.discard();
        await open.writer.write(chunkOf(rows));
        expect(await open.writer.commit(batchOf('c1'))).toEqual({ seq: 1n, written: 300, deleted: 0 });
      }
      expect(await idsOf(orders.name)).toEqual(rows.map(([id]) => Number(id)));
      expect(await open.destination.state()).toMatchObject({ seq: 1n, cursor: 'c1' });
    });

    it('a writer that was superseded while a reply was lost writes nothing more', { timeout: 60_000 }, async () => {
      const orders = schema();
      await using older = await openWriter(harness, orders, { write: 'upsert', sync: 'shared', claim: claimOf(1, { sync: 'shared' }) });
      await using newer = await openWriter(harness, orders, { write: 'upsert', sync: 'shared', claim: claimOf(2, { sync: 'shared' }) });
      await older.writer.write(chunkOf([['1', 'older']]));
      await failure(() => older.writer.commit(batchOf('old')), 'FENCED', orders.name);
      expect(await idsOf(orders.name)).toEqual([]);
      await newer.writer.write(chunkOf([['1', 'newer']]));
      expect(await newer.writer.commit(batchOf('new'))).toMatchObject({ seq: 1n });
    });
  });

  describe('changes', () => {
    const open = (name: string, connection: unknown = harness.connection) => {
      const request: SourceRequest = {
        sync: 's',
        options: config.source.parse({ collection: name }),
        mode: 'stream',
        cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' },
        peer: 'elsewhere',
      };
      return connector.openSource(connection, request, never);
    };
    /** A collection with one document, and a position right behind it. */
    const begun = async (): Promise<{ name: string; orders: Collection; from: string }> => {
      const name = freshName('changes');
      const orders = client.db(fresh.name).collection(name);
      const stream = orders.watch([], { maxAwaitTimeMS: 50 });
      await stream.tryNext();
      await orders.insertOne({ _id: 0 as never, v: 0 });
      const { _id: token } = await stream.next();
      await stream.close();
      return { name, orders, from: encodeStream(name, { position: { token, startAfter: false } }) };
    };

    it('a connection cut in the middle of the stream: the rest follows from the last boundary', { timeout: 60_000 }, async () => {
      const { name, orders, from } = await begun();
      await orders.insertMany(Array.from({ length: 200 }, (_, i) => ({ _id: (i + 1) as never, v: i, text: `${i} `.repeat(200) })));
      proxy.cutAfter({ pattern: '150 150 ', direction: 'toClient', times: 1 });
      const ids: unknown[] = [];
      let cursor = from;
      for (let attempt = 0; attempt < 3 && ids.length < 200; attempt++) {
        await using source = await open(name);
        try {
          for await (const chunk of source.read({ from: cursor, maxRows: 40, maxBytes: 1_000_000 }, never)) {
            if (chunk.kind !== 'rows') continue;
            ids.push(...chunk.rows.map(([id]) => id));
            cursor = chunk.boundary ?? cursor;
          }
        } catch (error) {
          await failure(() => Promise.reject(error), 'CONNECTION_FAILED');
        }
      }
      expect(ids).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    });

    it.each([286, 280, 260, 136])('the server’s code %i for a dead position is named with the way out', (code) => {
      expect(mongoError(new MongoServerError({ code, message: 'the server’s own words' }), 'read the changes of orders')).toMatchObject({
        code: 'RESYNC_REQUIRED',
        message: expect.stringContaining('checkpoint reset'),
      });
      // As the driver gives it where a request asks for exact types
      expect(mongoError(new MongoServerError({ code: new Int32(code), message: 'again' }), 'read the changes of orders')).toMatchObject({
        code: 'RESYNC_REQUIRED',
      });
    });

    it.skipIf(!isReplicaSet(mongodb))('a position that is gone from the oplog is named with the way out (replica set only)', async () => {
      const { name, from } = await begun();
      const { position } = decodeStream(name, from);
      if ('clusterTime' in position) throw new Error('a token was expected');
      const gone = encodeStream(name, { position: { ...position, token: { _data: '820000000100000001' } } });
      await using source = await open(name);
      await failure(() => readAll(source, { from: gone }), 'RESYNC_REQUIRED', name, 'checkpoint reset');
    });

    it.skipIf(!isReplicaSet(mongodb))('a stream on which nothing happens moves its position on (replica set only)', async () => {
      const { name, from } = await begun();
      await client.db(fresh.name).collection(freshName('elsewhere')).insertOne({ v: 1 });
      await using source = await open(name);
      const { rows, boundaries } = await readAll(source, { from });
      expect(rows).toEqual([]);
      expect(boundaries.at(-1)?.cursor).not.toBe(from);
      // And it goes on from there
      await client
        .db(fresh.name)
        .collection(name)
        .insertOne({ _id: 1 as never, v: 1 });
      expect((await readAll(source, { from: boundaries.at(-1)?.cursor ?? null })).rows.map(([id]) => id)).toEqual([1]);
    });

    it.skipIf(!isReplicaSet(mongodb))('a collection that is dropped and made anew is read on behind its end (replica set only)', async () => {
      const { name, orders, from } = await begun();
      await orders.insertOne({ _id: 1 as never, v: 1 });
      await orders.drop();
      await orders.insertOne({ _id: 2 as never, v: 2 });
      await using source = await open(name);
      const { rows, boundaries } = await readAll(source, { from });
      expect(rows.map(([id]) => id)).toEqual([1, 2]);
      for (const { cursor, rows: count } of boundaries) expect((await readAll(source, { from: cursor })).rows.map(([id]) => id)).toEqual([1, 2].slice(count));
    });

    it.skipIf(!isReplicaSet(mongodb))('the first run takes its position before the snapshot (replica set only)', async () => {
      const name = freshName('first');
      const orders = client.db(fresh.name).collection(name);
      await orders.insertMany([1, 2, 3].map((_id) => ({ _id: _id as never, v: _id })));
      await using source = await open(name);
      const seen = new Map<unknown, unknown>();
      let changed = false;
      for await (const chunk of source.read({ from: null, maxRows: 2, maxBytes: 1_000_000 }, never)) {
        if (chunk.kind !== 'rows') continue;
        chunk.rows.forEach(([id, v], i) => void (chunk.operations?.[i] === 2 ? seen.delete(id) : seen.set(id, v)));
        if (changed || chunk.rows.length === 0) continue;
        changed = true;
        await orders.updateOne({ _id: 1 as never }, { $set: { v: 10 } });
        await orders.deleteOne({ _id: 2 as never });
      }
      expect([...seen]).toEqual([
        [1, 10],
        [3, 3],
      ]);
    });
  });
});
