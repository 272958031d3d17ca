/** Whole syncs while etcd is at fault: replies that are lost, a server that is slow, cut off, restarted or one of three. Every row arrives once, every call ends, no lease stays. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { beforeAll, expect, it } from 'vitest';
import { parseDefinitions } from '../../lib/config/load.ts';
import { createOpener } from '../../lib/connectors/open.ts';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { Report } from '../../lib/engine/report.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import { leases } from '../coordination/etcd-support.ts';
import { type EtcdServer, startEtcd } from '../support/servers/etcd.ts';
import { describeWith } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

const rows = 600;
const batchRows = 20;
/** Short; a quarter of it is what one call may take. */
const ttlSeconds = 4;

await describeWith(['etcd'], 'whole syncs with etcd at fault', () => {
  let etcd: EtcdServer;
  let folder: string;
  let count = 0;
  beforeAll(async () => {
    etcd = await startEtcd({ nodes: 3 });
    const temporary = await temporaryFolder();
    folder = temporary.path;
    const source = new Sqlite(join(folder, 'source.db'));
    source.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY)');
    const insert = source.prepare('INSERT INTO orders VALUES (?)');
    source.transaction(() => {
      for (let id = 1; id <= rows; id++) insert.run(id);
    })();
    source.close();
    return async () => {
      await etcd[Symbol.asyncDispose]();
      await temporary[Symbol.asyncDispose]();
    };
  }, 60_000);
  const first = () => etcd.url.split(',')[0] ?? '';

  /** A sync of its own; runs of it, each with a store of its own as another process would have it. */
  function make(ttl = ttlSeconds) {
    const name = `orders${count++}`;
    const copy = join(folder, `${name}.db`);
    const definitions = parseDefinitions(
      JSON.stringify({
        connections: { from: { type: 'sqlite', path: join(folder, 'source.db') }, to: { type: 'sqlite', path: copy } },
        syncs: [
          {
            name,
            source: { connection: 'from', table: 'orders' },
            destination: { connection: 'to', table: 'orders' },
            mode: 'id',
            cursor: { column: 'id' },
            write: 'insert',
            batch: { rows: batchRows },
            lock: { ttl: `${ttl}s`, wait: '20s' },
          },
        ],
      }),
      'test',
    );
    const [definition] = definitions.syncs;
    if (definition === undefined) throw new Error('no sync was read');
    const open = createOpener(definitions);
    return {
      name,
      run: async (hosts: string, onWritten: (written: number) => void = () => undefined): Promise<Report> => {
        await using coordination = await openCoordination({ etcd: { hosts: hosts.split(','), timeoutMs: ttl * 250 } });
        const { signal } = new AbortController();
        return await runSync(definition, { coordination, open }, { signal, onProgress: ({ written }) => onWritten(written) });
      },
      expectExact: () => {
        const database = new Sqlite(copy, { readonly: true });
        const ids = database.prepare('SELECT id FROM orders ORDER BY id').pluck().all();
        database.close();
        expect(ids).toEqual(Array.from({ length: rows }, (_, index) => index + 1));
      },
    };
  }
  const noLeases = () => waitUntil(async () => (await leases(etcd.url)).length === 0, { timeoutMs: (ttlSeconds + 4) * 1_000, what: 'every lease to be gone' });
  /** Calls `act` once, as soon as a third of the rows is written. */
  const inTheMidst = (act: () => void | Promise<void>) => {
    let done: Promise<void> | undefined;
    const onWritten = (written: number) => {
      if (written >= rows / 3) done ??= Promise.resolve(act());
    };
    return { onWritten, happened: () => done ?? Promise.reject(new Error('it was over before')) };
  };

  /** Bytes by which the request is known. A lease's id is not known beforehand: its revocation is what follows the release of its entry. */
  const lost = {
    grant: () => Buffer.from([8, ttlSeconds, 16]),
    enqueue: (name: string) => `lock/${name}/w/`,
    checkpoint: (name: string) => `checkpoint/${name}/0`,
    revoke: (name: string) => {
      let passed: 'nothing' | 'the report' | 'the entry' = 'nothing';
      return (piece: Buffer): boolean => {
        // Requests, not the frames between them
        if (piece.length < 40) return false;
        if (passed === 'the entry') return true;
        if (passed === 'the report' && piece.includes(`lock/${name}/w/`)) passed = 'the entry';
        else if (piece.includes(`run/${name}`)) passed = 'the report';
        return false;
      };
    },
  };
  it.each(Object.keys(lost) as (keyof typeof lost)[])(
    'the reply at %s is lost, and another run comes at once: no false failure, no second writer, no lease',
    { timeout: 60_000 },
    async (at) => {
      for (const and of ['cut', 'hang'] as const) {
        const sync = make();
        await using proxy = await TcpProxy.before(first());
        proxy.swallowReplies({ after: lost[at](sync.name), and, times: 1 });
        const reports = await Promise.all([sync.run(proxy.host), sync.run(etcd.url)]);
        for (const report of reports) expect(report).toMatchObject({ status: 'succeeded', caughtUp: true, error: null });
        expect(reports.reduce((sum, { written }) => sum + written, 0)).toBe(rows);
        expect(proxy.counts.swallowedBytes).toBeGreaterThan(0);
        sync.expectExact();
        await noLeases();
      }
    },
  );

  it('slow: it takes its time and loses nothing', { timeout: 60_000 }, async () => {
    const sync = make();
    await using proxy = await TcpProxy.before(first());
    proxy.delay({ ms: 30, jitterMs: 60 });
    expect(await sync.run(proxy.host)).toMatchObject({ status: 'succeeded', caughtUp: true, written: rows });
    sync.expectExact();
    await noLeases();
  });

  it('cut off in the midst of a run: it ends within bounds and names the host; another goes on from there', { timeout: 60_000 }, async () => {
    const sync = make();
    await using proxy = await TcpProxy.before(first());
    const { onWritten, happened } = inTheMidst(() => proxy.partition());
    const startedAt = performance.now();
    const cutOff = await sync.run(proxy.host, onWritten);
    await happened();
    expect(performance.now() - startedAt).toBeLessThan((ttlSeconds + 20) * 1_000);
    expect(cutOff.status).toBe('failed');
    expect(['STORE_UNAVAILABLE', 'LOCK_LOST']).toContain(cutOff.error?.code);
    expect(cutOff.error?.message).toContain(proxy.host);
    const next = await sync.run(etcd.url);
    expect(next).toMatchObject({ status: 'succeeded', caughtUp: true });
    expect(cutOff.written + next.written).toBe(rows);
    sync.expectExact();
    await noLeases();
  });

  it.each([0, 1, 2])('node %i of three is killed in the midst of a run, which goes on', { timeout: 60_000 }, async (which) => {
    // The others elect a leader within a second or two
    const sync = make(20);
    const node = etcd.processes[which];
    if (node === undefined) throw new Error('no such node');
    const { onWritten, happened } = inTheMidst(async () => void (await node.kill()));
    try {
      expect(await sync.run(etcd.url, onWritten)).toMatchObject({ status: 'succeeded', caughtUp: true, written: rows });
      await happened();
      sync.expectExact();
    } finally {
      await node.start();
    }
    await waitUntil(noLeases, { timeoutMs: 20_000 });
  });

  it('all three restarted in the midst of a run: it fails aloud or goes on, and nothing is lost', { timeout: 60_000 }, async () => {
    const sync = make();
    const restart = async () => {
      await Promise.all(etcd.processes.map((node) => node.kill()));
      await Promise.all(etcd.processes.map((node) => node.start()));
    };
    const { onWritten, happened } = inTheMidst(restart);
    const report = await sync.run(etcd.url, onWritten);
    await happened();
    if (report.status === 'failed') expect(['STORE_UNAVAILABLE', 'LOCK_LOST']).toContain(report.error?.code);
    const next = await waitUntil(
      async () => {
        const again = await sync.run(etcd.url);
        return again.status === 'succeeded' ? again : undefined;
      },
      { timeoutMs: 30_000 },
    );
    expect(report.written + next.written).toBe(rows);
    sync.expectExact();
    await waitUntil(noLeases, { timeoutMs: 20_000 });
  });
});
