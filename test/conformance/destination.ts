/** What every destination has to do. A connector's own test file calls `describeDestination` with a way to make its harness. */
import { destinationFences } from './destination-fences.ts';
import { destinationLetters } from './destination-letters.ts';
import { destinationNames } from './destination-names.ts';
import { destinationPrepare } from './destination-prepare.ts';
import { destinationState } from './destination-state.ts';
import { destinationValues } from './destination-values.ts';
import { destinationWrites } from './destination-writes.ts';
import type { MakeHarness } from './harness.ts';
import { describeSuites, type Left } from './suites.ts';

const suites = {
  tables: destinationPrepare,
  writes: destinationWrites,
  state: destinationState,
  fences: destinationFences,
  'dead letters': destinationLetters,
  names: destinationNames,
  values: destinationValues,
} as const;

export function describeDestination(system: string, make: MakeHarness, left: Left<keyof typeof suites> = {}): void {
  describeSuites(`${system} as a destination`, make, { suites, ...left });
}
