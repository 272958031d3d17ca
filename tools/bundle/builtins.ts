/**
 * `import … from 'node:https'` has Node read every export of the module, and `WebSocket`, one of them, is a whole HTTP client that is loaded as it is read: 40 ms for what no client of a service uses.
 * From the module as `require` would give it a name is read when it is used.
 */
import type { Plugin } from 'esbuild';

export function builtins(): Plugin {
  return {
    name: 'builtins',
    setup(build) {
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
