import { SyncError } from '../errors.ts';
import type { KvStore } from './kv.ts';
import { isUnanswered, whenAnswered } from './retry.ts';
import { throwIfCancelled } from './wait.ts';

/** Node's timers fire at once beyond this. */
const longestTimerMs = 2 ** 31 - 1;

/**
 * A lease that is renewed each TTL/4 by a timer that keeps no process alive, until `stop`. It counts as valid from before the call that granted or renewed it was sent, less a margin, and by both clocks: the
 * monotonic one, which nobody sets, and the wall clock, which goes on while a machine is suspended.
 */
export class Lease {
  readonly id: string;
  readonly lost: AbortSignal;
  readonly #store: KvStore;
  readonly #ttlMs: number;
  readonly #marginMs: number;
  readonly #loss = new AbortController();
  readonly #stopped = new AbortController();
  #validFrom: Moment;
  #renewing: Promise<void> | null = null;
  #renewTimer: NodeJS.Timeout | undefined;
  #expiryTimer: NodeJS.Timeout | undefined;
  #lastFailure: unknown = null;

  private constructor(store: KvStore, id: string, { ttlSeconds, sent }: { ttlSeconds: number; sent: Moment }) {
    this.#store = store;
    this.id = id;
    this.lost = this.#loss.signal;
    this.#ttlMs = ttlSeconds * 1000;
    this.#marginMs = Math.min(2_000, this.#ttlMs / 8);
    this.#validFrom = sent;
    this.#watchExpiry();
    this.#scheduleRenewal(this.#ttlMs / 4);
  }

  /** A grant without an answer may leave a lease that nobody renews: the store ends it if it can, else it ends by itself. */
  static async grant(store: KvStore, ttlSeconds: number, signal?: AbortSignal): Promise<Lease> {
    return whenAnswered(async () => {
      const sent = present();
      return new Lease(store, await store.grant(ttlSeconds, signal), { ttlSeconds, sent });
    }, signal && { signal });
  }

  /** Milliseconds since the epoch. */
  get validUntil(): number {
    return Math.floor(Date.now() + this.#remainingMs());
  }

  /** Renews at once; joins a renewal that is under way. Throws LOCK_LOST where the lease is gone, and the store's own error where it gave no answer. */
  async renew(): Promise<void> {
    throwIfCancelled(this.lost);
    if (this.#stopped.signal.aborted) throw new SyncError('LOCK_LOST', 'The lock has been released.');
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = null;
    });
    await this.#renewing;
  }

  /** No timer and no renewal is alive afterwards; the lease itself is left to the caller. */
  async stop(): Promise<void> {
    clearTimeout(this.#renewTimer);
    clearTimeout(this.#expiryTimer);
    this.#stopped.abort();
    await this.#renewing?.catch(() => undefined); // it was cancelled just now
  }

  /** Stops and revokes. Where the store does not answer, the lease ends by itself within its TTL, so that is no error. */
  async end(): Promise<void> {
    await this.stop();
    try {
      await whenAnswered(() => this.#store.revoke(this.id), { retries: 1 });
    } catch (error) {
      if (!isUnanswered(error)) throw error;
    }
  }

  lose(reason: string, cause: unknown = null): void {
    clearTimeout(this.#renewTimer);
    clearTimeout(this.#expiryTimer);
    this.#loss.abort(new SyncError('LOCK_LOST', reason, { retry: 'now', cause }));
  }

  async #renewOnce(): Promise<void> {
    const sent = present();
    const seconds = await this.#store.keepAlive(this.id, this.#stopped.signal);
    if (seconds === 0) {
      this.lose(`The lease in ${this.#store.name} has ended: the process stood still or was cut off for longer than ${this.#ttlMs / 1000} s.`);
      throwIfCancelled(this.lost);
    }
    this.#validFrom = sent;
    this.#lastFailure = null;
    this.#watchExpiry();
  }

  #scheduleRenewal(milliseconds: number): void {
    if (this.lost.aborted || this.#stopped.signal.aborted) return;
    this.#renewTimer = setTimeout(() => void this.#renewInBackground(), milliseconds).unref();
  }

  async #renewInBackground(): Promise<void> {
    try {
      await this.renew();
      this.#scheduleRenewal(this.#ttlMs / 4);
    } catch (error) {
      // Told with the loss, if it comes to that: there is time for more attempts.
      this.#lastFailure = error;
      this.#scheduleRenewal(Math.min(1_000, this.#ttlMs / 16));
    }
  }

  #watchExpiry(): void {
    clearTimeout(this.#expiryTimer);
    if (this.lost.aborted || this.#stopped.signal.aborted) return;
    this.#expiryTimer = setTimeout(
      () => {
        if (this.#remainingMs() > 0) return this.#watchExpiry();
        const why = this.#lastFailure instanceof Error ? ` The last attempt: ${this.#lastFailure.message}` : '';
        this.lose(`The lease in ${this.#store.name} could not be renewed within its ${this.#ttlMs / 1000} s.${why}`, this.#lastFailure);
      },
      Math.min(longestTimerMs, Math.max(1, Math.ceil(this.#remainingMs()))),
    ).unref();
  }

  #remainingMs(): number {
    const now = present();
    const elapsed = Math.max(now.monotonic - this.#validFrom.monotonic, now.wall - this.#validFrom.wall);
    return this.#ttlMs - this.#marginMs - elapsed;
  }
}

interface Moment {
  readonly monotonic: number;
  readonly wall: number;
}

function present(): Moment {
  return { monotonic: performance.now(), wall: Date.now() };
}
