import type { MiddlewareObj } from '@middy/core';
import * as z from 'zod';
import { eventSource, eventType, type Job } from '../../lib/dispatch/dispatcher.ts';
import { SyncError } from '../../lib/errors.ts';
import type { InvocationRequest } from './invocation.ts';

const word = z.string().min(1).max(200);
const optionalWord = word.exactOptional();
const optionalCount = z.int().min(0).exactOptional();

/** The request itself, as it is given to `serverless invoke local -f sync -d …`. */
const job = z.strictObject({
  sync: word,
  shard: optionalWord,
  slot: optionalCount,
  tick: optionalWord,
  hop: optionalCount,
  chain: optionalWord,
  stalled: optionalCount,
});

/** The same as EventBridge delivers it. Other fields of the envelope are the bus's own. */
const envelope = z.looseObject({ source: z.literal(eventSource), 'detail-type': z.literal(eventType), detail: job });

/** The job in the event, whichever way it came. Throws CONFIG_INVALID, naming each field that is wrong. */
export function parseEvent(event: unknown): Job {
  const isEnvelope = typeof event === 'object' && event !== null && ('detail' in event || 'detail-type' in event);
  const parsed = isEnvelope ? envelope.transform(({ detail }) => detail).safeParse(event) : job.safeParse(event);
  if (parsed.success) return parsed.data;
  const faults = parsed.error.issues.map(({ path, message }) => `${path.length === 0 ? 'the event' : path.join('.')}: ${message}`);
  throw new SyncError('CONFIG_INVALID', `The event is no request to run a sync: ${faults.join('; ')}.`, {
    field: parsed.error.issues[0]?.path.join('.') ?? '',
  });
}

/** Puts the parsed job in the place of the event, and its sync into every further line of the log. */
export function validEvent(): MiddlewareObj<unknown, unknown, Error> {
  return {
    before: (request: InvocationRequest) => {
      const parsed = parseEvent(request.event);
      request.event = parsed;
      request.context.logger?.appendKeys({ ...parsed });
    },
  };
}
