import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import { maxStalledHops } from '../../lib/engine/run-job.ts';
import { describeWith } from '../support/servers.ts';
import { waitUntil } from '../support/wait-until.ts';
import { type Tick, World } from './world.ts';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

await describeWith(['etcd'], 'functions as processes over etcd', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.start();
    return () => world[Symbol.asyncDispose]();
  });
  const locks = async (name: string) => [
    ...(await world.coordination.locks.queue(name)),
    ...[await world.coordination.leader.current()].filter((entry) => entry !== null),
  ];

  describe('one invocation', () => {
    it('runs the sync, tells of it, and leaves no lease, timer or socket behind', async () => {
      await world.sync('one', 1_200);
      // The process ends by itself: `invoke` waits for that.
      const { result, lines, left } = await world.invoke('sync', { sync: 'one' });
      expect(left).toEqual([]);
      expect(result).toMatchObject({ sync: 'one', status: 'succeeded', read: 1_200, written: 1_200, caughtUp: true, error: null });
      expect(world.ids('one')).toEqual(numbers(1_200));
      expect(await locks('one')).toEqual([]);
      const log = lines.find(({ message }) => message === 'done');
      expect(log).toMatchObject({
        level: 'INFO',
        service: 'idra',
        sync: 'one',
        report: { runId: result?.runId, fence: expect.stringMatching(/^\d+$/), written: 1_200 },
      });
      const metrics = lines.find((line) => '_aws' in line);
      expect(metrics).toMatchObject({ sync: 'one', service: 'idra', RowsRead: 1_200, RowsWritten: 1_200, LagRows: 0 });
      for (const name of ['Bytes', 'Lag', 'Duration']) expect(metrics).toHaveProperty(name, expect.any(Number));
      expect(metrics).toMatchObject({ _aws: { CloudWatchMetrics: [{ Namespace: 'Idra', Dimensions: [['service', 'sync']] }] } });
      // What did not happen has no metric: each has its price
      for (const name of ['Failed', 'Skipped', 'Retries', 'RowsDeleted', 'RowsDeadLettered']) expect(metrics).not.toHaveProperty(name);
    });

    it('knows cron patterns, and what is none', async () => {
      await using own = await World.start();
      await own.sync('nightly', 3, { every: undefined, cron: '30 2 * * *', timezone: 'Europe/Rome' });
      const { result, text } = await own.invoke('sync', { sync: 'nightly' });
      expect(result, text).toMatchObject({ status: 'succeeded', written: 3 });
      await own.sync('never', 1, { every: undefined, cron: '61 2 * * *' });
      expect((await own.invoke('sync', { sync: 'never' })).failure).toMatchObject({
        type: 'CONFIG_INVALID',
        message: expect.stringContaining('syncs[1].cron: is no cron pattern (minute hour day month weekday): Invalid value for minute: 61'),
      });
    });

    it('hands a trace to the daemon where tracing is on: its part is found by sync, run and outcome', async () => {
      const parts: string[] = [];
      const daemon = createSocket('udp4', (message) => parts.push(message.toString()));
      daemon.bind(0, '127.0.0.1');
      await once(daemon, 'listening');
      const env = {
        POWERTOOLS_TRACE_ENABLED: 'true',
        AWS_XRAY_DAEMON_ADDRESS: `127.0.0.1:${daemon.address().port}`,
        // As Lambda sets them
        _X_AMZN_TRACE_ID: 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=557abcec3ee5a047;Sampled=1',
        LAMBDA_TASK_ROOT: '/var/task',
        AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
      };
      const { result } = await world.invoke('sync', { sync: 'one', tick: 'a-tick' }, { env });
      const part = await waitUntil(() => parts.find((text) => text.includes('## handler')), { timeoutMs: 10_000, what: 'the handler in the trace' });
      daemon.close();
      const { annotations, trace_id: traceId } = JSON.parse(part.slice(part.indexOf('\n') + 1)) as { readonly annotations: object; readonly trace_id: string };
      expect(traceId).toBe('1-5759e988-bd862e3fe1be46a994272793');
      expect(annotations).toMatchObject({ sync: 'one', tick: 'a-tick', runId: result?.runId, status: 'succeeded' });
    });

    it('keeps the metrics of all syncs as one where that is asked for, and still says which sync', async () => {
      const { lines } = await world.invoke('sync', { sync: 'one' }, { env: { IDRA_METRICS_DETAIL: 'service' } });
      expect(lines.find((line) => '_aws' in line)).toMatchObject({
        sync: 'one',
        Duration: expect.any(Number),
        _aws: { CloudWatchMetrics: [{ Dimensions: [['service']] }] },
      });
    });

    it('refuses a malformed event, and names the field', async () => {
      const { failure, result, lines } = await world.invoke('sync', { source: 'idra', 'detail-type': 'Sync Requested', detail: { sync: 'one', slot: 'soon' } });
      expect(result).toBeUndefined();
      expect(failure).toMatchObject({ type: 'CONFIG_INVALID', message: expect.stringContaining('detail.slot'), rest: {} });
      expect(lines.find(({ level }) => level === 'ERROR')).toMatchObject({ code: 'CONFIG_INVALID', field: 'detail.slot' });
    });

    it('names a sync that is not defined', async () => {
      const { failure } = await world.invoke('sync', { sync: 'nowhere' });
      expect(failure).toMatchObject({ type: 'CONFIG_INVALID', message: expect.stringContaining('nowhere') });
    });

    it('a lock that is held is success and says who; an etcd that is down is a failure and names the host', async () => {
      await world.sync('held', 10);
      const outcome = await world.coordination.locks.acquire({ resource: 'held', mode: 'exclusive', waitMs: 0, ttlSeconds: 20, runId: 'the-test' });
      if (!outcome.held) throw new Error('the lock is not free');
      const { result } = await world.invoke('sync', { sync: 'held' });
      await outcome.lock[Symbol.asyncDispose]();
      expect(result).toMatchObject({ status: 'skipped', error: null, reason: expect.stringContaining('the-test') });

      const down = await world.invoke('sync', { sync: 'held' }, { env: { IDRA_ETCD_HOSTS: '127.0.0.1:1' } });
      expect(down.failure).toMatchObject({ type: 'STORE_UNAVAILABLE', message: expect.stringContaining('127.0.0.1:1') });
    });

    it('a failure that may pass fails the invocation, so that it is tried again; one that does not is its result', async () => {
      await world.sync('lost', 10, { source: { connection: 'from', table: 'nowhere' } });
      const lasting = await world.invoke('sync', { sync: 'lost' });
      expect(lasting.result).toMatchObject({ status: 'failed', error: { code: 'NOT_FOUND' } });
      expect(lasting.lines.find((line) => '_aws' in line)).toMatchObject({ sync: 'lost', Failed: 1 });

      const bus = await world.invoke('sync', { sync: 'held' }, { remainingMs: 100, env: { AWS_ENDPOINT_URL_EVENTBRIDGE: 'http://127.0.0.1:1' } });
      expect(bus.failure).toMatchObject({ type: 'CONNECTION_FAILED', message: expect.stringContaining('ECONNREFUSED') });
      expect(bus.lines.filter(({ level }) => level === 'ERROR').map(({ message }) => message)).toEqual(['failed']);
    }, 60_000);

    it('a disabled sync is skipped, even when asked for by hand', async () => {
      await world.sync('off', 10, { enabled: false });
      expect((await world.invoke('sync', { sync: 'off' })).result).toMatchObject({ status: 'skipped', reason: expect.stringContaining('enabled') });
    });
  });

  describe('slots', () => {
    it('the same event twice, at once and later, and an older slot: no effect the second time', async () => {
      await world.sync('twice', 3_000);
      const event = { sync: 'twice', slot: 1_700_000_060_000 };
      const both = await Promise.all([world.invoke('sync', event), world.invoke('sync', event)]);
      expect(both.map(({ result }) => result?.status).sort()).toEqual(['skipped', 'succeeded']);
      for (const slot of [event.slot, event.slot - 60_000]) {
        expect((await world.invoke('sync', { ...event, slot })).result).toMatchObject({
          status: 'skipped',
          read: 0,
          reason: expect.stringContaining('complete'),
        });
      }
      expect(world.ids('twice')).toEqual(numbers(3_000));
      expect((await world.invoke('sync', { ...event, slot: event.slot + 60_000 })).result).toMatchObject({ status: 'succeeded', read: 0 });
    }, 60_000);
  });

  describe('continuations', () => {
    it('one that makes no progress stops after a bounded number of hops, and says so', async () => {
      await world.sync('stuck', 100);
      world.remainingMs = 100;
      world.delivered.length = 0;
      await world.invoke('sync', { sync: 'stuck' }, { remainingMs: world.remainingMs });
      await world.delivery();
      expect(world.delivered).toHaveLength(maxStalledHops);
      const last = world.delivered.at(-1);
      expect(last?.result).toMatchObject({ status: 'failed', error: { code: 'NO_PROGRESS', message: expect.stringContaining('stuck') } });
      // One of them once more, late: no second chain
      const [first] = world.delivered;
      const chain = first?.lines.find(({ message }) => message === 'handed over') as { continuation?: { chain?: string } } | undefined;
      const again = await world.invoke('sync', { sync: 'stuck', hop: 1, stalled: 1, chain: chain?.continuation?.chain }, { remainingMs: world.remainingMs });
      await world.delivery();
      expect(again.result).toMatchObject({ status: 'skipped', reason: expect.stringContaining('came before') });
      expect(world.delivered).toHaveLength(maxStalledHops);
    }, 60_000);
  });

  describe('the whole', () => {
    it('a tick of the coordinator makes the syncs run that are due, from definitions in etcd; a bad one stops itself alone', async () => {
      world.remainingMs = 60_000;
      world.delivered.length = 0;
      // Requests of the tests above that found their lock held wait for a tick as well
      await world.coordination.schedule.sent(await world.coordination.schedule.outbox());
      await world.sync('stored', 700);
      const text = JSON.stringify;
      await world.coordination.definitions.apply([
        ...Object.entries(world.connections).map(([name, fields]) => ({ kind: 'connections' as const, name, text: text(fields) })),
        { kind: 'syncs', name: 'stored', text: text(world.definition('stored')) },
        { kind: 'syncs', name: 'bad', text: text(world.definition('bad', { mode: 'sideways' })) },
      ]);
      const env = { IDRA_SYNCS: 'etcd' };
      const tick = await world.invoke<Tick>('coordinator', {}, { env });
      expect(tick.result).toMatchObject({ role: 'leader', scheduled: 1, planned: 1, sent: 1, unsent: [], broken: { bad: expect.stringContaining('mode') } });
      expect(tick.lines.find((line) => '_aws' in line)).toMatchObject({ Leading: 1, Sent: 1, Unsent: 0, BrokenDefinitions: 1 });
      await world.delivery();
      for (const { left } of [tick, ...world.delivered]) expect(left).toEqual([]);
      expect(world.delivered.map(({ result }) => [result?.sync, result?.status])).toEqual([['stored', 'succeeded']]);
      expect(world.ids('stored')).toEqual(numbers(700));
      // By one id from the tick to the run, and by its fence from there to what was committed
      const { runId, fence } = world.delivered[0]?.result ?? {};
      expect(tick.lines.find(({ message }) => message === 'done')).toMatchObject({ report: { runId: tick.result?.runId } });
      expect(world.delivered[0]?.lines.find(({ message }) => message === 'done')).toMatchObject({
        sync: 'stored',
        tick: tick.result?.runId,
        report: { runId, fence },
      });
      expect(await world.coordination.runs.load('stored')).toMatchObject({ report: { runId, fence } });
      expect((await world.coordination.checkpoints.load('stored', '0'))?.fence).toBe(BigInt(fence ?? 0));
      expect(await world.coordination.schedule.outbox()).toEqual([]);
      expect(await locks('stored')).toEqual([]);

      const bad = await world.invoke('sync', { sync: 'bad' }, { env });
      expect(bad.failure).toMatchObject({ type: 'CONFIG_INVALID', message: expect.stringContaining('mode') });
      expect((await world.invoke('sync', { sync: 'stored' }, { env })).result).toMatchObject({ status: 'succeeded' });
    }, 60_000);

    it('two coordinators at once: each due slot is sent once', async () => {
      world.delivered.length = 0;
      for (const name of ['c1', 'c2', 'c3']) await world.sync(name, 10);
      const ticks = await Promise.all([world.invoke<Tick>('coordinator', {}), world.invoke<Tick>('coordinator', {})]);
      await world.delivery();
      expect(ticks.map(({ failure }) => failure)).toEqual([undefined, undefined]);
      const ran = world.delivered.map(({ result }) => result?.sync).filter((name) => name?.startsWith('c'));
      expect(ran.sort()).toEqual(['c1', 'c2', 'c3']);
    }, 60_000);
  });
});
