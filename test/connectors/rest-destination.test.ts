import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Claim, type DestinationRequest, Operation, type Writer } from '../../lib/connectors/connector.ts';
import { config } from '../../lib/connectors/rest/config.ts';
import { connector } from '../../lib/connectors/rest/index.ts';
import { setPosition } from '../../lib/engine/set-position.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { column } from '../conformance/drive.ts';
import { definition } from '../engine/samples.ts';
import { Resources } from '../support/http/handlers.ts';
import { HttpFaultServer } from '../support/http-fault-server.ts';
import { connectionTo, Lab, never } from './rest-support.ts';

let server: HttpFaultServer;
let resources: Resources;
beforeEach(async () => {
  server = await HttpFaultServer.listen();
  resources = new Resources();
  for (const method of ['PUT', 'DELETE', 'PATCH'] as const) server.route(`${method} /orders/*`, resources.handle);
  server.route('POST /orders', resources.handle);
});
afterEach(() => server[Symbol.asyncDispose]());

const schema: Schema = {
  name: 'orders',
  columns: [column('id', 'string', false), column('n', 'int64'), column('d', { kind: 'decimal' }), column('j', 'json')],
  key: ['id'],
};
const claim = (seq = 0n): Claim => ({
  sync: 'orders',
  shard: '0',
  epoch: 0n,
  fence: 7n,
  enforced: true,
  ...(seq === 0n ? {} : { known: { epoch: 0n, fence: 6n, seq, batchId: 'b', cursor: 'c' } }),
});

async function withWriter(
  options: object,
  work: (writer: Writer) => Promise<void>,
  ask: { more?: Partial<DestinationRequest>; claim?: Claim; connection?: object } = {},
): Promise<void> {
  const request: DestinationRequest = {
    sync: 'orders',
    shard: '0',
    options: config.destination.parse(options),
    write: 'upsert',
    deletes: 'ignore',
    softDeleteColumn: '_d',
    schema: 'evolve',
    onError: 'stop',
    peer: 'x',
    ...ask.more,
  };
  await using destination = await connector.openDestination(connectionTo(server.url, ask.connection), request, never);
  expect(destination.stateless).toBe(true);
  expect(await destination.state()).toBeNull();
  const target = await destination.prepare(schema);
  await using writer = await destination.open(target, ask.claim ?? claim());
  await work(writer);
}

const row = (id: string, n = '1'): Row => [id, n, '1.10', '{"a":12345678901234567890}'];
const chunk = (rows: Row[], operations?: number[]) => ({
  kind: 'rows' as const,
  rows,
  bytes: 1,
  boundary: 'c',
  ...(operations === undefined ? {} : { operations: Uint8Array.from(operations) }),
});
const keys = (): unknown[] => server.requests.map(({ headers }) => headers['idempotency-key']);

