import { pairsFrom } from './suite.ts';

await pairsFrom('s3');
