import { killSuite } from './kill-suite.ts';

await killSuite('postgres');
