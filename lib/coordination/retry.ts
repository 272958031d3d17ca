import pRetry from 'p-retry';
import { SyncError } from '../errors.ts';
import { cancellation } from './wait.ts';

export interface RetryOptions {
  readonly signal?: AbortSignal;
  /** Attempts after the first; default 2. */
  readonly retries?: number;
}

/**
 * Repeats a call that the store did not answer. Only for what may be done twice: reads, and writes whose outcome the second attempt finds in its own `failure` branch.
 * Each attempt has the store's deadline, so the whole is bounded by three of them.
 */
export async function whenAnswered<T>(attempt: () => Promise<T>, { signal, retries = 2 }: RetryOptions = {}): Promise<T> {
  try {
    return await pRetry(attempt, {
      retries,
      minTimeout: 100,
      maxTimeout: 1_000,
      randomize: true,
      shouldRetry: ({ error }) => isUnanswered(error),
      ...(signal && { signal }),
    });
  } catch (error) {
    throw signal?.aborted && !(error instanceof SyncError) ? cancellation(signal) : error;
  }
}

/** The store did not answer, and may do so later; the call may have taken effect all the same. */
export function isUnanswered(error: unknown): boolean {
  return error instanceof SyncError && error.code === 'STORE_UNAVAILABLE' && error.retry !== 'never';
}
