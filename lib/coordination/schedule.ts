import { SyncError } from '../errors.ts';
import { commit, get, getAll, put, removeAll } from './calls.ts';
import type { HeldLock } from './contract.ts';
import { keys, lastName } from './keys.ts';
import type { Compare, KeyValue, KvStore, Op, TxnResult } from './kv.ts';

/** A compare, a put and a get for each slot, beside the leader's: half of etcd's 128 operations a transaction, with some left over. */
const slotsPerTxn = 60;

export interface DueSlot {
  readonly sync: string;
  /** The time that it stands for, in milliseconds since the epoch; each sync's slots only rise. */
  readonly slot: number;
  /** What the dispatcher is to send. */
  readonly body: string;
  /** Revision of the sync's last planned slot as `planned` gave it; 0 for none. */
  readonly expected: bigint;
}

export interface PlannedSlot {
  readonly slot: number;
  readonly revision: bigint;
}

export interface OutboxEntry {
  readonly key: string;
  readonly sync: string;
  readonly slot: number;
  readonly body: string;
}

/** Slots: planned by the leader, sent from the outbox, completed by the runs. */
export interface Schedule {
  /** The last planned slot of each sync that has one. */
  planned(signal?: AbortSignal): Promise<ReadonlyMap<string, PlannedSlot>>;
  /**
   * Plans each slot and puts it into the outbox, in one transaction that compares the leader's entry and the sync's last slot. Returns the syncs whose slot was planned; the others were moved by
   * somebody else meanwhile. Throws LOCK_LOST where the leader's entry is gone; what was planned until then is in the outbox.
   */
  plan(leader: Pick<HeldLock, 'key' | 'fence'>, due: readonly DueSlot[], signal?: AbortSignal): Promise<string[]>;
  /** What is planned and not yet known to be sent, by sync and slot; what an earlier leader left over is among it. */
  outbox(signal?: AbortSignal): Promise<OutboxEntry[]>;
  /** Puts a request back for the leader's next tick: its sync could not run because somebody else held a lock that it needs. */
  pend(sync: string, body: string): Promise<void>;
  /** Takes entries that were sent out of the outbox. */
  sent(entries: readonly Pick<OutboxEntry, 'key'>[], signal?: AbortSignal): Promise<void>;
  /** The last completed slot; a run drops a slot that is not newer. */
  completed(sync: string, shard: string): Promise<number | null>;
  /** Never goes back. Throws LOCK_LOST where the run's entry is gone. */
  complete(sync: string, shard: string, done: { readonly slot: number; readonly lock: Pick<HeldLock, 'key' | 'fence'> }): Promise<void>;
}

export function scheduleStore(store: KvStore): Schedule {
  return {
    async planned(signal) {
      const found = await getAll(store, keys.schedules, signal && { signal });
      return new Map(found.map((schedule) => [lastName(schedule.key), { slot: parseSlot(schedule).slot, revision: schedule.modRevision }]));
    },
    async plan(leader, due, signal) {
      const planned: string[] = [];
      for (let first = 0; first < due.length; first += slotsPerTxn) {
        planned.push(...(await planSome(store, due.slice(first, first + slotsPerTxn), { leader, ...(signal && { signal }) })));
      }
      return planned;
    },
    async outbox(signal) {
      return (await getAll(store, keys.outboxes, signal && { signal })).map(parseOutbox);
    },
    async pend(sync, body) {
      // Under the time, not the slot: the leader may be taking the entry of the slot out at this moment
      await put(store, keys.outbox(sync, Date.now()), body);
    },
    sent: (entries, signal) =>
      removeAll(
        store,
        entries.map(({ key }) => key),
        signal && { signal },
      ),
    async completed(sync, shard) {
      const found = await get(store, keys.completed(sync, shard));
      return found === null ? null : parseSlot(found).slot;
    },
    async complete(sync, shard, { slot, lock }) {
      const key = keys.completed(sync, shard);
      for (;;) {
        const found = await get(store, key);
        if (found !== null && parseSlot(found).slot >= slot) return;
        const unmoved: Compare = { key, target: 'mod', equals: found?.modRevision ?? 0n };
        const result = await commit(store, {
          compare: [ownership(lock), unmoved],
          success: [{ op: 'put', key, value: slotValue(slot, lock.fence) }],
          failure: [{ op: 'get', key: lock.key }],
        });
        if (result.succeeded) return;
        refuseLost(result.results[0]?.[0], { lock, what: `The lock of ${sync}` });
      }
    },
  };
}

