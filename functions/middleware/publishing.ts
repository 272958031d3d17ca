import { Metrics } from '@aws-lambda-powertools/metrics';
import type { MiddlewareObj } from '@middy/core';
import type { InvocationRequest } from './invocation.ts';

/** Metrics in the embedded format: a line of the log, no call. What was measured before an error is published too. */
export function publishing(): MiddlewareObj<unknown, unknown, Error> {
  const publish = ({ context: { metrics } }: InvocationRequest) => {
    if (metrics?.hasStoredMetrics()) metrics.publishStoredMetrics();
  };
  return {
    before: ({ context }: InvocationRequest) => {
      context.metrics = new Metrics();
    },
    after: publish,
    onError: publish,
  };
}
