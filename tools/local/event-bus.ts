/** A stand-in for EventBridge on this machine: PutEvents over HTTP, rules, delivery with retries. It has what serverless.yml uses, and refuses the rest. */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { matches, type Rule } from './rules.ts';

interface PutEntry {
  readonly EventBusName?: string;
  readonly Source?: string;
  readonly DetailType?: string;
  readonly Detail?: string;
  readonly Resources?: readonly string[];
}

export interface BusEvent {
  readonly version: '0';
  readonly id: string;
  readonly 'detail-type': string;
  readonly source: string;
  readonly account: string;
  readonly time: string;
  readonly region: string;
  readonly resources: readonly string[];
  readonly detail: unknown;
}

export interface LocalBusOptions {
  readonly region: string;
  readonly rules: readonly Rule[];
  /** Runs the function; a rejection is a failed invocation, and is tried again as often as the rule says. */
  readonly invoke: (functionName: string, event: BusEvent) => Promise<void>;
  /** Told of an event that was given up. */
  readonly onGivenUp: (functionName: string, event: BusEvent, error: unknown) => void;
  /** Before the first retry, doubled each time, in milliseconds. The service waits a minute; nobody at a terminal does. */
  readonly retryPauseMs?: number;
}

export interface LocalBus extends AsyncDisposable {
  readonly url: string;
  /** Resolves when no delivery is under way, those included that running functions have caused. */
  idle(): Promise<void>;
}

/** Listens on a free port of 127.0.0.1. */
export async function startLocalBus(options: LocalBusOptions): Promise<LocalBus> {
  const { region, rules, invoke, onGivenUp, retryPauseMs = 1_000 } = options;
  const underWay = new Set<Promise<void>>();

  async function deliver({ target, retries }: Rule, event: BusEvent): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await invoke(target, event);
      } catch (error) {
        if (attempt >= retries) return onGivenUp(target, event, error);
        await sleep(retryPauseMs * 2 ** attempt, undefined, { ref: false });
      }
    }
  }

  function put(entry: PutEntry): { EventId: string } | { ErrorCode: string; ErrorMessage: string } {
    const { EventBusName = 'default', Source, DetailType, Detail, Resources = [] } = entry;
    if (!Source || !DetailType || !Detail) return { ErrorCode: 'InvalidArgument', ErrorMessage: 'Source, DetailType and Detail are required.' };
    const detail = parseJson(Detail);
    if (detail === undefined) return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
    const time = new Date().toISOString();
    const event: BusEvent = {
      version: '0',
      id: randomUUID(),
      'detail-type': DetailType,
      source: Source,
      account: '000000000000',
      time,
      region,
      resources: Resources,
      detail,
    };
    const bus = EventBusName.split('/').at(-1);
    for (const rule of rules.filter((candidate) => candidate.bus === bus && matches(candidate.pattern, event))) {
      const delivery: Promise<void> = deliver(rule, event).finally(() => underWay.delete(delivery));
      underWay.add(delivery);
    }
    return { EventId: event.id };
  }

  const server = createServer(async (request, response) => {
    const answer = (status: number, body: object) => response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    if (request.headers['x-amz-target'] !== 'AWSEvents.PutEvents') return answer(400, { __type: 'UnknownOperationException' });
    const { Entries = [] } = (parseJson(await text(request)) ?? {}) as { Entries?: PutEntry[] };
    if (Entries.length < 1 || Entries.length > 10) return answer(400, { __type: 'ValidationException', message: 'PutEvents takes 1 to 10 entries.' });
    const results = Entries.map(put);
    return answer(200, { FailedEntryCount: results.filter((result) => 'ErrorCode' in result).length, Entries: results });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    idle: async () => {
      while (underWay.size > 0) await Promise.all(underWay);
    },
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function text(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

function parseJson(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    return undefined;
  }
}
