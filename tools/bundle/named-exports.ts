/**
 * `await import('pg')` gives a CommonJS package's names in Node, because Node reads them from the source. esbuild, when it splits code, gives `default` alone. The names that Node sees are written out.
 */
import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

const identifier = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
const moduleSyntax = /^\s*(?:import|export)[\s{*]/m;

export function namedExports(): Plugin {
  return {
    name: 'named-exports',
    setup(build) {
      build.onResolve({ filter: /^(@[^/]+\/)?[^./@][^:]*$/ }, async ({ path, kind, importer, resolveDir }) => {
        if (kind !== 'dynamic-import' || importer.includes('node_modules')) return null;
        const resolved = await build.resolve(path, { kind: 'import-statement', importer, resolveDir });
        if (resolved.external || resolved.errors.length > 0 || moduleSyntax.test(await readFile(resolved.path, 'utf8'))) return null;
        return { path, namespace: 'named-exports', pluginData: { resolveDir } };
      });
      build.onLoad(
        { filter: /.*/, namespace: 'named-exports' },
        async ({ path, pluginData: { resolveDir } }: { path: string; pluginData: { resolveDir: string } }) => {
          const names = Object.keys((await import(path)) as object).filter((name) => identifier.test(name) && name !== 'default');
          const named = names.length === 0 ? '' : `export { ${names.join(', ')} } from ${JSON.stringify(path)};`;
          // In Node the default is `module.exports` itself, whatever its `__esModule` says.
          return { contents: `${named}export default require(${JSON.stringify(path)});`, loader: 'js', resolveDir };
        },
      );
    },
  };
}
