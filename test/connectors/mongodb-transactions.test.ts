/** Transactions that the server gives up, and commits whose outcome is not known: what is stored decides. */
import { type ClientSession, MongoClient, MongoServerError } from 'mongodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mongoError } from '../../lib/connectors/mongodb/errors.ts';
import { outlived, Transactions, type Work } from '../../lib/connectors/mongodb/transaction.ts';
import type { Schema } from '../../lib/values/types.ts';
import { batchOf, chunkOf, claimOf, column, failure, freshName, openWriter } from '../conformance/drive.ts';
import { hasTransactions } from '../support/servers/mongodb.ts';
import { describeWith } from '../support/servers.ts';
import { type MongodbHarness, mongodbHarness } from './mongodb-harness.ts';

const serverError = (code: number, ...errorLabels: string[]): MongoServerError => new MongoServerError({ message: 'refused', code, errorLabels });
const transient = (code = 112): MongoServerError => serverError(code, 'TransientTransactionError');
const unknown = (code = 91): MongoServerError => serverError(code, 'UnknownTransactionCommitResult');

const quick = { pauseMs: 1 };

/** Sessions of a client that reaches no server; their commits answer what the test says, one after the other, then succeed. */
function client(answers: readonly Error[] = []): { readonly client: Pick<MongoClient, 'startSession'>; readonly sessions: ClientSession[]; commits(): number } {
  const unconnected = new MongoClient('mongodb://127.0.0.1:1');
  const sessions: ClientSession[] = [];
  let commits = 0;
  return {
    sessions,
    commits: () => commits,
    client: {
      startSession: () => {
        const session = unconnected.startSession();
        const commit = session.commitTransaction.bind(session);
        session.commitTransaction = async () => {
          const answer = answers[commits++];
          // Behind either outcome the driver holds the transaction for ended
          await commit();
          if (answer !== undefined) throw answer;
        };
        sessions.push(session);
        return session;
      },
    },
  };
}

/** Attempts give what the test says, one after the other. */
function work(results: readonly (string | null | Error)[], stored = false): Work<string> & { readonly seen: { attempts: number; reads: number } } {
  const seen = { attempts: 0, reads: 0 };
  return {
    seen,
    collection: 'orders',
    attempt: async () => {
      const result = results[seen.attempts++] ?? null;
      if (result instanceof Error) throw result;
      return result;
    },
    stored: async () => {
      seen.reads++;
      return stored;
    },
  };
}

describe('transactions', () => {
  it('are tried again as a whole where the server says so, and every session ends', async () => {
    const { client: own, sessions } = client();
    const twice = work([transient(), 'done']);
    expect(await new Transactions(own, quick).run(twice)).toBe('done');
    expect(twice.seen).toEqual({ attempts: 2, reads: 0 });
    expect(sessions.map(({ hasEnded }) => hasEnded)).toEqual([true, true]);
  });

  it('are not tried again after any other error, nor more than five times', async () => {
    const { client: own, sessions } = client();
    const once = work([serverError(11_000), 'never']);
    await expect(new Transactions(own, quick).run(once)).rejects.toMatchObject({ code: 11_000 });
    expect(once.seen.attempts).toBe(1);
    const often = work(Array.from({ length: 9 }, () => transient()));
    await expect(new Transactions(own, quick).run(often)).rejects.toMatchObject({ code: 112 });
    expect(often.seen.attempts).toBe(5);
    expect(sessions.every(({ hasEnded }) => hasEnded)).toBe(true);
  });

  it('ask for an unknown outcome of a commit again, without doing the work again', async () => {
    const { client: own, commits } = client([unknown(), unknown(64), serverError(290)]);
    const once = work(['done']);
    expect(await new Transactions(own, quick).run(once)).toBe('done');
    expect([commits(), once.seen]).toEqual([4, { attempts: 1, reads: 0 }]);
  });

  it('read back what is stored where the outcome stays unknown', async () => {
    const five = Array.from({ length: 5 }, () => unknown());
    const passed = work(['done'], true);
    expect(await new Transactions(client(five).client, quick).run(passed)).toBe('done');
    expect(passed.seen).toEqual({ attempts: 1, reads: 1 });
    const lost = work(['done'], false);
    const { retry } = await failure(() => new Transactions(client(five).client, quick).run(lost), 'CONNECTION_FAILED', 'orders');
    expect([retry, lost.seen.attempts]).toEqual(['now', 1]);
  });

  it('that are gone after a commit was sent count as committed where they are stored, and as refused where not', async () => {
    // A new primary that does not know it, say: the next try finds the position moved, by this batch or by another writer
    const passed = work(['done', null], true);
    expect(await new Transactions(client([unknown(), transient(251)]).client, quick).run(passed)).toBe('done');
    expect(passed.seen).toEqual({ attempts: 2, reads: 1 });
    expect(await new Transactions(client([unknown(), transient(251)]).client, quick).run(work(['done', null], false))).toBeNull();
    // Before any commit there is nothing to look for
    const refused = work([transient(), null], true);
    expect(await new Transactions(client().client, quick).run(refused)).toBeNull();
    expect(refused.seen.reads).toBe(0);
  });

  it('that the server ends by their age say how to make them shorter, and are not tried again', async () => {
    const old = work([transient(290), 'never']);
    const { retry, message } = await failure(() => new Transactions(client().client, quick).run(old), 'TIMEOUT', 'orders');
    expect([retry, old.seen.attempts]).toEqual(['backoff', 1]);
    expect(message).toContain('batch.rows');
    // Between two requests it is only gone
    expect([outlived(transient(251), 61_000), outlived(transient(251), 500), outlived(transient(112), 61_000)]).toEqual([true, false, false]);
  });
});