interface Planning {
  readonly leader: Pick<HeldLock, 'key' | 'fence'>;
  readonly signal?: AbortSignal;
}

/** All in one transaction; where one of them has moved, that one is left out and the rest is tried again. */
async function planSome(store: KvStore, due: readonly DueSlot[], { leader, signal }: Planning): Promise<string[]> {
  const planned: string[] = [];
  let open = [...due];
  while (open.length > 0) {
    const result = await commit(
      store,
      { compare: [ownership(leader), ...open.map(unmovedSince)], success: open.flatMap((slot) => writes(slot, leader.fence)), failure: reads(open, leader) },
      signal && { signal },
    );
    if (result.succeeded) return [...planned, ...open.map(({ sync }) => sync)];
    refuseLost(result.results[0]?.[0], { lock: leader, what: 'The leadership' });
    const still = open.filter(({ expected }, index) => (scheduleAt(result, index)?.modRevision ?? 0n) === expected);
    // The leader's own earlier attempt, its reply lost.
    planned.push(...open.filter(({ slot }, index) => scheduleAt(result, index)?.value === slotValue(slot, leader.fence)).map(({ sync }) => sync));
    open = still;
  }
  return planned;
}

function ownership({ key, fence }: Pick<HeldLock, 'key' | 'fence'>): Compare {
  return { key, target: 'create', equals: fence };
}

function unmovedSince({ sync, expected }: DueSlot): Compare {
  return { key: keys.schedule(sync), target: 'mod', equals: expected };
}

function writes({ sync, slot, body }: DueSlot, fence: bigint): Op[] {
  return [
    { op: 'put', key: keys.schedule(sync), value: slotValue(slot, fence) },
    { op: 'put', key: keys.outbox(sync, slot), value: body },
  ];
}

function reads(due: readonly DueSlot[], { key }: Pick<HeldLock, 'key'>): Op[] {
  return [{ op: 'get', key }, ...due.map(({ sync }): Op => ({ op: 'get', key: keys.schedule(sync) }))];
}

function scheduleAt({ results }: TxnResult, index: number): KeyValue | undefined {
  return results[index + 1]?.[0];
}

function refuseLost(holder: KeyValue | undefined, { lock, what }: { lock: Pick<HeldLock, 'fence'>; what: string }): void {
  if (holder?.createRevision === lock.fence) return;
  throw new SyncError('LOCK_LOST', `${what} is gone: its lease has ended, and another may go on in its place.`, { retry: 'now' });
}

/** `by`: the fence of who wrote it, so that a lost reply can be told from another's write. */
function slotValue(slot: number, by: bigint): string {
  return JSON.stringify({ slot, by: String(by) });
}

function parseSlot({ key, value }: KeyValue): { readonly slot: number } {
  const slot = /^\{"slot":(\d+),/.exec(value)?.[1];
  if (slot === undefined) throw new SyncError('STORE_REWOUND', `${key} holds no slot: another program wrote it. Delete it, and the sync is due at once.`);
  return { slot: Number(slot) };
}

function parseOutbox({ key, value }: KeyValue): OutboxEntry {
  const sync = lastName(key.slice(0, key.lastIndexOf('/')));
  return { key, sync, slot: Number(lastName(key)), body: value };
}
