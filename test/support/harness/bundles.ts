/**
 * What the tests start as processes of their own, bundled by the same rules as the functions: there are hundreds of starts, and each would otherwise find, read and compile hundreds of files. Made when the first test file asks,
 * from the tree as it is then. It stays for the next run, with the code that Node has compiled of it.
 */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, readdir, rename, rm, utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Architecture, type Bundled, type BundledFile, bundle, bundleFunction, root } from '../../../tools/bundle/functions.ts';

/** Entry points, each with a name by which tests ask for it. */
const programs = { idra: 'lib/cli/idra.js', child: 'test/faults/child.ts', 'coordination-child': 'test/conformance/coordination-child.ts' } as const;
const functions = ['sync', 'coordinator'] as const;
export type Program = keyof typeof programs;

export const hostArchitecture: Architecture = process.arch === 'arm64' ? 'arm64' : 'x64';

const folder = path.join(root, '.cache/bundles');
const keptMs = 2 * 3_600_000;

async function removeOld(): Promise<void> {
  for (const name of await readdir(folder)) {
    const old = path.join(folder, name);
    // Another run may just have given its own the final name
    const found = statSync(old, { throwIfNoEntry: false });
    if (found !== undefined && found.mtimeMs < Date.now() - keptMs) await rm(old, { recursive: true, force: true });
  }
}

/** Its name says what is in it: a run whose tree is another one has another folder, and takes nothing from under processes that run. */
async function keep(files: readonly BundledFile[], outdir: string): Promise<string> {
  const hash = createHash('sha256');
  for (const { path: file, contents } of files) hash.update(`${path.relative(outdir, file)}\0${contents.length}\0`).update(contents);
  const kept = path.join(folder, hash.digest('hex').slice(0, 16));
  for (const { path: file, contents } of files) {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, contents);
  }
  try {
    await rename(outdir, kept);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && (error.code === 'ENOTEMPTY' || error.code === 'EEXIST'))) throw error;
    await rm(outdir, { recursive: true });
  }
  await utimes(kept, new Date(), new Date());
  await removeOld();
  return kept;
}

const made = (): string => path.join(folder, `made-by-${process.pid}-${performance.now()}`);

async function makePrograms(): Promise<string> {
  const outdir = made();
  const { files } = await bundle(programs, { arch: hostArchitecture, outdir });
  return keep(files, outdir);
}

async function makeFunctions(): Promise<string> {
  const outdir = made();
  const bundled: Bundled[] = [];
  for (const name of functions) bundled.push(await bundleFunction(name, hostArchitecture, path.join(outdir, name)));
  return keep(
    bundled.flatMap(({ files }) => files),
    outdir,
  );
}

/** What the broker of a run makes; each resolves with a folder. */
export const bundles = { programs: makePrograms, functions: makeFunctions } as const;
