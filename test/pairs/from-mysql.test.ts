import { pairsFrom } from './suite.ts';

await pairsFrom('mysql');
