import type { MiddlewareObj } from '@middy/core';
import { SyncError } from '../../lib/errors.ts';
import type { InvocationRequest } from './invocation.ts';

/** Kept at the end of the invocation: for the last boundary, for giving back locks and for the continuation. */
export function reserveMs(remainingMs: number): number {
  return Math.min(20_000, Math.max(2_000, remainingMs / 10));
}

/** An early stop, well before the time limit; no timer is left when the handler returns. */
export function deadline(): MiddlewareObj<unknown, unknown, Error> {
  const timers = new WeakMap<object, NodeJS.Timeout>();
  const stop = ({ context }: InvocationRequest) => clearTimeout(timers.get(context));
  return {
    before: ({ context }: InvocationRequest) => {
      const remainingMs = context.getRemainingTimeInMillis();
      const reserve = reserveMs(remainingMs);
      const workMs = Math.max(0, remainingMs - reserve);
      const controller = new AbortController();
      const reason = new SyncError('DEADLINE', 'The time limit of the invocation nears.', { retry: 'now' });
      timers.set(
        context,
        setTimeout(() => controller.abort(reason), workMs),
      );
      context.deadline = { at: Date.now() + workMs, signal: controller.signal, graceMs: reserve / 2 };
    },
    after: stop,
    onError: stop,
  };
}
