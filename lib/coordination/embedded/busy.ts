import { pause } from '../wait.ts';
import { isBusy, storeError } from './errors.ts';

export interface BusyOptions {
  readonly path: string;
  /** In all; the last attempt may begin just before it. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Repeats what found the file locked by another process; a transaction that could not begin or commit for that reason has changed nothing. */
export async function untilFree<T>(attempt: () => T | Promise<T>, { path, timeoutMs, signal }: BusyOptions): Promise<T> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() >= end) throw storeError(error, path);
    }
    await pause(5 + Math.random() * 20, signal);
  }
}
