/** Code of ours to be run as a process of its own, bundled once for a run. See test/README.md. */
import { join } from 'node:path';
import { inject } from 'vitest';
import { ask } from './harness/broker.ts';
import type { Program } from './harness/bundles.ts';

/** File of a program for `spawnIdra`. */
export async function program(name: Program): Promise<string> {
  return join(await ask<string>(inject('broker'), 'programs'), `${name}.js`);
}

/** Folder of the functions as they are deployed: `sync/index.js` and `coordinator/index.js`. */
export function functionBundles(): Promise<string> {
  return ask<string>(inject('broker'), 'functions');
}
