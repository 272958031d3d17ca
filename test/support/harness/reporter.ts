import type { Reporter, TestModule, Vitest } from 'vitest/node';
import { backends } from '../servers/recipe.ts';
import { ask, type Outcome } from './broker.ts';
import { missing, required } from './required.ts';

export interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** A file that could not be loaded has no tests, and still is a failure. */
export function count(modules: readonly TestModule[]): Counts {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  for (const module of modules) {
    const before = counts.failed;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state !== 'pending') counts[state] += 1;
    }
    if (module.state() === 'failed' && counts.failed === before) counts.failed += 1;
  }
  return counts;
}

/** One line for each backend: what it ran against, or why it could not be had. */
export function lines(outcomes: readonly Outcome[]): string[] {
  const had = outcomes.map((outcome) =>
    'version' in outcome ? `  ran against ${outcome.version} (${outcome.backend}, by ${outcome.way})` : `  not run: ${outcome.backend}: ${outcome.reason}`,
  );
  const unasked = backends.filter((backend) => !outcomes.some((outcome) => outcome.backend === backend));
  return unasked.length === 0 ? had : [...had, `  not asked for by these test files: ${unasked.join(', ')}`];
}

/** The last words of a run: the real servers, the backends that were not to be had, and one plain line of counts. */
export class ServersReporter implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  async onTestRunEnd(modules: readonly TestModule[], unhandled: readonly unknown[]): Promise<void> {
    const counts = count(modules);
    if (unhandled.length > 0) counts.failed += unhandled.length;
    const broker = this.#vitest?.projects.map((project) => project.getProvidedContext().broker).find((url) => url !== undefined);
    const wanted = required(process.env.TEST_REQUIRE);
    // One that no file asked for, and whose turn to start has not come, is had or missing only now.
    if (broker !== undefined) await Promise.all(wanted.map((backend) => ask<Outcome>(broker, backend)));
    const outcomes = broker === undefined ? [] : await ask<Outcome[]>(broker, 'outcomes');
    console.log(['', 'Servers', ...lines(outcomes)].join('\n'));
    for (const backend of missing(wanted, outcomes)) {
      console.log(`  FAILED: TEST_REQUIRE names ${backend}, and the run did not have it`);
      counts.failed += 1;
      process.exitCode = 1;
    }
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  }
}