describe('errors around transactions', () => {
  it.each([
    [388, 'TOO_LARGE', 'never'],
    [257, 'TOO_LARGE', 'never'],
    [290, 'TIMEOUT', 'backoff'],
    [225, 'CONFLICT', 'now'],
    [267, 'CONFLICT', 'now'],
    [43, 'CONNECTION_FAILED', 'now'],
    [175, 'CONNECTION_FAILED', 'now'],
    [237, 'CONNECTION_FAILED', 'now'],
    [133, 'CONNECTION_FAILED', 'backoff'],
    [262, 'TIMEOUT', 'backoff'],
    [202, 'TIMEOUT', 'backoff'],
    [134, 'TIMEOUT', 'backoff'],
    [462, 'THROTTLED', 'backoff'],
    [61, 'KEY_REQUIRED', 'never'],
    [53, 'ROW_REJECTED', 'never'],
  ])('the server’s code %i is %s, to be tried again: %s', (code, name, retry) => {
    expect(mongoError(serverError(code), 'write to orders')).toMatchObject({ code: name, retry });
  });
});

await describeWith(['mongodb'], 'mongodb in transactions', ({ mongodb }) => {
  let harness: MongodbHarness | undefined;
  const get = (): MongodbHarness => {
    if (harness === undefined) throw new Error('the harness is not there yet');
    return harness;
  };
  beforeAll(async () => {
    harness = await mongodbHarness();
  });
  afterAll(async () => harness?.[Symbol.asyncDispose]());
  const schema = (): Schema => ({ name: freshName('orders'), columns: [column('id', 'int64', false), column('v', 'string')], key: [] });

  it.skipIf(!hasTransactions(mongodb))('a claim waits for an open transaction, by the same fence as well (with transactions only)', async () => {
    const orders = schema();
    await using first = await openWriter(get(), orders, { sync: 'waits', claim: claimOf(1, { sync: 'waits' }) });
    const states = get().client.db(get().name).collection('_idra_state');
    // What a frozen run may leave behind: its batch is written, its commit is on the way
    const session = get().client.startSession();
    session.startTransaction({ writeConcern: { w: 'majority' } });
    await states.updateOne({ sync: 'waits' }, { $set: { batchId: 'late' }, $inc: { seq: 1 } }, { session });
    const claimed = openWriter(get(), orders, { sync: 'waits', claim: claimOf(1, { sync: 'waits' }) });
    const soon = await Promise.race([claimed.then(() => 'claimed'), new Promise((turn) => setTimeout(turn, 400, 'waits'))]);
    await session.commitTransaction();
    await session.endSession();
    await using second = await claimed;
    expect(soon).toBe('waits');
    expect(second.writer.committed).toMatchObject({ seq: 1n, batchId: 'late' });
    await first.writer.write(chunkOf([['1', 'late']]));
    await failure(() => first.writer.commit(batchOf('c1')), 'FENCED', orders.name);
    await second.writer.write(chunkOf([['1', 'once']]));
    expect(await second.writer.commit(batchOf('c1'))).toMatchObject({ seq: 2n });
  });

  it.skipIf(!hasTransactions(mongodb))('a batch of many requests is there as a whole or not at all (with transactions only)', { timeout: 30_000 }, async () => {
    const orders = schema();
    const rows = Array.from({ length: 2_500 }, (_, i) => [String(i), `row ${i}`]);
    const target = get().client.db(get().name).collection(orders.name);
    await using open = await openWriter(get(), orders);
    await open.writer.write(chunkOf(rows));
    const seen = new Set<number>();
    let watching = true;
    const watch = (async () => {
      while (watching) seen.add(await target.countDocuments());
    })();
    expect(await open.writer.commit(batchOf('c1'))).toEqual({ seq: 1n, written: 2_500, deleted: 0 });
    seen.add(await target.countDocuments());
    watching = false;
    await watch;
    expect([...seen].sort((a, b) => a - b)).toEqual([0, 2_500]);
  });
});
