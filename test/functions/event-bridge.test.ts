import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Job } from '../../lib/dispatch/dispatcher.ts';
import { createEventBridgeDispatcher } from '../../lib/dispatch/event-bridge.ts';

interface Entry {
  readonly EventBusName: string;
  readonly Source: string;
  readonly DetailType: string;
  readonly Detail: string;
}
type Answer = { readonly status: number; readonly type?: string } | readonly (string | null)[];

/** A PutEvents endpoint whose answers the test decides: an HTTP status, or an error code (null: taken) for each entry. */
let answer: (entries: readonly Entry[], call: number) => Answer;
let calls: Entry[][];
let server: Server;
const names = (entries: readonly Entry[]) => entries.map(({ Detail }) => (JSON.parse(Detail) as Job).sync);
const jobs = (count: number): Job[] => Array.from({ length: count }, (_, index) => ({ sync: `sync-${index}`, slot: 1_000 + index }));

beforeEach(async () => {
  calls = [];
  answer = (entries) => entries.map(() => null);
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { Entries } = JSON.parse(Buffer.concat(chunks).toString()) as { Entries: Entry[] };
      calls.push(Entries);
      const given = answer(Entries, calls.length);
      const send = (status: number, body: object) => response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
      if ('status' in given) return send(given.status, { __type: given.type ?? 'InternalException', message: 'said by the test' });
      return send(200, {
        FailedEntryCount: given.filter((code) => code !== null).length,
        Entries: given.map((code, index) => (code === null ? { EventId: `${calls.length}-${index}` } : { ErrorCode: code, ErrorMessage: 'said by the test' })),
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.env.AWS_ENDPOINT_URL_EVENTBRIDGE = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.env.AWS_REGION = 'eu-west-1';
  process.env.AWS_ACCESS_KEY_ID = 'test';
  process.env.AWS_SECRET_ACCESS_KEY = 'test';
});

afterEach(() => {
  for (const name of ['AWS_ENDPOINT_URL_EVENTBRIDGE', 'AWS_REGION', 'AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) delete process.env[name];
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

function dispatcher() {
  const created = createEventBridgeDispatcher({ bus: 'test-bus', retries: 3, firstPauseMs: 5 });
  onTestFinished(async () => created[Symbol.asyncDispose]());
  return created;
}

describe('EventBridge dispatcher', () => {
  it('sends each job once, ten to a call, as the event that the rule matches', async () => {
    const results = await dispatcher().dispatch(jobs(23));
    expect(results.map(({ job, error }) => [job.sync, error])).toEqual(jobs(23).map(({ sync }) => [sync, null]));
    expect(calls.map((entries) => entries.length).sort()).toEqual([10, 10, 3]);
    expect(calls.flat()[0]).toMatchObject({ EventBusName: 'test-bus', Source: 'idra', DetailType: 'Sync Requested' });
    expect(new Set(names(calls.flat())).size).toBe(23);
  });

  it('sends again only the entries that failed', async () => {
    answer = (entries, call) => names(entries).map((sync) => (call === 1 && (sync === 'sync-2' || sync === 'sync-7') ? 'ThrottlingException' : null));
    const results = await dispatcher().dispatch(jobs(10));
    expect(results.every(({ error }) => error === null)).toBe(true);
    expect(calls.map(names)).toEqual([jobs(10).map(({ sync }) => sync), ['sync-2', 'sync-7']]);
  });

  it('gives each job its own result, and does not repeat what cannot pass', async () => {
    answer = (entries) => names(entries).map((sync) => (sync === 'sync-1' ? 'MalformedDetail' : sync === 'sync-2' ? 'InternalFailure' : null));
    const results = await dispatcher().dispatch(jobs(4));
    expect(results.map(({ error }) => error?.code ?? null)).toEqual([null, 'INTERNAL', 'CONNECTION_FAILED', null]);
    expect(calls.slice(1).map(names)).toEqual([['sync-2'], ['sync-2'], ['sync-2']]);
  });

  it('repeats a call that failed as a whole, and says why when it keeps failing', async () => {
    answer = (entries, call) => (call === 1 ? { status: 500 } : entries.map(() => null));
    expect((await dispatcher().dispatch(jobs(2))).map(({ error }) => error)).toEqual([null, null]);
    expect(calls.map(names)).toEqual([names(calls[0] ?? []), ['sync-0', 'sync-1']]);

    answer = () => ({ status: 400, type: 'AccessDeniedException' });
    calls = [];
    const refused = await dispatcher().dispatch(jobs(1));
    expect(refused[0]?.error).toMatchObject({ code: 'PERMISSION_DENIED', retry: 'never' });
    expect(refused[0]?.error?.message).toContain('test-bus');
    expect(calls.length).toBe(1);
  });

  it('names an endpoint that is not there', async () => {
    process.env.AWS_ENDPOINT_URL_EVENTBRIDGE = 'http://127.0.0.1:1';
    const [result] = await dispatcher().dispatch(jobs(1));
    expect(result?.error).toMatchObject({ code: 'CONNECTION_FAILED', retry: 'backoff' });
    expect(result?.error?.message).toContain('ECONNREFUSED');
  });

  it('stops when its signal aborts', async () => {
    answer = () => ({ status: 500 });
    await using created = createEventBridgeDispatcher({ bus: 'test-bus', retries: 3, firstPauseMs: 30_000 });
    const reason = new Error('the time is over');
    const controller = new AbortController();
    setTimeout(() => controller.abort(reason), 50);
    await expect(created.dispatch(jobs(30), controller.signal)).rejects.toBe(reason);
  });

  it('plans of thousands are sent within seconds', async () => {
    const start = performance.now();
    const results = await dispatcher().dispatch(jobs(5_000));
    expect(results.length).toBe(5_000);
    expect(calls.length).toBe(500);
    expect(performance.now() - start).toBeLessThan(20_000);
  });
});
