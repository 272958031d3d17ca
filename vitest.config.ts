import { defineConfig } from 'vitest/config';
import { ServersReporter } from './test/support/harness/reporter.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['**/node_modules/**', '.cache/**', 'dist/**'],
    pool: 'forks',
    // Two cores are what a hosted runner has, and the servers need their share.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 60_000,
    globalSetup: ['test/support/harness/global-setup.ts'],
    reporters: ['default', new ServersReporter()],
  },
});
