/** One suite that every coordination store runs. `make` is called in hooks, after the test file's own `beforeAll`. */
import { checkpointSuite } from './coordination-checkpoints.ts';
import { kvSuite } from './coordination-kv.ts';
import { lockSuite } from './coordination-locks.ts';
import { modelSuite } from './coordination-model.ts';
import { processSuite } from './coordination-processes.ts';
import { scheduleSuite } from './coordination-schedule.ts';
import type { StoreUnderTest } from './coordination-support.ts';

export function coordinationSuite(make: () => StoreUnderTest): void {
  kvSuite(make);
  lockSuite(make);
  checkpointSuite(make);
  scheduleSuite(make);
  modelSuite(make);
  processSuite(make);
}
