/**
 * I1, I2, I4: the destination commits, and its reply never comes. The run finds out by itself that the batch is in, whichever batch it was, and goes on; nothing is lost and nothing is there twice, in insert mode into a table without a key.
 */
import { expect, it } from 'vitest';
import type { Row, Schema } from '../../lib/values/types.ts';
import { column, freshName } from '../conformance/drive.ts';
import type { Harness } from '../conformance/harness.ts';
import { mysqlHarness } from '../connectors/mysql-harness.ts';
import { postgresHarness } from '../connectors/postgres-harness.ts';
import { sqliteHarness } from '../connectors/sqlite-harness.ts';
import { sqlserverHarness } from '../connectors/sqlserver-harness.ts';
import { describeWith } from '../support/servers.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { between } from './between.ts';

const destinations = { postgres: postgresHarness, mysql: mysqlHarness, sqlserver: sqlserverHarness } as const;
/** By which the question after a lost reply is known. */
const question = { postgres: 'FOR UPDATE', mysql: 'FOR UPDATE', sqlserver: 'SET [epoch]' } as const;
const columns = [column('id', 'int32', false), column('v', 'string')];
const [count, batchRows] = [200, 20];

/** SQL Server's statements come in UTF-16. */
function words(piece: Buffer): string {
  return piece.toString('latin1').replaceAll('\0', '');
}

for (const kind of ['postgres', 'mysql', 'sqlserver'] as const) {
  await describeWith([kind, 'sqlite'], `a reply to COMMIT that is lost, destination ${kind}`, () => {
    async function run(lose: (proxy: TcpProxy, rowsCame: (piece: Buffer) => boolean) => void, losses: number): Promise<void> {
      await using source = await sqliteHarness();
      await using destination = await destinations[kind]();
      await using proxy = await TcpProxy.before(destination.url);
      // What is encrypted says nothing to the proxy
      const plain = kind === 'sqlserver' ? { ssl: 'disable' } : {};
      const connection = { ...(destination.connection as object), url: proxy.through(destination.url), ...plain };
      const through: Harness = { ...destination, connection };
      const schema: Schema = { name: freshName('source'), columns, key: ['id'] };
      await source.create(
        schema,
        Array.from({ length: count }, (_, i): Row => [i, `value ${i}`]),
      );
      const target: Schema = { name: freshName('target'), columns, key: [] };
      await destination.create(target, []);
      await using sync = await between(
        { source, destination: through },
        { from: schema.name, to: target.name, more: { batch: { rows: batchRows, bytes: 1_000_000 } } },
      );
      let came = false;
      // Before the first rows the same words belong to the claim
      lose(proxy, (piece) => {
        came ||= words(piece).includes('value 0');
        return came;
      });
      const report = await sync.run();
      expect(report).toMatchObject({ status: 'succeeded', error: null });
      expect(proxy.counts.cuts).toBe(losses);
      const found = await destination.read(target.name, columns);
      expect(found.map(([id]) => Number(id)).sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
    }

    it('is asked for, at every batch: the set is exact', { timeout: 60_000 }, () =>
      run(
        (proxy, rowsCame) => proxy.swallowReplies({ after: (piece) => rowsCame(piece) && /COMMIT(?!TED)/.test(words(piece)), and: 'cut' }),
        count / batchRows,
      ),
    );

    it('is asked for anew where the question is lost as well', { timeout: 60_000 }, () =>
      run((proxy, rowsCame) => {
        proxy.swallowReplies({ after: (piece) => rowsCame(piece) && /COMMIT(?!TED)/.test(words(piece)), and: 'cut', times: 1 });
        proxy.swallowReplies({ after: (piece) => rowsCame(piece) && words(piece).includes(question[kind]), and: 'cut', times: 1 });
      }, 2),
    );
  });
}
