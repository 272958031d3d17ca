/** Random interleavings of entering, leaving and dying against the simplest model of a queue. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { HeldLock, LockMode, LockOutcome } from '../../lib/coordination/contract.ts';
import { keys } from '../../lib/coordination/keys.ts';
import type { KvStore } from '../../lib/coordination/kv.ts';
import { lockManager } from '../../lib/coordination/lock.ts';
import { SyncError } from '../../lib/errors.ts';
import { waitUntil } from '../support/wait-until.ts';
import { release, request, type StoreUnderTest, unique } from './coordination-support.ts';

type Step = { readonly do: 'enter'; readonly mode: LockMode; readonly wait: boolean } | { readonly do: 'leave' | 'die'; readonly whom: number };

interface Actor {
  readonly runId: string;
  readonly mode: LockMode;
  lock: HeldLock | null;
  failed: string | null;
}

const limit = 2;

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('enter' as const), mode: fc.constantFrom<LockMode>('exclusive', 'shared', 'limited'), wait: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('leave' as const), whom: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('die' as const), whom: fc.nat(10) }) },
);

/** The model: who stands at `place` of a queue may hold. */
function mayHold(queue: readonly { readonly mode: LockMode }[], place: number): boolean {
  const count = (mode: LockMode): number => queue.slice(0, place).filter((entry) => entry.mode === mode).length;
  switch (queue[place]?.mode) {
    case 'exclusive':
      return place === 0;
    case 'shared':
      return count('exclusive') === 0;
    default:
      return count('exclusive') === 0 && count('limited') < limit;
  }
}

class Run {
  readonly #store: KvStore;
  readonly #resource = unique('model');
  /** Who ought to be in the queue, in order. */
  #queue: Actor[] = [];
  readonly #pending: Promise<void>[] = [];
  #number = 0;

  constructor(store: KvStore) {
    this.#store = store;
  }

  async take(step: Step): Promise<void> {
    if (step.do === 'enter') await this.#enter(step.mode, step.wait);
    else await this.#go(step.do, step.whom);
    await this.#settle();
  }

  async end(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#go('leave', 0);
      await this.#settle();
    }
    await Promise.all(this.#pending);
    expect(await lockManager(this.#store).queue(this.#resource)).toEqual([]);
  }

  async #enter(mode: LockMode, wait: boolean): Promise<void> {
    const actor: Actor = { runId: `actor-${this.#number++}`, mode, lock: null, failed: null };
    const may = mayHold([...this.#queue, actor], this.#queue.length);
    const outcome = lockManager(this.#store).acquire(request(this.#resource, { runId: actor.runId, mode, limit, waitMs: wait ? 60_000 : 0 }));
    if (!wait) {
      const { held } = await outcome;
      expect(held, `${mode} enters at place ${this.#queue.length}`).toBe(may);
      if (!held) return;
    }
    this.#queue.push(actor);
    this.#pending.push(outcome.then((settled) => this.#entered(actor, settled)).catch((error: unknown) => this.#failed(actor, error)));
    await waitUntil(async () => (await lockManager(this.#store).queue(this.#resource)).some(({ runId }) => runId === actor.runId));
  }

  #entered(actor: Actor, outcome: LockOutcome): void {
    if (outcome.held) actor.lock = outcome.lock;
    else actor.failed = 'refused';
  }

  #failed(actor: Actor, error: unknown): void {
    actor.failed = error instanceof SyncError ? error.code : String(error);
  }

  /** A holder leaves or dies, a waiter can only die. */
  async #go(how: 'leave' | 'die', whom: number): Promise<void> {
    const actor = this.#queue[whom % Math.max(1, this.#queue.length)];
    if (actor === undefined) return;
    if (how === 'leave' && actor.lock !== null) await release(actor.lock);
    else await this.#kill(actor);
    this.#queue = this.#queue.filter((other) => other !== actor);
  }

  async #kill(actor: Actor): Promise<void> {
    const key = keys.queueEntry(this.#resource, actor.mode, actor.runId);
    const lease = (await this.#store.txn({ compare: [], success: [{ op: 'get', key }] })).results[0]?.[0]?.lease;
    if (lease === undefined) expect.fail(`${actor.runId} is not in the queue`);
    await this.#store.revoke(lease);
    if (actor.lock === null) await waitUntil(() => actor.failed === 'LOCK_LOST', { what: `${actor.runId} notices its death` });
    else await release(actor.lock);
  }

  /** All who may hold do so within a while, and nobody else. */
  async #settle(): Promise<void> {
    await waitUntil(() => this.#queue.every((actor, place) => actor.lock !== null || !mayHold(this.#queue, place)), { what: 'all who may hold do' });
    for (const [place, actor] of this.#queue.entries()) {
      expect(actor.failed).toBeNull();
      if (actor.lock !== null) expect(mayHold(this.#queue, place), `${actor.mode} holds at place ${place}`).toBe(true);
    }
    const fences = this.#queue.flatMap(({ lock }) => (lock === null ? [] : [lock.fence]));
    expect(fences).toEqual(fences.toSorted((a, b) => (a < b ? -1 : 1)));
  }
}

export function modelSuite(make: () => StoreUnderTest): void {
  describe('locks against a model', () => {
    it('admits exactly those whom the model admits', { timeout: 120_000 }, async () => {
      await using store = await make().open();
      const property = fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const run = new Run(store);
        for (const each of steps) await run.take(each);
        await run.end();
      });
      await fc.assert(property, { numRuns: 15, endOnFailure: true });
    });
  });
}
