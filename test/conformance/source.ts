/** What every source of tables has to do. A connector's own test file calls `describeSource` with a way to make its harness. */
import { afterAll, beforeAll, describe } from 'vitest';
import type { Harness, MakeHarness } from './harness.ts';
import { sourceCursors } from './source-cursors.ts';
import { sourceLimits } from './source-limits.ts';
import { sourceModes } from './source-modes.ts';
import { sourceRefusals } from './source-refusals.ts';
import { sourceValues } from './source-values.ts';

export function describeSource(system: string, make: MakeHarness): void {
  describe(`${system} as a source`, () => {
    let harness: Harness | undefined;
    const get = (): Harness => {
      if (harness === undefined) throw new Error('the harness is not there yet');
      return harness;
    };
    beforeAll(async () => {
      harness = await make();
    });
    afterAll(async () => harness?.[Symbol.asyncDispose]());
    describe('schema and modes', () => sourceModes(get));
    describe('cursors', () => sourceCursors(get));
    describe('limits', () => sourceLimits(get));
    describe('refusals', () => sourceRefusals(get));
    describe('values', () => sourceValues(get));
  });
}
