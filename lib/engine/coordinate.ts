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

/** As `plan` wrote it. */
const storedJob = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue({ code: 'custom', message: 'is not JSON' });
      return z.NEVER;
    }
  })
  .pipe(z.object({ sync: z.string(), slot: z.number() }));

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
  const planned = await plan(deps, { syncs, leader, now: now ?? startedAt, until });
  const sending = await send(deps, until);
  return { runId, role: 'leader', leader: null, scheduled: syncs.length, planned: planned.length, ...sending, durationMs: Date.now() - startedAt };
}

interface Planning {
  readonly syncs: readonly SyncDefinition[];
  readonly leader: HeldLock;
  readonly now: number;
  readonly until: AbortSignal;
}

async function plan({ coordination }: CoordinateDeps, { syncs, leader, now, until }: Planning): Promise<string[]> {
  const planned = await coordination.schedule.planned(until);
  const due = syncs.flatMap(({ name, schedule }): DueSlot[] => {
    const last = planned.get(name);
    const slot = dueSlot(schedule, { now, planned: last?.slot ?? null });
    if (slot === null) return [];
    const job: Job = { sync: name, slot };
    return [{ sync: name, slot, body: JSON.stringify(job), expected: last?.revision ?? 0n }];
  });
  return coordination.schedule.plan(leader, due, until);
}

type Sending = Pick<CoordinatorReport, 'sent' | 'superseded' | 'unsent'>;

/** Everything in the outbox, what an earlier leader left there included. Of several requests of one sync only the newest has an effect, so only that one is sent. */
async function send({ coordination, dispatcher }: CoordinateDeps, until: AbortSignal): Promise<Sending> {
  const outbox = await coordination.schedule.outbox(until);
  const newest = new Map(outbox.map((entry) => [entry.sync, entry]));
  const superseded = outbox.filter((entry) => newest.get(entry.sync) !== entry);
  if (superseded.length > 0) await coordination.schedule.sent(superseded, until);
  const failures: SyncError[] = [];
  let sent = 0;
  const entries = [...newest.values()];
  for (let first = 0; first < entries.length; first += sendBatch) {
    const readable = entries.slice(first, first + sendBatch).flatMap((entry) => {
      const job = parseJob(entry);
      if (!(job instanceof SyncError)) return { entry, job };
      failures.push(job);
      return [];
    });
    const results = await dispatcher.dispatch(
      readable.map(({ job }) => job),
      until,
    );
    const done = readable.filter((_, index) => results[index]?.error === null).map(({ entry }) => entry);
    if (done.length > 0) await coordination.schedule.sent(done, until);
    sent += done.length;
    failures.push(...results.flatMap(({ error }) => error ?? []));
  }
  return { sent, superseded: superseded.length, unsent: grouped(failures) };
}

/** What cannot be read is told, and keeps no other sync from its run. */
function parseJob({ key, body }: OutboxEntry): Job | SyncError {
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
