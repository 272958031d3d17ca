/**
 * Code that is always loaded lies in one file. The bundler makes a file of each set of modules that the same entries need, and every driver is an entry, so that what a function starts with falls into
 * some fifteen pieces, each found, read and linked on its own. Where everything that is loaded later says that it needs the start as well, the start has one set, and one file. What connectors have in common
 * is one file likewise, since each of them says that it needs all of it.
 */
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Plugin } from 'esbuild';

/** Our own modules, and the packages that share code with what a function starts with. Asked about each import there is, a build would take a second longer. */
const shares = /^\.{1,2}\/.*\.ts$|^@aws-lambda-powertools\//;
/** Folders of what connectors share, with the connectors that do. */
const common: readonly { readonly folder: string; readonly connectors: RegExp }[] = [
  { folder: 'lib/values', connectors: /[\\/]lib[\\/]connectors[\\/]\w+[\\/]index\.ts$/ },
  { folder: 'lib/connectors/sql', connectors: /[\\/]lib[\\/]connectors[\\/](mongodb|mysql|postgres|sqlite|sqlserver)[\\/]index\.ts$/ },
];
const exportsDefault = /\bexport default\b|\bas default\b/;

export function oneStart(): Plugin {
  return {
    name: 'one-start',
    setup(build) {
      const { absWorkingDir = '', entryPoints = {} } = build.initialOptions;
      const starts = Object.values(entryPoints as Record<string, string>).map((entry) => path.resolve(absWorkingDir, entry));
      build.onResolve({ filter: shares }, async ({ path: name, kind, importer, resolveDir, pluginData }) => {
        if (kind !== 'dynamic-import' || importer.includes('node_modules') || pluginData === 'resolving') return null;
        const resolved = await build.resolve(name, { kind, importer, resolveDir, pluginData: 'resolving' });
        if (resolved.external || resolved.errors.length > 0 || resolved.namespace !== 'file') return null;
        // What has a default export is left alone: a package's entry shares little with the start
        return exportsDefault.test(await readFile(resolved.path, 'utf8')) ? null : { path: resolved.path, namespace: 'after-start' };
      });
      const modulesOf = async (folder: string): Promise<string[]> =>
        (await readdir(path.join(absWorkingDir, folder))).filter((name) => name.endsWith('.ts')).map((name) => path.join(absWorkingDir, folder, name));
      build.onLoad({ filter: /.*/, namespace: 'after-start' }, async ({ path: file }) => {
        const shared = await Promise.all(common.filter(({ connectors }) => connectors.test(file)).map(({ folder }) => modulesOf(folder)));
        const needed = [...starts, ...shared.flat()].map((each) => `import ${JSON.stringify(each)};`).join('');
        return { contents: `${needed}export * from ${JSON.stringify(file)};`, loader: 'js', resolveDir: path.dirname(file) };
      });
    },
  };
}