describe('what is sent', () => {
  it('PUT to the address of the key, percent-encoded, every digit kept', async () => {
    const ids = ['1', 'a/b', 'ä ☕', '50%', '?x=1&y#z', 'a\\b', '..a', ';'];
    await withWriter({ path: '/orders/{id}' }, async (writer) => {
      await writer.write(chunk(ids.map((id) => row(id, '9223372036854775807'))));
      expect(await writer.commit({ batchId: 'b1', cursor: 'c1' })).toEqual({ seq: 1n, written: ids.length, deleted: 0 });
      expect(writer.committed).toEqual({ epoch: 0n, fence: 7n, seq: 1n, batchId: 'b1', cursor: 'c1' });
    });
    expect([...resources.byId.keys()]).toEqual(ids);
    expect(server.requests[1]).toMatchObject({
      method: 'PUT',
      path: '/orders/a%2Fb',
      body: '{"id":"a/b","n":9223372036854775807,"d":1.10,"j":{"a":12345678901234567890}}',
    });
  });

  it.each(['..', '.', ''])('refuses the id %j, which would address something else', async (id) => {
    await withWriter({ path: '/orders/{id}' }, async (writer) => {
      await expect(writer.write(chunk([row(id)]))).rejects.toMatchObject({ code: 'VALUE_UNREPRESENTABLE', place: { column: 'id', key: `id=${id}` } });
    });
    expect(server.requests).toEqual([]);
  });

  it.each(['PATCH', 'POST'] as const)('%s to the address of the key, where the definition says so', async (method) => {
    server.route('POST /orders/*', () => ({ status: 204 }));
    await withWriter({ path: '/orders/{id}', method }, async (writer) => {
      await writer.write(chunk([row('1')]));
      expect(await writer.commit({ batchId: 'b', cursor: 'c' })).toMatchObject({ written: 1 });
    });
    expect(server.requests.map((request) => `${request.method} ${request.path}`)).toEqual([`${method} /orders/1`]);
  });

  it('refuses the JSON null, which a member that is null would not tell from NULL', async () => {
    await withWriter({ path: '/orders/{id}' }, async (writer) => {
      await expect(writer.write(chunk([['1', '1', null, null]]))).resolves.toBeUndefined();
      await expect(writer.write(chunk([['2', '1', null, ' null']]))).rejects.toMatchObject({
        code: 'VALUE_UNREPRESENTABLE',
        place: { column: 'j', key: 'id=2' },
      });
    });
    expect(server.requests.map(({ path }) => path)).toEqual(['/orders/1']);
  });

  it('POST of lists, filled across chunks and cut at the size', async () => {
    await withWriter({ path: '/orders', recordsPerCall: 3, wrap: 'orders' }, async (writer) => {
      await writer.write(chunk([row('1'), row('2')]));
      await writer.write(chunk([row('3'), row('4')]));
      expect(await writer.commit({ batchId: 'b', cursor: 'c' })).toMatchObject({ written: 4 });
    });
    expect(resources.posted.map((body) => (body as { orders: { id: string }[] }).orders.map(({ id }) => id))).toEqual([['1', '2', '3'], ['4']]);
  });

  it('DELETE for deletes, in their place, also of what is gone already', async () => {
    await withWriter(
      { path: '/orders/{id}', delete: { path: '/orders/{id}' } },
      async (writer) => {
        await writer.write(chunk([row('1'), row('1'), row('9'), row('2')], [Operation.insert, Operation.delete, Operation.delete, Operation.update]));
        expect(await writer.commit({ batchId: 'b', cursor: 'c' })).toMatchObject({ written: 2, deleted: 2 });
      },
      { more: { deletes: 'hard' } },
    );
    expect([...resources.byId.keys()]).toEqual(['2']);
  });

  it('refuses what JSON cannot say, a path column that does not arrive, deletes without an address, an upsert by another column', async () => {
    await withWriter({ path: '/orders' }, async (writer) => {
      await expect(writer.write(chunk([['1', '1', 'NaN', null]]))).rejects.toMatchObject({
        code: 'VALUE_UNREPRESENTABLE',
        place: { column: 'd', key: 'id=1' },
      });
      await writer.discard();
      await expect(writer.write(chunk([['\ud800', '1', null, null]]))).rejects.toMatchObject({ code: 'VALUE_UNREPRESENTABLE', place: { column: 'id' } });
    });
    const nothing = async (): Promise<void> => undefined;
    await expect(withWriter({ path: '/orders/{nope}' }, nothing)).rejects.toMatchObject({ code: 'NOT_FOUND', place: { column: 'nope' } });
    await expect(withWriter({ path: '/orders/{n}' }, nothing)).rejects.toMatchObject({ code: 'KEY_REQUIRED', place: { column: 'n' } });
    await expect(withWriter({ path: '/orders' }, nothing, { more: { deletes: 'hard' } })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    for (const bad of [
      { path: '/orders/{id}', recordsPerCall: 2 },
      { path: 'https://evil.example/x' },
      { path: '//evil.example/x' },
      { path: '/a{' },
      { path: '/a?x=1' },
      { path: '/a', delete: { path: '/a' } },
    ])
      expect(config.destination.safeParse(bad).success, JSON.stringify(bad)).toBe(false);
  });
});

describe('idempotency keys', () => {
  it('are the same for the same batch sent again, and different for other records, batches, syncs and shards', async () => {
    const send = (id: string, from: Claim) =>
      withWriter(
        { path: '/orders' },
        async (writer) => {
          await writer.write(chunk([row(id), row(id)]));
          await writer.commit({ batchId: Math.random().toString(), cursor: 'c' });
        },
        { claim: from },
      );
    await send('1', claim(4n));
    await send('1', { ...claim(4n), fence: 99n });
    // Two equal records are two records
    expect(resources.posted).toHaveLength(2);
    await send('2', claim(4n));
    await send('1', claim(5n));
    await send('1', { ...claim(4n), sync: 'other' });
    await send('1', { ...claim(4n), shard: '1' });
    expect(resources.posted).toHaveLength(10);
    expect(new Set(keys()).size).toBe(10);
    expect(keys().every((key) => /^[0-9a-f]{64}$/.test(String(key)))).toBe(true);
  });

  it('make a lost reply harmless where the service honours them', async () => {
    server.plan({ kind: 'lostReply' }, { times: 2 });
    await withWriter({ path: '/orders' }, async (writer) => {
      await writer.write(chunk([row('1'), row('2')]));
      await writer.commit({ batchId: 'b', cursor: 'c' });
    });
    expect(server.requests).toHaveLength(4);
    expect(resources.posted).toHaveLength(2);
  });
});

describe('refused records', () => {
  const cases: [string, object, object][] = [
    ['listed by index', { failures: 'errors' }, { json: { errors: [1] } }],
    ['listed as objects', { failures: 'result.errors' }, { json: { result: { errors: [{ index: 1, status: 409, message: 'canary' }] } } }],
    ['207 with a status each', {}, { status: 207, json: { items: [{ status: 201 }, { status: 409, error: 'canary' }, { status: 200 }] } }],
  ];
  it.each(cases)('%s: the row is named, the batch is not committed', async (_, options, reply) => {
    server.route('POST /bulk', () => reply);
    await withWriter({ path: '/bulk', recordsPerCall: 3, ...options }, async (writer) => {
      const error: unknown = await writer.write(chunk([row('1'), row('2'), row('3')])).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'ROW_REJECTED', place: { key: 'id=2' } });
      expect(String(error)).not.toContain('canary');
      await expect(writer.commit({ batchId: 'b', cursor: 'c' })).rejects.toMatchObject({ code: 'INTERNAL' });
    });
  });

  it('an answer that does not tell which is no success', async () => {
    for (const reply of [
      { status: 207, json: {} },
      { status: 207, json: [{ status: 200 }] },
      { status: 207, body: '<html>' },
    ]) {
      server.route('POST /bulk', () => reply);
      await withWriter({ path: '/bulk', recordsPerCall: 2 }, async (writer) => {
        await expect(writer.write(chunk([row('1'), row('2')]))).rejects.toMatchObject({ code: 'ROW_REJECTED' });
      });
    }
    server.route('POST /bulk', () => ({ json: { errors: [7] } }));
    await withWriter({ path: '/bulk', recordsPerCall: 2, failures: 'errors' }, async (writer) => {
      await expect(writer.write(chunk([row('1'), row('2')]))).rejects.toMatchObject({ code: 'ROW_REJECTED' });
    });
  });

  it('422 names the key', async () => {
    server.plan({ kind: 'status', status: 422, json: { message: 'canary' } }, { times: 9 });
    await withWriter({ path: '/orders/{id}' }, async (writer) => {
      await expect(writer.write(chunk([row('77')]))).rejects.toMatchObject({ code: 'ROW_REJECTED', message: expect.stringMatching(/id=77(?!.*canary)/) });
    });
  });
});

