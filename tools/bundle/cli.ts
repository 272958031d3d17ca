/** The `idra` command: our own code bundled so that it starts quickly, packages left in node_modules where npm put them. */
import { chmod, rm } from 'node:fs/promises';
import path from 'node:path';
import { build, type Metafile } from 'esbuild';
import { root } from './functions.ts';
import { refuseWarnings } from './warnings.ts';

export async function buildCli(): Promise<Metafile> {
  await rm(path.join(root, 'dist/cli'), { recursive: true, force: true });
  const { metafile, warnings } = await build({
    absWorkingDir: root,
    entryPoints: { idra: 'lib/cli/idra.js' },
    outdir: 'dist/cli',
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node22',
    chunkNames: '[name]-[hash]',
    metafile: true,
    logLevel: 'silent',
  });
  refuseWarnings(warnings);
  await chmod(path.join(root, 'dist/cli/idra.js'), 0o755);
  return metafile;
}
