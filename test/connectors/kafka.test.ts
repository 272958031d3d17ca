import { describeDestination } from '../conformance/destination.ts';
import { describeSource } from '../conformance/source.ts';
import { describeWith } from '../support/servers.ts';
import { kafkaHarness } from './kafka-harness.ts';

/** Why suites are left out stands in the connector's README. */
await describeWith(['kafka'], 'kafka', () => {
  describeSource('kafka', kafkaHarness, { without: ['schema and modes', 'cursors', 'refusals'] });
  describeDestination('kafka', kafkaHarness, { without: ['tables', 'names'] });
});
