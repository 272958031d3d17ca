import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { cacheFolder } from '../support/servers/cache.ts';
import { type Exit, spawnIdra } from '../support/spawn-idra.ts';

const support = fileURLToPath(new URL('../support/', import.meta.url));
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));

const config = `
import { ServersReporter } from ${JSON.stringify(join(support, 'harness/reporter.ts'))};
export default { test: { include: ['*.case.ts'], globalSetup: [${JSON.stringify(join(support, 'harness/global-setup.ts'))}], reporters: ['default', new ServersReporter()] } };
`;

/** A whole run of the test runner over files of its own, with no server to be had but SQLite's and one that is named and does not answer. */
async function run(files: Record<string, string>, env: Record<string, string> = {}): Promise<Exit & { output: string[] }> {
  await mkdir(cacheFolder, { recursive: true });
  const folder = await mkdtemp(join(cacheFolder, 'run-'));
  try {
    await writeFile(join(folder, 'vitest.config.ts'), config);
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await using idra = spawnIdra(vitest, { arguments: ['run'], cwd: folder, env: { TEST_REQUIRE: '', TEST_ETCD_HOSTS: '127.0.0.1:1', NO_COLOR: '1', ...env } });
    const exit = await idra.exited;
    return { ...exit, output: [...idra.stdout, ...idra.stderr] };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const needsEtcd = `
import { expect, it } from 'vitest';
import { describeWith } from ${JSON.stringify(join(support, 'servers.ts'))};
await describeWith(['sqlite'], 'has', () => { it('runs', () => expect(1).toBe(1)); });
await describeWith(['sqlite', 'etcd'], 'has not', ({ etcd }) => { it('does not run', () => expect(etcd).toBe(1)); });
`;

describe('a run of the tests', { timeout: 180_000 }, () => {
  it('tells its servers, why one is missing, and how many tests passed', async () => {
    const { code, output } = await run({ 'etcd.case.ts': needsEtcd });
    expect(output).toContain('1 passed, 0 failed, 1 skipped');
    expect(output).toContainEqual(expect.stringMatching(/^ {2}ran against SQLite 3\.\S+ \(sqlite, by program\)$/));
    expect(output).toContainEqual(expect.stringContaining('not run: etcd: TEST_ETCD_HOSTS is set, but the server does not answer'));
    expect(code).toBe(0);
  });

  it('fails where TEST_REQUIRE names what is missing', async () => {
    const { code, output } = await run({ 'etcd.case.ts': needsEtcd }, { TEST_REQUIRE: 'sqlite,etcd' });
    expect(output).toContain('  FAILED: TEST_REQUIRE names etcd, and the run did not have it');
    expect(output).toContain('1 passed, 1 failed, 1 skipped');
    expect(code).toBe(1);
  });

  it('counts a file that cannot be loaded, and a test that fails', async () => {
    const failing = `import { expect, it } from 'vitest'; it('a', () => expect(1).toBe(2)); it('b', () => expect(1).toBe(1)); it.todo('c');`;
    const { code, output } = await run({ 'broken.case.ts': `throw new Error('no');`, 'failing.case.ts': failing });
    expect(output).toContain('1 passed, 2 failed, 1 skipped');
    expect(code).toBe(1);
  });
});
