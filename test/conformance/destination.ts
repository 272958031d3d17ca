/** What every destination of tables has to do. A connector's own test file calls `describeDestination` with a way to make its harness. */
import { afterAll, beforeAll, describe } from 'vitest';
import { destinationFences } from './destination-fences.ts';
import { destinationLetters } from './destination-letters.ts';
import { destinationNames } from './destination-names.ts';
import { destinationPrepare } from './destination-prepare.ts';
import { destinationState } from './destination-state.ts';
import { destinationValues } from './destination-values.ts';
import { destinationWrites } from './destination-writes.ts';
import type { Harness, MakeHarness } from './harness.ts';

export function describeDestination(system: string, make: MakeHarness): void {
  describe(`${system} as a destination`, () => {
    let harness: Harness | undefined;
    const get = (): Harness => {
      if (harness === undefined) throw new Error('the harness is not there yet');
      return harness;
    };
    beforeAll(async () => {
      harness = await make();
    });
    afterAll(async () => harness?.[Symbol.asyncDispose]());
    describe('tables', () => destinationPrepare(get));
    describe('writes', () => destinationWrites(get));
    describe('state', () => destinationState(get));
    describe('fences', () => destinationFences(get));
    describe('dead letters', () => destinationLetters(get));
    describe('names', () => destinationNames(get));
    describe('values', () => destinationValues(get));
  });
}
