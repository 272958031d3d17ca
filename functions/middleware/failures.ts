import type { MiddlewareObj } from '@middy/core';
import { redactor } from '../../lib/config/redactor.ts';
import { type ErrorCode, toSyncError } from '../../lib/errors.ts';
import type { InvocationRequest } from './invocation.ts';

/** What another try of the same event, minutes later, may get past. Of everything else the report is the result: a person has to change something first. */
const passing: ReadonlySet<string> = new Set<ErrorCode>([
  'CONNECTION_FAILED',
  'TIMEOUT',
  'THROTTLED',
  'STORE_UNAVAILABLE',
  'LOCK_LOST',
  'CONFLICT',
  'DISK_FULL',
  'INTERNAL',
]);

/** What Lambda sees of an error: code and message, and nothing that a driver's error carries with it. Lambda tries the event again, and keeps it in the dead-letter queue in the end. */
export class InvocationError extends Error {
  constructor(code: string, message: string) {
    super(redactor.redact(`${code}: ${message}`));
    this.name = code;
    this.stack = this.message;
  }
}

/** Decides what counts as a failed invocation. */
export function failures(): MiddlewareObj<unknown, unknown, Error> {
  return {
    after: ({ response }: InvocationRequest) => {
      const error =
        typeof response === 'object' && response !== null && 'error' in response ? (response.error as { code: string; message: string } | null) : null;
      if (error !== null && passing.has(error.code)) throw new InvocationError(error.code, error.message);
    },
    onError: (request: InvocationRequest) => {
      if (request.error instanceof InvocationError) return;
      const { code, message } = toSyncError(request.error);
      request.error = new InvocationError(code, message);
    },
  };
}
