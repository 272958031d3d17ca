import { afterAll, beforeAll, describe } from 'vitest';
import type { Harness, MakeHarness } from './harness.ts';

export type Suite = (get: () => Harness) => void;

/** Which suites of a list do not fit a connector; the reason stands in its README. */
export interface Left<Name extends string> {
  readonly without?: readonly Name[];
}

/** Runs suites one after the other on one harness. */
export function describeSuites<Name extends string>(
  title: string,
  make: MakeHarness,
  about: Left<Name> & { readonly suites: Readonly<Record<Name, Suite>> },
): void {
  const { suites, without = [] } = about;
  describe(title, () => {
    let harness: Harness | undefined;
    const get = (): Harness => {
      if (harness === undefined) throw new Error('the harness is not there yet');
      return harness;
    };
    beforeAll(async () => {
      harness = await make();
    });
    afterAll(async () => harness?.[Symbol.asyncDispose]());
    for (const [name, suite] of Object.entries<Suite>(suites)) if (!without.some((left) => left === name)) describe(name, () => suite(get));
  });
}
