/** Two brokers, of which one is killed while a run writes and while another reads: the leaders move, and no message is lost or doubled. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import { startKafkaPair } from '../support/servers/kafka.ts';
import { describeWith } from '../support/servers.ts';
import type { IdraProcess } from '../support/spawn-idra.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import type { Orders } from './orders.ts';
import { reportOf, startChild } from './runs.ts';

const rows = 3_000;

await describeWith(['kafka'], 'kafka with two brokers', () => {
  it('one is killed while a run writes: topic and state move to the other, whoever reads them then', { timeout: 180_000 }, async () => {
    await using brokers = await startKafkaPair();
    await using folder = await temporaryFolder();
    const source = new Database(join(folder.path, 'source.db'));
    source.exec('CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)');
    source.exec(`WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ${rows}) INSERT INTO orders SELECT id, 'note ' || id FROM n`);
    source.close();
    const kafka = { type: 'kafka', brokers: brokers.url.split(',') };
    const common = { write: 'insert', batch: { rows: 250, bytes: '1MB' }, lock: { ttl: '5s', wait: '30s' } };
    const definitions = join(folder.path, 'syncs.json');
    await writeFile(
      definitions,
      JSON.stringify({
        connections: {
          from: { type: 'sqlite', path: join(folder.path, 'source.db') },
          kafka,
          to: { type: 'sqlite', path: join(folder.path, 'copy.db') },
        },
        syncs: [
          {
            name: 'there',
            source: { connection: 'from', table: 'orders' },
            destination: { connection: 'kafka', topic: 'orders', partitions: 4 },
            mode: 'id',
            cursor: { column: 'id' },
            ...common,
          },
          { name: 'back', source: { connection: 'kafka', topic: 'orders' }, destination: { connection: 'to', table: 'copy' }, mode: 'stream', ...common },
        ],
      }),
    );
    const start = (sync: string, more: Partial<Orders> = {}): IdraProcess =>
      startChild({ definitions, sync, store: { path: join(folder.path, 'state.db') }, ...more });
    /** Runs until one succeeds: a run may give up while nobody leads a partition. */
    const complete = async (sync: string, first: IdraProcess): Promise<void> => {
      let child = first;
      for (let round = 1; ; round++) {
        await child.exited;
        const report = reportOf(child);
        if (report.status === 'succeeded') return;
        expect(['CONNECTION_FAILED', 'TIMEOUT', 'CONFLICT']).toContain(report.error?.code);
        if (round === 8) throw new Error(`sync ${sync} does not come through: ${JSON.stringify(report.error)}`);
        child = start(sync);
      }
    };

    // Stands still with a batch half written while the broker dies
    await using writing = start('there', { point: 'commit:before', nth: 3, action: 'SIGSTOP' });
    await writing.line(/^at commit:before/, 60_000);
    await brokers.second.kill();
    writing.resume();
    await complete('there', writing);
    await using reading = start('back');
    await complete('back', reading);
    const copy = new Database(join(folder.path, 'copy.db'), { readonly: true });
    const found = copy.prepare('SELECT count(*), count(DISTINCT id), min(id), max(id) FROM copy').raw(true).get();
    copy.close();
    expect(found).toEqual([rows, rows, 1, rows]);
  });
});
