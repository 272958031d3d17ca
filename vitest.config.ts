import { defineConfig } from 'vitest/config';
import { compiledFolder } from './test/support/harness/compiled-code.ts';
import { ServersReporter } from './test/support/harness/reporter.ts';
import { LongFirst } from './test/support/harness/sequencer.ts';

// Workers, and the hundreds of processes that the tests start and kill, take compiled code from here: two thirds of the time that such a process needs to begin.
process.env.NODE_COMPILE_CACHE ??= compiledFolder;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '.cache/**', 'dist/**'],
    pool: 'forks',
    // More than the two cores of a hosted runner: half of a test's time is a wait for a lease to end or a server to answer.
    maxWorkers: 5,
    sequence: { sequencer: LongFirst },
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 60_000,
    globalSetup: ['test/support/harness/global-setup.ts'],
    reporters: ['default', new ServersReporter()],
  },
});
