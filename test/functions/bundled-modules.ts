/** Modules of packages as a bundle has them, beside what they are without it. */
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Metafile, Plugin } from 'esbuild';
import { bundle, root } from '../../tools/bundle/functions.ts';
import { hostArchitecture } from '../support/harness/bundles.ts';

const require = createRequire(import.meta.url);

export interface BundledModules<Name extends string> {
  readonly metafile: Metafile;
  /** What the module exports as a whole. */
  bundled<T>(name: Name): Promise<T>;
  original<T>(name: Name): T;
}

/** `entries`: a file under node_modules for each name. They are written to `outdir`. */
export async function bundledModules<Name extends string>(
  entries: Readonly<Record<Name, string>>,
  { outdir, plugins = [] }: { readonly outdir: string; readonly plugins?: Plugin[] },
): Promise<BundledModules<Name>> {
  const points = Object.fromEntries(Object.entries<string>(entries).map(([name, file]) => [name, `node_modules/${file}`]));
  const { files, metafile } = await bundle(points, { arch: hostArchitecture, outdir, plugins });
  for (const { path, contents } of files) await writeFile(path, contents);
  return {
    metafile,
    bundled: async <T>(name: Name) => ((await import(pathToFileURL(join(outdir, `${name}.js`)).href)) as { default: T }).default,
    original: <T>(name: Name) => require(join(root, 'node_modules', entries[name])) as T,
  };
}
