import { describeDestination } from '../conformance/destination.ts';
import { describeSource } from '../conformance/source.ts';
import { describeWith } from '../support/servers.ts';
import { mongodbHarness } from './mongodb-harness.ts';

await describeWith(['mongodb'], 'mongodb', () => {
  describeSource('mongodb', mongodbHarness);
  describeDestination('mongodb', mongodbHarness);
});
