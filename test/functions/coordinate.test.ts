import { beforeAll, describe, expect, it } from 'vitest';
import type { SyncDefinition } from '../../lib/config/definition.ts';
import { parseDefinitions } from '../../lib/config/load.ts';
import { type Coordination, openCoordination } from '../../lib/coordination/coordination.ts';
import type { Dispatcher, Job } from '../../lib/dispatch/dispatcher.ts';
import { coordinate } from '../../lib/engine/coordinate.ts';
import { SyncError } from '../../lib/errors.ts';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const now = Date.parse('2026-01-01T10:07:00Z');
const slot = Date.parse('2026-01-01T10:05:00Z');
const signal = AbortSignal.timeout(120_000);

function syncs(count: number, prefix: string): SyncDefinition[] {
  const one = parseDefinitions(
    JSON.stringify({
      connections: { a: { type: 'sqlite', path: 'a.db' } },
      syncs: [{ name: 'one', every: '5m', source: { connection: 'a', table: 't' }, destination: { connection: 'a', table: 'u' }, mode: 'full' }],
    }),
    'test',
  ).syncs[0];
  if (one === undefined) throw new Error('no sync was read');
  return Array.from({ length: count }, (_, index) => ({ ...one, name: `${prefix}-${index}` }));
}

/** Keeps what it was given; `refuse` decides which jobs it does not send. */
function recorder(refuse: (job: Job) => boolean = () => false): Dispatcher & { readonly sent: Job[] } {
  const sent: Job[] = [];
  return {
    sent,
    dispatch: async (jobs) =>
      jobs.map((job) => {
        if (refuse(job)) return { job, error: new SyncError('THROTTLED', 'the test refuses it', { retry: 'backoff' }) };
        sent.push(job);
        return { job, error: null };
      }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function suite(open: () => Promise<{ coordination: () => Promise<Coordination>; close: () => Promise<void> }>): void {
  let store: Awaited<ReturnType<typeof open>>;
  let coordination: Coordination;
  let round = 0;
  beforeAll(async () => {
    store = await open();
    coordination = await store.coordination();
    return async () => {
      await coordination[Symbol.asyncDispose]();
      await store.close();
    };
  });
  const fresh = (count: number) => syncs(count, `round${round++}`);
  const tick = (definitions: readonly SyncDefinition[], dispatcher: Dispatcher, over: { coordination?: Coordination; now?: number } = {}) =>
    coordinate({ coordination: over.coordination ?? coordination, dispatcher, syncs: async () => definitions }, { signal, now: over.now ?? now });

  it('plans what is due, sends it, and does so once', async () => {
    const [first, off, manual] = fresh(3);
    if (!first || !off || !manual) throw new Error('three syncs were asked for');
    const definitions = [first, { ...off, enabled: false }, { ...manual, schedule: null }];
    const bus = recorder();
    expect(await tick(definitions, bus)).toMatchObject({ role: 'leader', scheduled: 1, planned: 1, sent: 1, unsent: [] });
    expect(bus.sent).toEqual([{ sync: first.name, slot, tick: expect.any(String) }]);
    expect(await tick(definitions, bus)).toMatchObject({ planned: 0, sent: 0 });
    expect(await tick(definitions, bus, { now: now + 300_000 })).toMatchObject({ planned: 1, sent: 1 });
    expect(bus.sent).toHaveLength(2);
  });

  it('two at the same tick: each due slot is sent once', async () => {
    const definitions = fresh(50);
    const bus = recorder();
    await using other = await store.coordination();
    const reports = await Promise.all([tick(definitions, bus), tick(definitions, bus, { coordination: other })]);
    expect(reports.some(({ role }) => role === 'leader')).toBe(true);
    for (const report of reports) if (report.role === 'follower') expect(report.leader).toBeTruthy();
    expect(bus.sent.map(({ sync }) => sync).sort()).toEqual(definitions.map(({ name }) => name).sort());
  });

  it('what the bus refused stays, and only that is sent by the next tick', async () => {
    const definitions = fresh(20);
    const refused = new Set(definitions.slice(5, 8).map(({ name }) => name));
    const bus = recorder(({ sync }) => refused.has(sync));
    const report = await tick(definitions, bus);
    expect(report).toMatchObject({ planned: 20, sent: 17, unsent: [{ code: 'THROTTLED', count: 3 }] });
    const next = recorder();
    expect(await tick(definitions, next)).toMatchObject({ planned: 0, sent: 3, unsent: [] });
    expect(next.sent.map(({ sync }) => sync).sort()).toEqual([...refused].sort());
  });

  it('a leader that dies between planning and sending: the next one sends the rest', async () => {
    const definitions = fresh(10);
    const dead: Dispatcher = {
      dispatch: () => Promise.reject(new Error('the process is gone')),
      [Symbol.asyncDispose]: async () => undefined,
    };
    await expect(tick(definitions, dead)).rejects.toThrow('the process is gone');
    const bus = recorder();
    expect(await tick(definitions, bus)).toMatchObject({ planned: 0, sent: 10 });
  });

  it('of several unsent slots of one sync only the newest is sent', async () => {
    const definitions = fresh(1);
    const closed = recorder(() => true);
    await tick(definitions, closed);
    await tick(definitions, closed, { now: now + 300_000 });
    const bus = recorder();
    expect(await tick(definitions, bus, { now: now + 300_000 })).toMatchObject({ sent: 1, superseded: 0 });
    expect(bus.sent.map((job) => job.slot)).toEqual([slot + 300_000]);
  });

  it('stops when its time is over, and leaves the rest to the next tick', async () => {
    const definitions = fresh(5);
    const controller = new AbortController();
    const slow: Dispatcher = {
      dispatch: (_jobs, until) => {
        controller.abort(new SyncError('DEADLINE', 'the time is over'));
        return Promise.reject(until?.reason);
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
    const options = { signal: controller.signal, now };
    await expect(coordinate({ coordination, dispatcher: slow, syncs: async () => definitions }, options)).rejects.toMatchObject({ code: 'DEADLINE' });
    const bus = recorder();
    expect(await tick(definitions, bus)).toMatchObject({ sent: 5 });
  });

  it('5,000 syncs due at once are planned and sent well within one invocation', async () => {
    const definitions = fresh(5_000);
    const bus = recorder();
    const startedAt = performance.now();
    expect(await tick(definitions, bus)).toMatchObject({ planned: 5_000, sent: 5_000, unsent: [] });
    expect(new Set(bus.sent.map(({ sync }) => sync)).size).toBe(5_000);
    expect(performance.now() - startedAt).toBeLessThan(40_000);
  }, 60_000);
}

describe('coordinator over the embedded store', () => {
  suite(async () => {
    const folder = await temporaryFolder();
    return { coordination: () => openCoordination({ path: `${folder.path}/state.db` }), close: async () => folder[Symbol.asyncDispose]() };
  });
});

await describeWith(['etcd'], 'coordinator over etcd', () => {
  suite(async () => {
    const fresh = await freshDatabase('etcd');
    return {
      coordination: () => openCoordination({ etcd: { hosts: fresh.url.split(','), prefix: fresh.name } }),
      close: async () => fresh[Symbol.asyncDispose](),
    };
  });
});
