import { SyncError } from '../errors.ts';

export interface TimeoutOptions {
  readonly signal: AbortSignal;
  /** Begins the message: `Connection "shop"`. */
  readonly what: string;
  readonly timeoutMs: number;
}

/** Ends on time also where a driver does not heed the signal. Throws TIMEOUT, or the signal's reason. */
export async function withTimeout<T>({ signal, what, timeoutMs }: TimeoutOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new SyncError('TIMEOUT', `${what} did not answer within ${timeoutMs / 1000} s.`, { retry: 'backoff' })),
    timeoutMs,
  );
  const within = AbortSignal.any([signal, controller.signal]);
  try {
    return await Promise.race([
      work(within),
      new Promise<never>((_resolve, reject) => {
        if (within.aborted) reject(within.reason);
        within.addEventListener('abort', () => reject(within.reason), { once: true });
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
