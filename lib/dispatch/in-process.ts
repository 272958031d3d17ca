import type { Dispatcher, DispatchResult, Job } from './dispatcher.ts';

export interface InProcessOptions {
  /** Runs one job. A rejection reaches whoever disposes of the dispatcher. */
  readonly run: (job: Job) => Promise<void>;
  /** Jobs under way at once. */
  readonly concurrency: number;
}

/** Runs jobs in this process, in the order they came. `dispatch` returns when they are taken, as a bus does; disposal waits until all have run. */
export function createInProcessDispatcher({ run, concurrency }: InProcessOptions): Dispatcher {
  const waiting: Job[] = [];
  const failures: unknown[] = [];
  const workers = new Set<Promise<void>>();
  let active = 0;

  async function work(): Promise<void> {
    active += 1;
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
      try {
        await run(job);
      } catch (error) {
        failures.push(error);
      }
    }
    // In the same turn as the look at the queue: a job that comes later finds the place free.
    active -= 1;
  }

  function start(): void {
    const worker: Promise<void> = work().finally(() => workers.delete(worker));
    workers.add(worker);
  }

  return {
    async dispatch(jobs): Promise<readonly DispatchResult[]> {
      waiting.push(...jobs);
      while (active < concurrency && waiting.length > 0) start();
      return jobs.map((job) => ({ job, error: null }));
    },
    async [Symbol.asyncDispose]() {
      // Jobs may dispatch others (continuations), so that new workers can appear while these are awaited.
      while (workers.size > 0) await Promise.all(workers);
      if (failures.length > 0) throw new AggregateError(failures, `${failures.length} of the runs in this process broke off`);
    },
  };
}
