/**
 * Modules of Node itself, as late as they are needed.
 *
 * `import … from 'node:https'` has Node read every export of the module, and `WebSocket`, one of them, is a whole HTTP client that is loaded as it is read: 40 ms for what no client of a service uses.
 * From the module as `require` would give it a name is read when it is used.
 */
import type { Plugin } from 'esbuild';

/** What drivers load with themselves for what few connections ask of them. */
const late: readonly { readonly importer: RegExp; readonly filter: RegExp }[] = [
  // A compressed protocol; an encrypted one
  { importer: /[\\/]mysql2[\\/]lib[\\/]/, filter: /^(zlib|tls)$/ },
  // The port of a named instance
  { importer: /[\\/]tedious[\\/]lib[\\/]/, filter: /^dgram$/ },
  // A check of what cannot be
  { importer: /[\\/]pg-copy-streams[\\/]/, filter: /^assert$/ },
];

const whenUsed = (name: string): string => `const load = () => process.getBuiltinModule(${JSON.stringify(name)});
module.exports = new Proxy(() => {}, {
  get: (_, key) => (key === '__esModule' ? undefined : load()[key]),
  apply: (_, self, values) => Reflect.apply(load(), self, values),
});`;

export function builtins(): Plugin {
  return {
    name: 'builtins',
    setup(build) {
      for (const { importer, filter } of late)
        build.onResolve({ filter }, ({ path, kind, importer: from }) =>
          kind === 'require-call' && importer.test(from) ? { path, namespace: 'late-builtin' } : null,
        );
      build.onLoad({ filter: /.*/, namespace: 'late-builtin' }, ({ path }) => ({ contents: whenUsed(path), loader: 'js' }));
      build.onResolve({ filter: /^(node:)?https?$/ }, ({ path, kind }) =>
        kind === 'import-statement' || kind === 'dynamic-import' ? { path, namespace: 'builtin' } : null,
      );
      build.onLoad({ filter: /.*/, namespace: 'builtin' }, ({ path }) => ({
        contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
        loader: 'js',
      }));
    },
  };
}
