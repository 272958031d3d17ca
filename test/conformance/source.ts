/** What every source has to do. A connector's own test file calls `describeSource` with a way to make its harness. */
import type { MakeHarness } from './harness.ts';
import { sourceCursors } from './source-cursors.ts';
import { sourceLimits } from './source-limits.ts';
import { sourceModes } from './source-modes.ts';
import { sourceRefusals } from './source-refusals.ts';
import { sourceValues } from './source-values.ts';
import { describeSuites, type Left } from './suites.ts';

const suites = {
  'schema and modes': sourceModes,
  cursors: sourceCursors,
  limits: sourceLimits,
  refusals: sourceRefusals,
  values: sourceValues,
} as const;

export function describeSource(system: string, make: MakeHarness, left: Left<keyof typeof suites> = {}): void {
  describeSuites(`${system} as a source`, make, { suites, ...left });
}
