/**
 * Transactions one after the other, as https://www.mongodb.com/docs/manual/core/transactions-in-applications/ prescribes: one that the server gives up is tried again as a whole, a commit whose outcome is unknown is asked for
 * again. What a commit has done is in the end decided by what is stored, never by doing the work a second time.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientSession, MongoClient } from 'mongodb';
import { SyncError } from '../../errors.ts';
import { hasLabel, serverCode } from './errors.ts';

/** Tries of one transaction before the engine reads the batch again. */
const maxTries = 5;
/** A try that took as long would take as long again. */
const maxTryMs = 30_000;
const noSuchTransaction = 251;
/** The server's limit of 60 s, https://www.mongodb.com/docs/manual/reference/parameters/#mongodb-parameter-param.transactionLifetimeLimitSeconds */
const lifetimeExceeded = 290;

export interface Work<T> {
  /** Named in messages. */
  readonly collection: string;
  /** Everything that the transaction writes, begun anew at each try. Null: the position is not the one that it has to begin from, and nothing is committed. */
  attempt(session: ClientSession): Promise<T | null>;
  /** Whether the majority of the replica set holds it. */
  stored(): Promise<boolean>;
}

export class Transactions {
  readonly #client: Pick<MongoClient, 'startSession'>;
  readonly #pauseMs: number;
  /** Session of the transaction before, by whose times the next one reads. */
  #before: ClientSession | null = null;

  /** `pauseMs`: half the pause behind a first try, doubled with each further one. */
  constructor(client: Pick<MongoClient, 'startSession'>, { pauseMs = 30 }: { readonly pauseMs?: number } = {}) {
    this.#client = client;
    this.#pauseMs = pauseMs;
  }

  /** Null where `attempt` gives null and no try before it was committed after all. */
  async run<T>(work: Work<T>): Promise<T | null> {
    // Of a try whose commit was sent: it may have passed, whatever was answered
    let sent: T | null = null;
    for (let tries = 1; ; tries++) {
      const session = this.#client.startSession();
      const began = performance.now();
      // A router of a sharded cluster may be behind the one that took the transaction before
      if (this.#before?.clusterTime !== undefined) session.advanceClusterTime(this.#before.clusterTime);
      if (this.#before?.operationTime !== undefined) session.advanceOperationTime(this.#before.operationTime);
      try {
        session.startTransaction({ readConcern: { level: 'snapshot' }, writeConcern: { w: 'majority' }, readPreference: 'primary' });
        const result = await work.attempt(session);
        if (result === null) {
          await session.abortTransaction();
          return sent !== null && (await work.stored()) ? sent : null;
        }
        sent = result;
        await this.#commit(session, work);
        this.#before = session;
        return result;
      } catch (error) {
        if (session.inTransaction()) await session.abortTransaction();
        const tookMs = performance.now() - began;
        if (outlived(error, tookMs)) throw lifetimeError(work.collection, tookMs, error);
        if (!hasLabel(error, 'TransientTransactionError') || tries >= maxTries || tookMs > maxTryMs) throw error;
        await sleep(this.#pauseMs * 2 ** tries);
      } finally {
        await session.endSession();
      }
    }
  }

  async #commit<T>(session: ClientSession, work: Work<T>): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await session.commitTransaction();
        return;
      } catch (error) {
        // One that is ended by its age may have passed: https://jira.mongodb.org/browse/DRIVERS-2535
        if (!hasLabel(error, 'UnknownTransactionCommitResult') && serverCode(error) !== lifetimeExceeded) throw error;
        if (tries < maxTries) {
          await sleep(this.#pauseMs * 2 ** tries);
          continue;
        }
        if (await work.stored()) return;
        throw new SyncError('CONNECTION_FAILED', `The outcome of a commit to ${work.collection} is not known; the next try begins at the stored position.`, {
          retry: 'now',
          cause: error,
        });
      }
    }
  }
}

/** Whether the server has ended the transaction by its age: it says so, or knows nothing of it any more. */
export function outlived(error: unknown, tookMs: number): boolean {
  const code = serverCode(error);
  return code === lifetimeExceeded || (code === noSuchTransaction && tookMs > maxTryMs);
}

function lifetimeError(collection: string, tookMs: number, cause: unknown): SyncError {
  return new SyncError(
    'TIMEOUT',
    `A batch for ${collection} took ${Math.round(tookMs / 1000)} s, and the server ended its transaction (transactionLifetimeLimitSeconds, 60 by default). Make batch.rows or batch.bytes smaller.`,
    { table: collection, retry: 'backoff', cause },
  );
}
