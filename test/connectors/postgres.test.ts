import { describeDestination } from '../conformance/destination.ts';
import { describeSource } from '../conformance/source.ts';
import { postgresHarness } from './postgres-harness.ts';

describeSource('postgres', postgresHarness);
describeDestination('postgres', postgresHarness);
