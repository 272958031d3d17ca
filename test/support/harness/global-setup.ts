import type { TestProject } from 'vitest/node';
import { recipes } from '../servers/index.ts';
import { Broker } from './broker.ts';
import { bundles } from './bundles.ts';
import { removeOldCode } from './compiled-code.ts';
import { required } from './required.ts';

/** Runs once, in the test runner's process. Required servers start at once, one after the other so that the tests keep some of the processor; any other, and one
 * whose turn has not come, when a test file asks. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  removeOldCode();
  const wanted = required(process.env.TEST_REQUIRE);
  const broker = await Broker.listen(
    recipes,
    {
      env: process.env,
      onTry: (backend, way) => {
        if (way === 'package' || way === 'container') console.log(`test servers: no program for ${backend} here yet, trying a ${way}`);
      },
    },
    bundles,
  );
  project.provide('broker', broker.url);
  let ended = false;
  const startAhead = async () => {
    for (const backend of wanted) if (!ended) await broker.choice(backend);
  };
  void startAhead();
  return () => {
    ended = true;
    return broker[Symbol.asyncDispose]();
  };
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the workers ask for servers. */
    broker: string;
  }
}
