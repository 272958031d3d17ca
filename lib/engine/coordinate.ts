/** One tick of the coordinator: lead, plan what is due, hand it over. See the protocol's "Coordinator". */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import type { SyncDefinition } from '../config/definition.ts';
import type { HeldLock } from '../coordination/contract.ts';
import type { Coordination } from '../coordination/coordination.ts';
import type { DueSlot, OutboxEntry } from '../coordination/schedule.ts';
import type { Dispatcher, Job } from '../dispatch/dispatcher.ts';
import { type ErrorCode, SyncError } from '../errors.ts';
import { dueSlot } from './due.ts';

export interface CoordinateDeps {
  readonly coordination: Coordination;
  readonly dispatcher: Dispatcher;
  /** Asked of the leader alone. */
  syncs(): Promise<readonly SyncDefinition[]>;
}

export interface CoordinateOptions {
  /** Aborts when the time nears its end: what is planned by then stays in the outbox for the next tick. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch; the clock's where it is left out. */
  readonly now?: number;
}

export interface CoordinatorReport {
  readonly runId: string;
  readonly role: 'leader' | 'follower';
  /** Who leads; null where it is this run. */
  readonly leader: string | null;
  /** Enabled syncs with a schedule. */
  readonly scheduled: number;
  /** Syncs that became due and were planned now. */
  readonly planned: number;
  readonly sent: number;
  /** Requests that a newer one of the same sync has replaced. */
  readonly superseded: number;
  /** Requests that stay in the outbox, by the first reason of each kind. */
  readonly unsent: readonly { readonly code: ErrorCode; readonly message: string; readonly count: number }[];
  readonly durationMs: number;
}

const leaderTtlSeconds = 20;
/** Requests that are handed over and then taken from the outbox together; a leader that dies in between leaves at most so many to be sent twice. */
const sendBatch = 500;

const count = z.int().min(0);
const optionalCount = count.exactOptional();
const text = z.string();
const optionalText = text.exactOptional();

/** As `plan` wrote it, or the run that put it back. */
const storedJob = text
  .transform((json, context): unknown => {
    try {
      return JSON.parse(json);
    } catch {
      context.addIssue({ code: 'custom', message: 'is not JSON' });
      return z.NEVER;
    }
  })
  .pipe(
    z.object({
      sync: text,
      shard: optionalText,
      slot: count,
      tick: optionalText,
      hop: optionalCount,
      chain: optionalText,
      stalled: optionalCount,
    }),
  );
type StoredJob = z.infer<typeof storedJob>;

interface Request {
  readonly entry: OutboxEntry;
  readonly job: StoredJob;
}

/** Plans and sends, or says who leads. Throws what the store throws, and `LOCK_LOST` where another leads meanwhile. */
export async function coordinate(deps: CoordinateDeps, { signal, now }: CoordinateOptions): Promise<CoordinatorReport> {
  const startedAt = Date.now();
  const runId = randomUUID();
  const outcome = await deps.coordination.leader.campaign({ runId, ttlSeconds: leaderTtlSeconds }, signal);
  if (!outcome.held) {
    const nothing = { scheduled: 0, planned: 0, sent: 0, superseded: 0, unsent: [] };
    return { runId, role: 'follower', leader: outcome.holders[0] ?? 'unknown', ...nothing, durationMs: Date.now() - startedAt };
  }
  await using leader = outcome.lock;
  const until = AbortSignal.any([signal, leader.lost]);
  const syncs = (await deps.syncs()).filter(({ enabled, schedule }) => enabled && schedule !== null);
  const planned = await plan(deps, { syncs, leader, now: now ?? startedAt, tick: runId, until });
  const sending = await send(deps, until);
  return { runId, role: 'leader', leader: null, scheduled: syncs.length, planned: planned.length, ...sending, durationMs: Date.now() - startedAt };
}

interface Planning {
  readonly syncs: readonly SyncDefinition[];
  readonly leader: HeldLock;
  readonly now: number;
  readonly tick: string;
  readonly until: AbortSignal;
}

async function plan({ coordination }: CoordinateDeps, { syncs, leader, now, tick, until }: Planning): Promise<string[]> {
  const planned = await coordination.schedule.planned(until);
  const due = syncs.flatMap(({ name, schedule }): DueSlot[] => {
    const last = planned.get(name);
    const slot = dueSlot(schedule, { now, planned: last?.slot ?? null });
    if (slot === null) return [];
    const job: Job = { sync: name, slot, tick };
    return [{ sync: name, slot, body: JSON.stringify(job), expected: last?.revision ?? 0n }];
  });
  return coordination.schedule.plan(leader, due, until);
}

type Sending = Pick<CoordinatorReport, 'sent' | 'superseded' | 'unsent'>;

/** Everything in the outbox, what an earlier leader left there included. Of several requests of one sync only the newest has an effect, so only that one is sent. */
async function send({ coordination, dispatcher }: CoordinateDeps, until: AbortSignal): Promise<Sending> {
  const failures: SyncError[] = [];
  const requests = (await coordination.schedule.outbox(until)).flatMap((entry): Request[] => {
    const job = parseJob(entry);
    if (!(job instanceof SyncError)) return [{ entry, job }];
    failures.push(job);
    return [];
  });
  const newest = newestOf(requests);
  const kept = new Set(newest);
  const superseded = requests.filter((request) => !kept.has(request)).map(({ entry }) => entry);
  if (superseded.length > 0) await coordination.schedule.sent(superseded, until);
  let sent = 0;
  for (let first = 0; first < newest.length; first += sendBatch) {
    const batch = newest.slice(first, first + sendBatch);
    const results = await dispatcher.dispatch(
      batch.map(({ job }) => job),
      until,
    );
    const done = batch.filter((_, index) => results[index]?.error === null).map(({ entry }) => entry);
    if (done.length > 0) await coordination.schedule.sent(done, until);
    sent += done.length;
    failures.push(...results.flatMap(({ error }) => error ?? []));
  }
  return { sent, superseded: superseded.length, unsent: grouped(failures) };
}

/** By the slot and the link that are asked for: the key of a request that was put back tells when that was, which may be after a newer slot. */
function newestOf(requests: readonly Request[]): Request[] {
  const newest = new Map<string, Request>();
  for (const request of requests) {
    const { sync, shard = '0', slot, hop = 0 } = request.job;
    const of = JSON.stringify([sync, shard]);
    const known = newest.get(of)?.job;
    if (known === undefined || slot > known.slot || (slot === known.slot && hop >= (known.hop ?? 0))) newest.set(of, request);
  }
  return [...newest.values()];
}

/** What cannot be read is told, and keeps no other sync from its run. */
function parseJob({ key, body }: OutboxEntry): StoredJob | SyncError {
  const parsed = storedJob.safeParse(body);
  if (parsed.success) return parsed.data;
  return new SyncError('STORE_REWOUND', `${key} holds no request: another program wrote it. Delete it, and the next slot is planned anew.`, {
    cause: parsed.error,
  });
}

function grouped(failures: readonly SyncError[]): CoordinatorReport['unsent'] {
  const groups = Map.groupBy(failures, ({ code }) => code);
  return [...groups].map(([code, errors]) => ({ code, message: errors[0]?.message ?? code, count: errors.length }));
}
