import { describe, expect, it } from 'vitest';
import type { Job } from '../../lib/dispatch/dispatcher.ts';
import { createInProcessDispatcher } from '../../lib/dispatch/in-process.ts';

const jobs = (count: number): Job[] => Array.from({ length: count }, (_, index) => ({ sync: `sync-${index}` }));

describe('in-process dispatcher', () => {
  it('runs every job, never more at once than asked, and disposal waits for them', async () => {
    const ran: string[] = [];
    let underWay = 0;
    let most = 0;
    const dispatcher = createInProcessDispatcher({
      concurrency: 3,
      run: async ({ sync }) => {
        underWay += 1;
        most = Math.max(most, underWay);
        await new Promise((resolve) => setTimeout(resolve, 1));
        ran.push(sync);
        underWay -= 1;
      },
    });
    expect(await dispatcher.dispatch(jobs(20))).toEqual(jobs(20).map((job) => ({ job, error: null })));
    await dispatcher[Symbol.asyncDispose]();
    expect(ran.sort()).toEqual(
      jobs(20)
        .map(({ sync }) => sync)
        .sort(),
    );
    expect(most).toBe(3);
  });

  it('takes jobs that running jobs dispatch', async () => {
    const ran: (number | undefined)[] = [];
    const dispatcher = createInProcessDispatcher({
      concurrency: 1,
      run: async ({ sync, hop = 0 }) => {
        ran.push(hop);
        if (hop < 4) await dispatcher.dispatch([{ sync, hop: hop + 1 }]);
      },
    });
    await dispatcher.dispatch(jobs(1));
    await dispatcher[Symbol.asyncDispose]();
    expect(ran).toEqual([0, 1, 2, 3, 4]);
  });

  it('goes on after a job that breaks off, and tells of it at the end', async () => {
    const ran: string[] = [];
    const dispatcher = createInProcessDispatcher({
      concurrency: 1,
      run: async ({ sync }) => {
        if (sync === 'sync-0') throw new Error('broke off');
        ran.push(sync);
      },
    });
    await dispatcher.dispatch(jobs(3));
    await expect(dispatcher[Symbol.asyncDispose]()).rejects.toThrow('1 of the runs');
    expect(ran).toEqual(['sync-1', 'sync-2']);
  });
});
