import type { PutEventsRequestEntry } from '@aws-sdk/client-eventbridge';
import pRetry from 'p-retry';
import { SyncError } from '../errors.ts';
import { batches } from './batches.ts';
import { type Dispatcher, type DispatchResult, eventSource, eventType, type Job } from './dispatcher.ts';
import { callError, entryError } from './errors.ts';

interface Send {
  readonly job: Job;
  readonly entry: PutEventsRequestEntry;
  error: SyncError | null;
}

export interface EventBridgeOptions {
  /** Name or ARN of the event bus. */
  readonly bus: string;
  /** Times that entries which failed for a passing reason are sent again; 5 where it is left out. */
  readonly retries?: number;
  /** Pause before the first of them, doubled each time, in milliseconds; 100 where it is left out. */
  readonly firstPauseMs?: number;
}

/** Calls under way at once: a plan of thousands is sent in seconds, and stays far below the smallest account's quota of calls. */
const parallelCalls = 8;
/** The API counts 14 bytes for the time beside the texts. */
const timeBytes = 14;

/** Sends each job as one event. Each entry's own result counts: only those that failed are sent again. */
export function createEventBridgeDispatcher(options: EventBridgeOptions): Dispatcher {
  const { bus, retries = 5, firstPauseMs = 100 } = options;
  let connecting: ReturnType<typeof connect> | undefined;

  async function connect() {
    const { EventBridgeClient, PutEventsCommand } = await import('@aws-sdk/client-eventbridge');
    // Retries are counted here alone, so that a failed call costs no more attempts than a failed entry.
    const client = new EventBridgeClient({ maxAttempts: 1, requestHandler: { connectionTimeout: 3_000, requestTimeout: 10_000, throwOnRequestTimeout: true } });
    return {
      client,
      put: (Entries: PutEventsRequestEntry[], abortSignal?: AbortSignal) => client.send(new PutEventsCommand({ Entries }), abortSignal ? { abortSignal } : {}),
    };
  }

  /** One call; sets each send's `error`. */
  async function put(sends: readonly Send[], signal?: AbortSignal): Promise<void> {
    try {
      connecting ??= connect();
      const { Entries = [] } = await (await connecting).put(
        sends.map(({ entry }) => entry),
        signal,
      );
      for (const [index, send] of sends.entries()) {
        const code = Entries[index] === undefined ? 'InternalFailure' : Entries[index].ErrorCode;
        send.error = code === undefined || code === '' ? null : entryError(bus, code);
      }
    } catch (error) {
      signal?.throwIfAborted();
      const failure = callError(bus, error);
      for (const send of sends) send.error = failure;
    }
  }

  async function deliver(sends: readonly Send[], signal?: AbortSignal): Promise<void> {
    let open = sends;
    const attempt = async () => {
      await put(open, signal);
      open = open.filter(({ error }) => error !== null && error.retry !== 'never');
      if (open[0]?.error) throw open[0].error;
    };
    try {
      await pRetry(attempt, { retries, minTimeout: firstPauseMs, maxTimeout: 5_000, randomize: true, ...(signal ? { signal } : {}) });
    } catch (error) {
      // What remains failed has its error in its own result.
      signal?.throwIfAborted();
      if (!(error instanceof SyncError)) throw error;
    }
  }

  return {
    async dispatch(jobs, signal): Promise<readonly DispatchResult[]> {
      const sends = jobs.map(
        (job): Send => ({ job, entry: { EventBusName: bus, Source: eventSource, DetailType: eventType, Detail: JSON.stringify(job) }, error: null }),
      );
      const waiting = batches(sends, ({ entry }) => timeBytes + Buffer.byteLength(`${entry.Source}${entry.DetailType}${entry.Detail}`));
      const next = async (): Promise<void> => {
        for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) await deliver(batch, signal);
      };
      await Promise.all(Array.from({ length: parallelCalls }, next));
      return sends.map(({ job, error }) => ({ job, error }));
    },
    async [Symbol.asyncDispose]() {
      if (connecting === undefined) return;
      const { client } = await connecting;
      connecting = undefined;
      client.destroy();
    },
  };
}
