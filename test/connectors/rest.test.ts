import { afterAll, beforeAll, describe } from 'vitest';
import { destinationValues } from '../conformance/destination-values.ts';
import type { Harness } from '../conformance/harness.ts';
import { sourceLimits } from '../conformance/source-limits.ts';
import { sourceValues } from '../conformance/source-values.ts';
import { restHarness } from './rest-harness.ts';

/** A service may give them as text in a field of fixed type; none is sent, since a number has no other form than JSON's. */
const notSent = {
  ...Object.fromEntries(['NaN', 'Infinity', '-Infinity', 'decimal NaN', 'decimal Infinity', 'decimal -Infinity'].map((name) => [name, 'no JSON number'])),
  'lone surrogate': 'UTF-8 has no surrogates',
};

/** The suites of tables that are left out, and why, stand in the connector's README. */
describe('rest', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await restHarness();
  });
  afterAll(() => harness[Symbol.asyncDispose]());
  const get = (): Harness => harness;
  describe('as a source', () => {
    describe('limits', () => sourceLimits(get));
    describe('values', () => sourceValues(get));
  });
  describe('as a destination', () => {
    describe('values', () => destinationValues(() => ({ ...harness, cannotHold: { ...harness.cannotHold, ...notSent } })));
  });
});
