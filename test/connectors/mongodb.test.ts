import { afterAll, beforeAll, describe } from 'vitest';
import { destinationFences } from '../conformance/destination-fences.ts';
import { destinationLetters } from '../conformance/destination-letters.ts';
import { destinationNames } from '../conformance/destination-names.ts';
import { destinationPrepare } from '../conformance/destination-prepare.ts';
import { destinationState } from '../conformance/destination-state.ts';
import { destinationValues } from '../conformance/destination-values.ts';
import { destinationWrites } from '../conformance/destination-writes.ts';
import { sourceCursors } from '../conformance/source-cursors.ts';
import { sourceLimits } from '../conformance/source-limits.ts';
import { sourceModes } from '../conformance/source-modes.ts';
import { sourceRefusals } from '../conformance/source-refusals.ts';
import { sourceValues } from '../conformance/source-values.ts';
import { describeWith } from '../support/servers.ts';
import { type MongodbHarness, mongodbHarness } from './mongodb-harness.ts';

await describeWith(['mongodb'], 'mongodb', () => {
  let harness: MongodbHarness | undefined;
  const get = (): MongodbHarness => {
    if (harness === undefined) throw new Error('the harness is not there yet');
    return harness;
  };
  beforeAll(async () => {
    harness = await mongodbHarness();
  });
  afterAll(async () => harness?.[Symbol.asyncDispose]());
  describe('as a source', () => {
    describe('modes', () => sourceModes(get));
    describe('cursors', () => sourceCursors(get));
    describe('limits', () => sourceLimits(get));
    describe('refusals', () => sourceRefusals(get));
    describe('values', () => sourceValues(get));
  });
  describe('as a destination', () => {
    describe('tables', () => destinationPrepare(get));
    describe('writes', () => destinationWrites(get));
    describe('state', () => destinationState(get));
    describe('fences', () => destinationFences(get));
    describe('dead letters', () => destinationLetters(get));
    describe('names', () => destinationNames(get));
    describe('values', () => destinationValues(get));
  });
});
