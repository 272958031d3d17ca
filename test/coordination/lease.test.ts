/** A lease against clocks that are set. No server: the store is a few lines that answer as told. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { KvStore } from '../../lib/coordination/kv.ts';
import { Lease } from '../../lib/coordination/lease.ts';
import { codeOf, lost } from '../conformance/coordination-support.ts';

class ScriptedStore implements KvStore {
  readonly name = 'a store';
  keepAlives = 0;
  revoked: string[] = [];
  onKeepAlive: (signal?: AbortSignal) => number | Promise<number> = () => 4;

  txn(): Promise<never> {
    throw new Error('a lease makes no transactions');
  }

  async grant(): Promise<string> {
    return 'lease';
  }

  async keepAlive(_lease: string, signal?: AbortSignal): Promise<number> {
    this.keepAlives += 1;
    return this.onKeepAlive(signal);
  }

  async revoke(lease: string): Promise<void> {
    this.revoked.push(lease);
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const hour = 3_600_000;

describe('lease', () => {
  let lease: Lease;
  afterEach(async () => {
    vi.useRealTimers();
    await lease.end();
  });

  const grant = async (store: KvStore, ttlSeconds = 4): Promise<Lease> => {
    vi.useFakeTimers();
    lease = await Lease.grant(store, ttlSeconds);
    return lease;
  };

  it('renews each quarter of its TTL, and not after the end', async () => {
    const store = new ScriptedStore();
    await grant(store);
    await vi.advanceTimersByTimeAsync(4_100);
    expect(store.keepAlives).toBe(4);
    await lease.end();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(store.keepAlives).toBe(4);
    expect(store.revoked).toEqual(['lease']);
    expect(vi.getTimerCount()).toBe(0);
    expect(lease.lost.aborted).toBe(false);
  });

  it('is valid from before the renewal was sent, less a margin', async () => {
    const store = new ScriptedStore();
    await grant(store);
    store.onKeepAlive = async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      return 4;
    };
    const sent = Date.now();
    const renewal = lease.renew();
    await vi.advanceTimersByTimeAsync(300);
    await renewal;
    expect(lease.validUntil).toBe(sent + 4_000 - 500);
  });

  it('is lost at the end of its validity where nothing renews it', async () => {
    const store = new ScriptedStore();
    store.onKeepAlive = () => lost();
    await grant(store);
    await vi.advanceTimersByTimeAsync(3_400);
    expect(lease.lost.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(150);
    expect(lease.lost.reason).toMatchObject({ code: 'LOCK_LOST', message: expect.stringContaining('the reply was lost') });
    expect(await codeOf(lease.renew())).toBe('LOCK_LOST');
  });

  it('is lost while a renewal hangs', async () => {
    const store = new ScriptedStore();
    store.onKeepAlive = (signal) => new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(new Error('cancelled'))));
    await grant(store);
    await vi.advanceTimersByTimeAsync(3_550);
    expect(lease.lost.aborted).toBe(true);
  });

  it('is not valid for longer because the wall clock was set back', async () => {
    const store = new ScriptedStore();
    store.onKeepAlive = () => lost();
    await grant(store);
    await vi.advanceTimersByTimeAsync(1_000);
    vi.setSystemTime(Date.now() - hour);
    expect(lease.validUntil - Date.now()).toBeLessThanOrEqual(2_500);
    await vi.advanceTimersByTimeAsync(2_600);
    expect(lease.lost.aborted).toBe(true);
  });

  it('is not taken for valid after a suspension that only the wall clock saw', async () => {
    const store = new ScriptedStore();
    await grant(store);
    vi.setSystemTime(Date.now() + hour);
    expect(lease.validUntil).toBeLessThan(Date.now());
  });

  it('is lost for good when the store says so', async () => {
    const store = new ScriptedStore();
    store.onKeepAlive = () => 0;
    await grant(store);
    await vi.advanceTimersByTimeAsync(1_050);
    expect(lease.lost.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(store.keepAlives).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('sends one renewal for two that are asked for at once', async () => {
    const store = new ScriptedStore();
    await grant(store);
    await Promise.all([lease.renew(), lease.renew()]);
    expect(store.keepAlives).toBe(1);
  });
});
