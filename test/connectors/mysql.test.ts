import { describeDestination } from '../conformance/destination.ts';
import { describeSource } from '../conformance/source.ts';
import { mysqlHarness } from './mysql-harness.ts';

describeSource('mysql', mysqlHarness);
describeDestination('mysql', mysqlHarness);
