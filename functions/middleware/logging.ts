import { Logger } from '@aws-lambda-powertools/logger';
import type { MiddlewareObj } from '@middy/core';
import { redactor } from '../../lib/config/redactor.ts';
import { toSyncError } from '../../lib/errors.ts';
import { InvocationError } from './failures.ts';
import type { InvocationRequest } from './invocation.ts';

/** What a secret was resolved to is known to the redactor: it appears in no line, whatever an error carries with it. */
function withoutSecrets(_key: string, value: unknown): unknown {
  return typeof value === 'string' ? redactor.redact(value) : value;
}

/** Structured lines with Lambda's own context; at the end one that tells how it went, with the whole report. */
export function logging(): MiddlewareObj<unknown, unknown, Error> {
  const base = new Logger({ jsonReplacerFn: withoutSecrets });
  return {
    before: ({ context }: InvocationRequest) => {
      const logger = base.createChild();
      logger.addContext(context);
      context.logger = logger;
    },
    after: ({ context, response }: InvocationRequest) => {
      const failed = typeof response === 'object' && response !== null && 'status' in response && response.status === 'failed';
      context.logger?.[failed ? 'error' : 'info'](failed ? 'failed' : 'done', { report: response });
    },
    onError: ({ context, error }: InvocationRequest) => {
      // A report that counts as a failed invocation was logged as a report.
      if (error instanceof InvocationError) return;
      const { code, message, place } = toSyncError(error);
      context.logger?.error('broke off', { code, reason: message, ...place, ...(code === 'INTERNAL' && error ? { error } : {}) });
    },
  };
}
