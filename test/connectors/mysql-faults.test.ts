/** Lost connections, locks of others, and sources whose texts compare as equal. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Row, Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, destinationOf, freshName, openSource, openWriter, readAll, writeAll } from '../conformance/drive.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { mysqlHarness, quote } from './mysql-harness.ts';

type Made = Awaited<ReturnType<typeof mysqlHarness>>;
let harness: Made;
beforeAll(async () => {
  harness = await mysqlHarness();
});
afterAll(async () => harness[Symbol.asyncDispose]());

const items = (): Schema => ({ name: freshName('items'), columns: [column('id', 'int64', false), column('v', 'string')], key: ['id'] });

async function ids(table: string): Promise<number[]> {
  const [rows] = await harness.client.query(`SELECT id FROM ${quote(table)} ORDER BY id`);
  return (rows as unknown as string[][]).map(([id]) => Number(id));
}

/** The same database through a proxy. */
async function proxied(): Promise<{ proxy: TcpProxy; through: Made } & AsyncDisposable> {
  const proxy = await TcpProxy.before(harness.url);
  const connection = { ...(harness.connection as object), url: proxy.through(harness.url) };
  return { proxy, through: { ...harness, connection }, [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() };
}

describe('a connection that is lost at COMMIT', () => {
  it('is a success where the server has committed', async () => {
    await using faulty = await proxied();
    const schema = items();
    await using open = await openWriter(faulty.through, schema);
    await open.writer.write(chunkOf([['1', 'a']]));
    faulty.proxy.swallowReplies({ after: 'COMMIT', and: 'cut', times: 1 });
    expect(await open.writer.commit(batchOf('one'))).toMatchObject({ seq: 1n, written: 1 });
    await open.writer.write(chunkOf([['2', 'b']]));
    expect(await open.writer.commit(batchOf('two'))).toMatchObject({ seq: 2n, written: 1 });
    await open.writer.write(chunkOf([['3', 'c']]));
    expect(await open.writer.commit(batchOf('three'))).toMatchObject({ seq: 3n, written: 1 });
    expect(await ids(schema.name)).toEqual([1, 2, 3]);
  });

  it('is to be tried again where the server never heard of it, and leaves nothing', async () => {
    await using faulty = await proxied();
    const schema = items();
    const claim = claimOf(5, { sync: schema.name });
    {
      await using open = await openWriter(faulty.through, schema, { sync: schema.name, claim });
      await open.writer.write(chunkOf([['1', 'a']]));
      faulty.proxy.cutAfter({ pattern: '_idra_state', direction: 'toServer', times: 1 });
      await expect(open.writer.commit(batchOf('one'))).rejects.toMatchObject({ code: 'CONNECTION_FAILED', retry: 'now' });
    }
    expect(await ids(schema.name)).toEqual([]);
    await writeAll(harness, schema, [['1', 'a']], { sync: schema.name, claim });
    expect(await ids(schema.name)).toEqual([1]);
  });

  it('in the middle of a load is told as such', async () => {
    await using faulty = await proxied();
    const schema = items();
    await using open = await openWriter(faulty.through, schema);
    const rows = (from: number): Row[] => Array.from({ length: 2000 }, (_, i) => [String(from + i), 'x'.repeat(500)]);
    await open.writer.write(chunkOf(rows(0)));
    faulty.proxy.cut();
    const failing = async (): Promise<void> => {
      for (let i = 1; i < 20; i++) await open.writer.write(chunkOf(rows(i * 2000)));
      await open.writer.commit(batchOf('lost'));
    };
    await expect(failing()).rejects.toMatchObject({ code: 'CONNECTION_FAILED', retry: 'now' });
    await open.writer.discard();
    expect(await ids(schema.name)).toEqual([]);
  });
});

describe('a run that was frozen in the middle of a batch', () => {
  it('holds its successor up in no way, and is refused when it wakes', async () => {
    for (const write of ['insert', 'upsert', 'replace'] as const) {
      const schema = items();
      const sync = schema.name;
      await using frozen = await openWriter(harness, schema, { sync, write, claim: claimOf(1, { sync }) });
      await frozen.writer.write(
        chunkOf([
          ['1', 'old'],
          ['2', 'old'],
        ]),
      );
      const began = Date.now();
      await writeAll(
        harness,
        schema,
        [
          ['1', 'new'],
          ['2', 'new'],
        ],
        { sync, write, claim: claimOf(2, { sync }), batch: { cursor: null, final: true } },
      );
      expect(Date.now() - began).toBeLessThan(10_000);
      const late = async (): Promise<void> => {
        await frozen.writer.write(chunkOf([['3', 'old']]));
        await frozen.writer.commit(batchOf('late'));
      };
      await expect(late()).rejects.toMatchObject({ code: 'FENCED' });
      expect(await ids(schema.name)).toEqual([1, 2]);
    }
  });
});

describe('a lock of somebody else', () => {
  it('ends a batch with CONFLICT when it is a deadlock, and the batch can be written again', async () => {
    const schema = items();
    await writeAll(harness, schema, [
      ['1', 'a'],
      ['2', 'b'],
    ]);
    await using open = await openWriter(harness, schema, { write: 'upsert', onError: 'deadLetter' });
    await open.writer.attempt?.(chunkOf([['1', 'mine']]));
    await harness.execute('START TRANSACTION');
    // Many rows, so that the other one is chosen as the victim
    for (let i = 10; i < 60; i++) await harness.execute(`INSERT INTO ${quote(schema.name)} VALUES (${i}, 'theirs')`);
    await harness.execute(`UPDATE ${quote(schema.name)} SET v = 'theirs' WHERE id = 2`);
    const waiting = open.writer.attempt?.(chunkOf([['2', 'mine']])).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const theirs = harness.execute(`UPDATE ${quote(schema.name)} SET v = 'theirs' WHERE id = 1`);
    expect(await waiting).toMatchObject({ code: 'CONFLICT', retry: 'now' });
    await theirs;
    await harness.execute('ROLLBACK');
    await open.writer.discard();
    await open.writer.attempt?.(
      chunkOf([
        ['1', 'mine'],
        ['2', 'mine'],
      ]),
    );
    expect(await open.writer.commit(batchOf('again'))).toMatchObject({ written: 2 });
  });
});

describe('texts that compare as equal', () => {
  it('are all read by a query that is ordered by them, whatever stands at a boundary', async () => {
    const name = freshName('equal');
    await harness.execute(`CREATE TABLE ${quote(name)} (k varchar(9) collate utf8mb4_general_ci, n int)`);
    await harness.execute(`INSERT INTO ${quote(name)} VALUES ('a', 1), ('A', 2), ('b', 3), ('B', 4), ('b ', 5), ('ä', 6)`);
    const ask = { mode: 'id', cursor: { key: ['k'] }, options: harness.query?.(`SELECT * FROM ${quote(name)}`) } as const;
    await using source = await openSource(harness, name, ask);
    const whole = await readAll(source, { maxRows: 1 });
    expect(whole.rows.length).toBe(6);
    for (const { cursor, rows } of whole.boundaries) {
      const rest = await readAll(source, { from: cursor });
      expect(rest.rows.length).toBe(6 - rows);
    }
    await expect(openSource(harness, name, { mode: 'id', cursor: { column: 'k', key: [] } })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('state', () => {
  it('stands beside the target, with transactions', async () => {
    const schema = items();
    await writeAll(harness, schema, [['1', 'a']], { sync: schema.name });
    await using destination = await destinationOf(harness, schema.name, { sync: schema.name });
    expect(await destination.state()).toMatchObject({ seq: 1n });
    const [rows] = await harness.client.query("SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '_idra_state'");
    expect(rows).toEqual([['InnoDB']]);
  });
});
