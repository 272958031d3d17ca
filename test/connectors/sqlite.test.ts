import { describeDestination } from '../conformance/destination.ts';
import { describeSource } from '../conformance/source.ts';
import { sqliteHarness } from './sqlite-harness.ts';

describeSource('sqlite', sqliteHarness);
describeDestination('sqlite', sqliteHarness);
