/** Tools from PyPI, each set of them in a Python environment of its own under the cache. */
import { join } from 'node:path';
import { aptInstall } from './apt.ts';
import { cached } from './cache.ts';
import { findProgram, runTool } from './programs.ts';

/** For Python programs that get the test run's own environment: compiled code is kept beside its source, also where that environment says otherwise. cfn-lint then starts in a quarter of the time. */
export const pythonEnvironment = { PYTHONDONTWRITEBYTECODE: '' } as const;

/** Folder of the environment's programs. Rejects where neither Python nor the packages can be had. */
export async function pythonTools(name: string, packages: readonly string[]): Promise<string> {
  const make = () =>
    cached(name, async (folder) => {
      const system = findProgram('python3');
      if (system === undefined) throw new Error('no python3 on this machine');
      await runTool(system, ['-m', 'venv', folder]);
      await runTool(join(folder, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--no-compile', '--disable-pip-version-check', ...packages]);
    });
  try {
    return join(await make(), 'bin');
  } catch (error) {
    // Debian's python3 comes without what `venv` needs.
    const refusal = await aptInstall('python3', 'python3-venv');
    if (refusal !== undefined) throw new Error(`${refusal}; ${error instanceof Error ? error.message : error}`, { cause: error });
    return join(await make(), 'bin');
  }
}
