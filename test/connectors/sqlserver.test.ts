import { describeDestination } from '../conformance/destination.ts';
import { describeSource } from '../conformance/source.ts';
import { describeWith } from '../support/servers.ts';
import { sqlserverHarness } from './sqlserver-harness.ts';

await describeWith(['sqlserver'], 'SQL Server', () => {
  describeSource('sqlserver', sqlserverHarness);
  describeDestination('sqlserver', sqlserverHarness);
});
