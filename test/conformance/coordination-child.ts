/** A process of its own at the coordination store, for tests that freeze and kill it. Arguments: the options as JSON, what to do, and with what. */
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { HeldLock } from '../../lib/coordination/contract.ts';
import { type Coordination, type CoordinationOptions, openCoordination } from '../../lib/coordination/coordination.ts';
import { toSyncError } from '../../lib/errors.ts';

const [options = '{}', task = '', ...parameters] = process.argv.slice(2);

async function acquire(coordination: Coordination, resource: string, { ttlSeconds, waitMs }: { ttlSeconds: number; waitMs: number }): Promise<HeldLock> {
  const outcome = await coordination.locks.acquire({ resource, mode: 'exclusive', waitMs, ttlSeconds, runId: randomUUID() });
  if (!outcome.held) throw new Error(`held by ${outcome.holders.join(', ')}`);
  return outcome.lock;
}

const tasks: Readonly<Record<string, (coordination: Coordination) => Promise<void>>> = {
  /** Holds and checkpoints until one is refused. With `freeze` it stops itself after the third, outside of any call: a process that is frozen with the state file in its hands holds up all others. */
  async hold(coordination) {
    const [resource = '', freeze] = parameters;
    const lock = await acquire(coordination, resource, { ttlSeconds: 2, waitMs: 20_000 });
    console.log(`held ${lock.fence}`);
    let expected = 0n;
    for (let seq = 1n; ; seq += 1n) {
      const checkpoint = { epoch: 0n, fence: lock.fence, seq, batchId: randomUUID(), cursor: String(process.pid), at: new Date().toISOString() };
      try {
        expected = await coordination.checkpoints.save(resource, '0', { checkpoint, expected, lock });
      } catch (error) {
        console.log(`refused ${toSyncError(error).code}`);
        // Timers that were due while the process stood still run now.
        await delay(50);
        console.log(`lost ${lock.lost.aborted}`);
        return;
      }
      if (seq === 3n && freeze === 'freeze') {
        console.log('freezing');
        process.kill(process.pid, 'SIGSTOP');
      }
      await delay(20);
    }
  },
  /** Raises the number in a file so many times, each time under the lock, with time between reading and writing. */
  async count(coordination) {
    const [resource = '', file = '', times = '0'] = parameters;
    for (let n = 0; n < Number(times); n++) {
      await using _lock = await acquire(coordination, resource, { ttlSeconds: 10, waitMs: 60_000 });
      const value = Number(await readFile(file, 'utf8'));
      await delay(2);
      await writeFile(file, String(value + 1));
    }
  },
  /** Takes a lock, releases it, closes the store: nothing may keep the process alive then. */
  async leave(coordination) {
    await using _lock = await acquire(coordination, parameters[0] ?? '', { ttlSeconds: 20, waitMs: 0 });
    await coordination.runs.list();
  },
};

{
  await using coordination = await openCoordination(JSON.parse(options) as CoordinationOptions);
  await tasks[task]?.(coordination);
}
console.log('done');
