import { connect, createServer, type Server, type Socket } from 'node:net';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Answers each line with the same line; `heard` is what reached it. */
class EchoServer {
  readonly heard: string[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #server: Server = createServer((socket) => {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
    socket.on('data', (bytes) => {
      this.heard.push(bytes.toString());
      socket.write(bytes);
    });
  });

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    return typeof address === 'object' ? `127.0.0.1:${address?.port}` : '';
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

class Client {
  said = '';
  ended: 'end' | 'error' | undefined;
  readonly socket: Socket;

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
      .on('data', (bytes) => {
        this.said += bytes.toString();
      })
      .on('end', () => {
        this.ended ??= 'end';
      })
      .on('error', () => {
        this.ended ??= 'error';
      });
  }

  /** Sends, and waits until `answer` is all that was heard. */
  async exchange(text: string, answer = this.said + text): Promise<void> {
    this.socket.write(text);
    await waitUntil(() => this.said === answer);
  }
}

describe('TcpProxy', () => {
  const echo = new EchoServer();
  let host: string;
  beforeAll(async () => {
    host = await echo.listen();
    return () => echo.close();
  });

  it('passes bytes both ways and counts them', async () => {
    await using proxy = await TcpProxy.before(host);
    const client = new Client(proxy.port);
    await client.exchange('hello');
    client.socket.end();
    await waitUntil(() => client.ended === 'end' && proxy.open === 0);
    expect(proxy.counts).toEqual({ connections: 1, refused: 0, cuts: 0, bytesToServer: 5, bytesToClient: 5, swallowedBytes: 0 });
  });

  it('passes a large stream whole under backpressure', async () => {
    await using proxy = await TcpProxy.before(host);
    const client = new Client(proxy.port);
    await client.exchange('0123456789abcdef'.repeat(500_000));
  });

  it('puts itself into URLs and host lists', async () => {
    await using proxy = await TcpProxy.before('postgres://u:p@127.0.0.1:5432/d');
    expect(proxy.through('postgres://u:p@127.0.0.1:5432/d?x=1')).toBe(`postgres://u:p@127.0.0.1:${proxy.port}/d?x=1`);
    expect(proxy.through('127.0.0.1:2379')).toBe(`127.0.0.1:${proxy.port}`);
    await expect(TcpProxy.before('postgres://localhost/d')).rejects.toThrow('port');
  });

  it('cuts what is open and accepts anew', async () => {
    await using proxy = await TcpProxy.before(host);
    const first = new Client(proxy.port);
    await first.exchange('a');
    proxy.cut();
    await waitUntil(() => first.ended === 'error');
    await new Client(proxy.port).exchange('b');
    expect(proxy.counts.cuts).toBe(1);
  });

  it('cuts after bytes that stand across two pieces', async () => {
    await using proxy = await TcpProxy.before(host);
    proxy.cutAfter({ pattern: 'COMMIT', direction: 'toServer', times: 1 });
    const client = new Client(proxy.port);
    client.socket.setNoDelay(true);
    await client.exchange('COM');
    client.socket.write('MIT');
    await waitUntil(() => client.ended === 'error');
    expect(proxy.counts.bytesToServer).toBe(6);
    await new Client(proxy.port).exchange('COMMIT');
  });

  it('swallows replies from a request on, and cuts as the first reply comes', async () => {
    await using proxy = await TcpProxy.before(host);
    proxy.swallowReplies({ after: 'COMMIT', and: 'cut', times: 1 });
    const client = new Client(proxy.port);
    await client.exchange('insert');
    client.socket.write('COMMIT;1');
    await waitUntil(() => client.ended === 'error');
    expect(client.said).toBe('insert');
    expect(echo.heard).toContain('COMMIT;1');
    expect(proxy.counts.swallowedBytes).toBe(8);
    await new Client(proxy.port).exchange('COMMIT');
  });

  it('swallows replies and leaves the client waiting, until it heals', async () => {
    await using proxy = await TcpProxy.before(host);
    const client = new Client(proxy.port);
    await client.exchange('a');
    proxy.swallowReplies();
    client.socket.write('b');
    await waitUntil(() => proxy.counts.swallowedBytes === 1);
    expect(client).toMatchObject({ said: 'a', ended: undefined });
    proxy.heal();
    await waitUntil(() => client.ended === 'error');
    await new Client(proxy.port).exchange('c');
  });

  it('holds everything while partitioned, and delivers it in order afterwards', async () => {
    await using proxy = await TcpProxy.before(host);
    const client = new Client(proxy.port);
    await client.exchange('a');
    proxy.partition();
    client.socket.write('held1');
    const late = new Client(proxy.port);
    late.socket.write('held2');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(echo.heard.join('')).not.toContain('held');
    expect([client.ended, late.ended]).toEqual([undefined, undefined]);
    proxy.heal();
    await waitUntil(() => client.said === 'aheld1' && late.said === 'held2');
  });

  it('delays both directions and keeps their order', async () => {
    await using proxy = await TcpProxy.before(host, { seed: 7 });
    proxy.delay({ ms: 30, jitterMs: 20 });
    const client = new Client(proxy.port);
    const start = performance.now();
    for (const letter of 'abc') {
      client.socket.write(letter);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await waitUntil(() => client.said === 'abc');
    expect(performance.now() - start).toBeGreaterThan(59);
  });

  it('refuses new connections and keeps the open ones', async () => {
    await using proxy = await TcpProxy.before(host);
    const open = new Client(proxy.port);
    await open.exchange('a');
    proxy.refuse();
    const refused = new Client(proxy.port);
    await waitUntil(() => refused.ended === 'error');
    await open.exchange('b');
    expect(proxy.counts.refused).toBe(1);
  });

  it('cuts by lot, the same for the same seed', async () => {
    const lots = async (seed: number) => {
      await using proxy = await TcpProxy.before(host, { seed });
      proxy.cutRandomly([10, 300]);
      const passed: number[] = [];
      for (let n = 0; n < 3; n++) {
        const before = proxy.counts.bytesToServer;
        const client = new Client(proxy.port);
        while (client.ended === undefined) {
          const known = client.said.length;
          client.socket.write('x');
          await waitUntil(() => client.said.length > known || client.ended !== undefined, { intervalMs: 0 });
        }
        passed.push(proxy.counts.bytesToServer - before);
      }
      return passed;
    };
    const first = await lots(42);
    expect(new Set(first).size).toBe(3);
    expect(await lots(42)).toEqual(first);
    expect(await lots(43)).not.toEqual(first);
  });

  it('resets the client where the server is not there', async () => {
    await using proxy = await TcpProxy.before('127.0.0.1:1');
    const client = new Client(proxy.port);
    await waitUntil(() => client.ended === 'error' && proxy.open === 0);
  });
});

await describeWith(['postgres'], 'TcpProxy before PostgreSQL', () => {
  let proxy: TcpProxy;
  let url: string;
  beforeAll(async () => {
    const fresh = await freshDatabase('postgres');
    url = fresh.url;
    proxy = await TcpProxy.before(url);
    return () => fresh[Symbol.asyncDispose]();
  });
  afterAll(() => proxy[Symbol.asyncDispose]());

  it('loses the reply to a COMMIT that took effect', async () => {
    const through = new pg.Client({ connectionString: proxy.through(url) });
    through.on('error', () => undefined);
    await through.connect();
    await through.query('create table t (x int)');
    proxy.swallowReplies({ after: 'commit', and: 'cut', times: 1 });
    await through.query('begin');
    await through.query('insert into t values (1)');
    await expect(through.query('commit')).rejects.toThrow();
    const direct = new pg.Client({ connectionString: url });
    await direct.connect();
    const { rows } = await direct.query('select x from t');
    await direct.end();
    expect(rows).toEqual([{ x: 1 }]);
  });
});
