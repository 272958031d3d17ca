import { describe, expect, it, onTestFinished } from 'vitest';
import { type BusEvent, startLocalBus } from '../../tools/local/event-bus.ts';
import { matches, type Rule, rulesOf } from '../../tools/local/rules.ts';

const rule: Rule = { bus: 'one', pattern: { source: ['idra'], 'detail-type': ['Sync Requested'] }, target: 'sync', retries: 2 };

async function bus(invoke: (name: string, event: BusEvent) => Promise<void>) {
  const givenUp: unknown[] = [];
  const started = await startLocalBus({ region: 'eu-west-1', rules: [rule], invoke, onGivenUp: (_name, { detail }) => givenUp.push(detail), retryPauseMs: 1 });
  onTestFinished(async () => started[Symbol.asyncDispose]());
  const put = async (...entries: object[]) => {
    const response = await fetch(started.url, {
      method: 'POST',
      headers: { 'x-amz-target': 'AWSEvents.PutEvents' },
      body: JSON.stringify({ Entries: entries }),
    });
    return { status: response.status, body: (await response.json()) as { FailedEntryCount: number; Entries: { ErrorCode?: string }[] } };
  };
  return { started, put, givenUp };
}

const entry = (over: object = {}) => ({ EventBusName: 'one', Source: 'idra', DetailType: 'Sync Requested', Detail: '{"sync":"orders"}', ...over });

describe('local event bus', () => {
  it('delivers what a rule matches, as EventBridge shapes it, and nothing else', async () => {
    const events: BusEvent[] = [];
    const { started, put } = await bus(async (_name, event) => void events.push(event));
    const { status, body } = await put(entry(), entry({ EventBusName: 'two' }), entry({ Source: 'else' }), entry({ Detail: '{' }));
    await started.idle();
    expect([status, body.FailedEntryCount, body.Entries.map(({ ErrorCode }) => ErrorCode)]).toEqual([
      200,
      1,
      [undefined, undefined, undefined, 'MalformedDetail'],
    ]);
    expect(events).toEqual([expect.objectContaining({ version: '0', source: 'idra', 'detail-type': 'Sync Requested', detail: { sync: 'orders' } })]);
  });

  it('refuses more entries than the service takes', async () => {
    const { put } = await bus(async () => undefined);
    expect((await put(...Array.from({ length: 11 }, () => entry()))).status).toBe(400);
  });

  it('tries a failed invocation again, as often as the function says, and then gives up aloud', async () => {
    let failures = 2;
    let calls = 0;
    const { started, put, givenUp } = await bus(async () => {
      calls += 1;
      if (failures-- > 0) throw new Error('not yet');
    });
    await put(entry());
    await started.idle();
    expect([calls, givenUp]).toEqual([3, []]);
    failures = 5;
    await put(entry());
    await started.idle();
    expect([calls, givenUp]).toEqual([6, [{ sync: 'orders' }]]);
  });

  it('takes its rules from serverless.yml, and refuses a pattern that it cannot match', () => {
    const functions = (pattern: object) => [
      { name: 'idra-dev-sync', maximumRetryAttempts: 2, events: [{ eventBridge: { eventBus: { 'Fn::GetAtt': ['Bus', 'Name'] }, pattern } }, {}] },
    ];
    expect(rulesOf(functions(rule.pattern), new Map([['Bus', 'one']]))).toEqual([{ ...rule, target: 'idra-dev-sync' }]);
    expect(() => rulesOf(functions({ source: [{ prefix: 'id' }] }), new Map([['Bus', 'one']]))).toThrow('exact values');
    expect(() => rulesOf(functions(rule.pattern), new Map())).toThrow('name of the bus');
    expect(matches({ detail: { sync: ['a', 'b'] } }, { detail: { sync: 'b' } })).toBe(true);
    expect(matches({ detail: { sync: ['a'] } }, { detail: 'a' })).toBe(false);
  });
});
