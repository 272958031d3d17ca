import { afterAll, beforeAll, describe } from 'vitest';
import { destinationFences } from '../conformance/destination-fences.ts';
import { destinationLetters } from '../conformance/destination-letters.ts';
import { destinationState } from '../conformance/destination-state.ts';
import { destinationValues } from '../conformance/destination-values.ts';
import { destinationWrites } from '../conformance/destination-writes.ts';
import { sourceLimits } from '../conformance/source-limits.ts';
import { sourceValues } from '../conformance/source-values.ts';
import { describeWith } from '../support/servers.ts';
import { type KafkaHarness, kafkaHarness } from './kafka-harness.ts';

/** The suites of tables that are left out, and why, stand in the connector's README. */
await describeWith(['kafka'], 'kafka', () => {
  let harness: KafkaHarness;
  beforeAll(async () => {
    harness = await kafkaHarness();
  });
  afterAll(() => harness[Symbol.asyncDispose]());
  const get = (): KafkaHarness => harness;
  describe('as a source', () => {
    describe('limits', () => sourceLimits(get));
    describe('values', () => sourceValues(get));
  });
  describe('as a destination', () => {
    describe('writes', () => destinationWrites(get));
    describe('state', () => destinationState(get));
    describe('fences', () => destinationFences(get));
    describe('dead letters', () => destinationLetters(get));
    describe('values', () => destinationValues(get));
  });
});
