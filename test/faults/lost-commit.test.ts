/**
 * I1, I2, I4: the destination commits, and its reply never comes. The run finds out by itself that the batch is in, whichever batch it was, and goes on; nothing is lost and nothing is there twice, in insert mode into a table without a key.
 */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCoordination } from '../../lib/coordination/coordination.ts';
import type { EngineDeps } from '../../lib/engine/deps.ts';
import { runSync } from '../../lib/engine/run-sync.ts';
import type { Row, Schema } from '../../lib/values/types.ts';
import { column, freshName } from '../conformance/drive.ts';
import type { Harness } from '../conformance/harness.ts';
import { mysqlHarness } from '../connectors/mysql-harness.ts';
import { postgresHarness } from '../connectors/postgres-harness.ts';
import { sqliteHarness } from '../connectors/sqlite-harness.ts';
import { definition } from '../engine/samples.ts';
import { describeWith } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const destinations = { postgres: postgresHarness, mysql: mysqlHarness } as const;
const columns = [column('id', 'int32', false), column('v', 'string')];
const [count, batchRows] = [200, 20];

for (const kind of ['postgres', 'mysql'] as const) {
  await describeWith([kind, 'sqlite'], `a reply to COMMIT that is lost, destination ${kind}`, () => {
    async function run(lose: (proxy: TcpProxy, rowsCame: (piece: Buffer) => boolean) => void, losses: number): Promise<void> {
      await using source = await sqliteHarness();
      await using destination = await destinations[kind]();
      await using proxy = await TcpProxy.before(destination.url);
      const connection = { ...(destination.connection as object), url: proxy.through(destination.url) };
      const through: Harness = { ...destination, connection };
      const schema: Schema = { name: freshName('source'), columns, key: ['id'] };
      await source.create(
        schema,
        Array.from({ length: count }, (_, i): Row => [i, `value ${i}`]),
      );
      const target: Schema = { name: freshName('target'), columns, key: [] };
      await destination.create(target, []);
      await using folder = await temporaryFolder();
      await using coordination = await openCoordination({ path: join(folder.path, 'state.db') });
      const ends = { source, destination: through };
      const deps: EngineDeps = {
        coordination,
        open: async (name) => {
          const end = ends[name as keyof typeof ends];
          return { connector: end.connector, system: end.system, connection: end.connection, capabilities: end.config.capabilities };
        },
      };
      const sync = definition({
        source: { connection: 'source', options: source.source(schema.name) as Record<string, unknown> },
        destination: { connection: 'destination', options: destination.destination(target.name) as Record<string, unknown> },
        batch: { rows: batchRows, bytes: 1_000_000 },
      });
      let came = false;
      // Before the first rows the same words belong to the claim
      lose(proxy, (piece) => {
        came ||= piece.includes('value 0');
        return came;
      });
      const report = await runSync(sync, deps, { signal: new AbortController().signal });
      expect(report).toMatchObject({ status: 'succeeded', error: null });
      expect(proxy.counts.cuts).toBe(losses);
      const found = await destination.read(target.name, columns);
      expect(found.map(([id]) => Number(id)).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }

    it('is asked for, at every batch: the set is exact', { timeout: 60_000 }, () =>
      run(
        (proxy, rowsCame) => proxy.swallowReplies({ after: (piece) => rowsCame(piece) && /COMMIT(?!TED)/.test(piece.toString('latin1')), and: 'cut' }),
        count / batchRows,
      ),
    );

    it('is asked for anew where the question is lost as well', { timeout: 60_000 }, () =>
      run((proxy, rowsCame) => {
        proxy.swallowReplies({ after: (piece) => rowsCame(piece) && /COMMIT(?!TED)/.test(piece.toString('latin1')), and: 'cut', times: 1 });
        proxy.swallowReplies({ after: (piece) => rowsCame(piece) && piece.includes('FOR UPDATE'), and: 'cut', times: 1 });
      }, 2),
    );
  });
}
