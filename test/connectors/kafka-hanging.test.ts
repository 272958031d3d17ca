/** A broker that takes connections and never answers: no run waits longer than its definition, or the signal, allows. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../../lib/connectors/kafka/client.ts';
import { config, type KafkaConnection } from '../../lib/connectors/kafka/config.ts';
import { connector } from '../../lib/connectors/kafka/index.ts';

describe('a broker that never answers', () => {
  let server: Server;
  const sockets = new Set<Socket>();
  const connection = (more: object = {}): KafkaConnection => {
    const { port } = server.address() as AddressInfo;
    return config.connection.parse({ type: 'kafka', brokers: [`127.0.0.1:${port}`], ...more }) as KafkaConnection;
  };
  beforeAll(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.resume();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  const request = { sync: 'hanging', mode: 'stream', cursor: { key: [], lookbackSeconds: 0, nulls: 'refuse' }, peer: 'elsewhere' } as const;
  const writing = {
    shard: '0',
    write: 'insert',
    deletes: 'hard',
    softDeleteColumn: '_d',
    schema: 'evolve',
    onError: 'stop',
    sync: 'hanging',
    peer: 'x',
  } as const;

  it.each([
    ['openSource', (signal: AbortSignal) => connector.openSource(connection(), { ...request, options: config.source.parse({ topic: 'orders' }) }, signal)],
    [
      'state',
      async (signal: AbortSignal) => {
        await using destination = await connector.openDestination(connection(), { ...writing, options: config.destination.parse({ topic: 'orders' }) }, signal);
        return await destination.state();
      },
    ],
    ['check', (signal: AbortSignal) => connector.check(connection(), signal)],
    ['discover', (signal: AbortSignal) => connector.discover(connection(), signal)],
  ])('%s ends with the signal', async (_, work) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const began = performance.now();
    const working = work(controller.signal);
    setTimeout(() => controller.abort(reason), 50);
    await expect(working).rejects.toBe(reason);
    // Far from the 30 seconds of one request
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('gives a request up after timeoutSeconds', async () => {
    const admin = createClient(connection({ timeoutSeconds: 1 })).admin();
    const { promise, resolve } = Promise.withResolvers<number>();
    const began = performance.now();
    admin.on(admin.events.REQUEST_TIMEOUT, () => resolve(performance.now() - began));
    const connecting = admin.connect().catch(() => undefined);
    expect(await promise).toBeLessThan(10_000);
    for (const socket of sockets) socket.destroy();
    server.close();
    await Promise.all([admin.disconnect(), connecting]);
  });
});
