import { setTimeout as delay } from 'node:timers/promises';
import { SyncError } from '../errors.ts';

/** The reason of an aborted signal as a SyncError: the one that it was aborted with (LOCK_LOST, DEADLINE), else CANCELLED. */
export function cancellation(signal: AbortSignal): SyncError {
  const reason: unknown = signal.reason;
  return reason instanceof SyncError ? reason : new SyncError('CANCELLED', 'The run was cancelled.', { retry: 'now', cause: reason });
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw cancellation(signal);
}

/** Waits, and throws the signal's reason as soon as it aborts. */
export async function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  throwIfCancelled(signal);
  try {
    await delay(milliseconds, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    throw signal?.aborted ? cancellation(signal) : error;
  }
}
