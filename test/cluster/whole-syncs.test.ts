/** Locks at the level of whole syncs, each run with a store of its own as another process would have it. */
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { beforeAll, expect, it } from 'vitest';
import { parseDefinitions } from '../../lib/config/load.ts';
import { createOpener } from '../../lib/connectors/open.ts';
import { type Coordination, openCoordination } from '../../lib/coordination/coordination.ts';
import { replayDeadLetters } from '../../lib/engine/dead-letters.ts';
import type { RunOptions } from '../../lib/engine/deps.ts';
import type { Report } from '../../lib/engine/report.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import { setPosition } from '../../lib/engine/set-position.ts';
import { freshDatabase } from '../support/fresh.ts';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { waitUntil } from '../support/wait-until.ts';

type Lock = { readonly mode?: 'exclusive' | 'shared'; readonly resource?: string; readonly wait?: string };

await describeWith(['etcd'], 'locks of whole syncs', () => {
  let folder: string;
  let coordination: Coordination;
  let open: () => Promise<Coordination>;
  beforeAll(async () => {
    const temporary = await temporaryFolder();
    folder = temporary.path;
    const etcd = await freshDatabase('etcd');
    open = () => openCoordination({ etcd: { hosts: etcd.url.split(','), prefix: etcd.name } });
    coordination = await open();
    const source = new Sqlite(join(folder, 'source.db'));
    source.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY)');
    for (let id = 1; id <= 5; id++) source.prepare('INSERT INTO orders VALUES (?)').run(id);
    source.close();
    return async () => {
      await coordination[Symbol.asyncDispose]();
      await etcd[Symbol.asyncDispose]();
      await temporary[Symbol.asyncDispose]();
    };
  });

  function define(name: string, lock: Lock, options: { readonly maxConcurrent?: number }) {
    const definitions = parseDefinitions(
      JSON.stringify({
        connections: {
          from: { type: 'sqlite', path: join(folder, 'source.db') },
          to: { type: 'sqlite', path: join(folder, `${name}.db`), ...(options.maxConcurrent === undefined ? {} : { maxConcurrent: options.maxConcurrent }) },
        },
        syncs: [
          {
            name,
            source: { connection: 'from', table: 'orders' },
            destination: { connection: 'to', table: 'orders' },
            mode: 'id',
            cursor: { column: 'id' },
            lock,
          },
        ],
      }),
      'test',
    );
    const [definition] = definitions.syncs;
    if (definition === undefined) throw new Error('no sync was read');
    return { definition, opener: createOpener(definitions) };
  }

  /** Begins a run that stands still once it reads, until it is let go. */
  function begin(name: string, lock: Lock, options: { readonly stand?: boolean; readonly maxConcurrent?: number; readonly deadlineMs?: number } = {}) {
    const { definition, opener } = define(name, lock, options);
    const go = Promise.withResolvers<void>();
    if (options.stand !== true) go.resolve();
    const run = async (): Promise<Report> => {
      await using own = await open();
      const deps = {
        coordination: own,
        open: async (connection: string) => {
          const opened = await opener(connection);
          const { connector } = opened;
          const openSource: typeof connector.openSource = async (...given) => {
            await go.promise;
            return connector.openSource(...given);
          };
          return { ...opened, connector: { ...connector, openSource } };
        },
      };
      const all: RunOptions = {
        signal: new AbortController().signal,
        ...(options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs }),
      };
      // Awaited here: the store closes where this scope ends.
      return await runSync(definition, deps, all);
    };
    return { go: () => go.resolve(), report: run() };
  }
  const inQueue = (resource: string, count: number) =>
    waitUntil(async () => (await coordination.locks.queue(resource)).length === count, { timeoutMs: 30_000, what: `${count} in the queue of ${resource}` });

  it('shared holders of one resource run together, an exclusive one alone, and who comes after it waits behind it', { timeout: 60_000 }, async () => {
    const table: Lock = { resource: 'table', wait: '50s' };
    const ended: string[] = [];
    const note = async (name: string, report: Promise<Report>) => {
      const done = await report;
      ended.push(name);
      return done;
    };
    const readers = [begin('reader1', { ...table, mode: 'shared' }, { stand: true }), begin('reader2', { ...table, mode: 'shared' }, { stand: true })];
    await inQueue('table', 2);
    const writer = begin('writer', table);
    await inQueue('table', 3);
    const late = begin('late', { ...table, mode: 'shared' });
    await inQueue('table', 4);
    const all = [note('writer', writer.report), note('late', late.report), ...readers.map(({ report }, index) => note(`reader${index + 1}`, report))];
    readers[1]?.go();
    await readers[1]?.report;
    expect(ended).toEqual(['reader2']);
    readers[0]?.go();
    const reports = await Promise.all(all);
    expect(ended).toEqual(['reader2', 'reader1', 'writer', 'late']);
    for (const report of reports) expect(report).toMatchObject({ status: 'succeeded', written: 5 });
    expect(await coordination.locks.queue('table')).toEqual([]);
  });

  it('waits no longer than its lock says, then skips, says for what and who holds it, and leaves nothing behind', { timeout: 60_000 }, async () => {
    const holder = begin('holder', { resource: 'server' }, { stand: true });
    await inQueue('server', 1);
    const refused = await begin('refused', { resource: 'server' }).report;
    expect(refused).toMatchObject({
      status: 'skipped',
      read: 0,
      error: null,
      reason: expect.stringMatching(/^server is held by run .* \(process \d+\) since [^ ]+$/),
    });
    const waited = await begin('waited', { resource: 'server', wait: '1s' }).report;
    expect(waited).toMatchObject({ status: 'skipped', reason: expect.stringMatching(/^server is held by .* after waiting 1\.\d s$/) });
    for (const name of ['refused', 'waited']) expect(await coordination.locks.queue(name)).toEqual([]);
    holder.go();
    expect(await holder.report).toMatchObject({ status: 'succeeded', written: 5 });
    expect(await coordination.locks.queue('server')).toEqual([]);
  });

  it('a connection with maxConcurrent lets in as many as it says, others in their turn, and never past a deadline', { timeout: 60_000 }, async () => {
    const first = begin('first', {}, { stand: true, maxConcurrent: 1 });
    await inQueue('connection.to', 1);
    const startedAt = performance.now();
    const hurried = await begin('hurried', {}, { maxConcurrent: 1, deadlineMs: 2_000 }).report;
    expect(hurried).toMatchObject({ status: 'skipped', reason: expect.stringContaining('connection.to is held by') });
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    const second = begin('second', {}, { maxConcurrent: 1 });
    await inQueue('connection.to', 2);
    first.go();
    expect(await first.report).toMatchObject({ status: 'succeeded', written: 5 });
    expect(await second.report).toMatchObject({ status: 'succeeded', written: 5 });
    expect(await coordination.locks.queue('connection.to')).toEqual([]);
  });

  it('a position set by hand and a replay of dead letters count against maxConcurrent as runs do', { timeout: 60_000 }, async () => {
    const outcome = await coordination.locks.acquire({ resource: 'connection.to', mode: 'limited', limit: 1, waitMs: 0, ttlSeconds: 20, runId: 'the-test' });
    if (!outcome.held) throw new Error('it is free');
    await using _held = outcome.lock;
    const { definition, opener } = define('byhand', {}, { maxConcurrent: 1 });
    const deps = { coordination, open: opener };
    for (const work of [setPosition, replayDeadLetters] as const) {
      const stop = new AbortController();
      const ended = work(definition, deps, { cursor: null, signal: stop.signal }).then(
        (result) => ('error' in result ? result.error?.code : result),
        ({ code }: { code: string }) => code,
      );
      await inQueue('connection.to', 2);
      stop.abort();
      expect(await ended).toBe('CANCELLED');
    }
    for (const resource of ['byhand', 'connection.to'])
      expect((await coordination.locks.queue(resource)).filter(({ runId }) => runId !== 'the-test')).toEqual([]);
  });
});