describe('through the engine', () => {
  it('goes on from the checkpoint of the store', async () => {
    await using lab = await Lab.make(server.url);
    lab.db.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    const options = { path: '/orders/{id}' };
    const sync = { write: 'upsert' as const, batch: { rows: 2, bytes: 1_000_000 } };
    expect(await lab.push(options, sync)).toMatchObject({ status: 'succeeded', written: 3, error: null });
    expect(await lab.push(options, sync)).toMatchObject({ status: 'succeeded', read: 0 });
    lab.db.exec("INSERT INTO orders VALUES (4, 'd')");
    expect(await lab.push(options, sync)).toMatchObject({ status: 'succeeded', read: 1, written: 1 });
    expect(resources.byId.get('4')).toEqual({ id: 4, note: 'd' });
    const stored = await lab.deps.coordination.checkpoints.load('orders', '0');
    expect(stored?.seq).toBe(3n);
  });

  it('sends everything anew under new keys after a reset', async () => {
    await using lab = await Lab.make(server.url);
    lab.db.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO orders VALUES (1, 'a'), (2, 'b')");
    await lab.push({ path: '/orders' });
    const options = config.destination.parse({ path: '/orders' }) as Record<string, unknown>;
    const sync = definition({ source: { connection: 'sqlite', options: { table: 'orders' } }, destination: { connection: 'rest', options } });
    expect(await setPosition(sync, lab.deps, { cursor: null, signal: never })).toEqual({ set: true, seq: 2n });
    expect(await lab.push({ path: '/orders' })).toMatchObject({ status: 'succeeded', written: 2 });
    expect(resources.posted).toHaveLength(4);
  });

  it('does not send a record again and again that is there already', async () => {
    await using lab = await Lab.make(server.url);
    lab.db.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO orders VALUES (1, 'a')");
    server.plan({ kind: 'status', status: 409 }, { times: 99 });
    expect(await lab.push({ path: '/orders' })).toMatchObject({
      status: 'failed',
      error: { code: 'CONFLICT', message: expect.stringContaining('there already') },
    });
    expect(server.requests).toHaveLength(3);
  });

  it('stops at a record that the service refuses, and sends it again when it can', async () => {
    await using lab = await Lab.make(server.url);
    lab.db.exec("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO orders VALUES (1, 'a'), (2, 'b'), (3, 'c')");
    server.plan({ kind: 'status', status: 422 }, { times: 1, matches: ({ path }) => path === '/orders/2' });
    expect(await lab.push({ path: '/orders/{id}' })).toMatchObject({
      status: 'failed',
      written: 0,
      error: { code: 'ROW_REJECTED', message: expect.stringContaining('id=2') },
    });
    expect(await lab.push({ path: '/orders/{id}' })).toMatchObject({ status: 'succeeded', written: 3 });
    expect([...resources.byId.keys()]).toEqual(['1', '2', '3']);
  });
});
