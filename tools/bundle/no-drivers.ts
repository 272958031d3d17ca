/**
 * The coordinator reads definitions and never opens a connection, and it runs over etcd alone: what it would load lazily and never does (the drivers, the store in a file) is left out of its bundle.
 */
import type { Plugin } from 'esbuild';

const leftOut: readonly { readonly importer: RegExp; readonly path: RegExp }[] = [
  { importer: /[\\/]lib[\\/]connectors[\\/]registry\.ts$/, path: /^\.\/[a-z0-9]+\/index\.ts$/ },
  { importer: /[\\/]lib[\\/]coordination[\\/]coordination\.ts$/, path: /^\.\/embedded\// },
];

export function noDrivers(): Plugin {
  return {
    name: 'no-drivers',
    setup(build) {
      build.onResolve({ filter: /^\.\// }, ({ importer, kind, path }) => {
        const isLeftOut = kind === 'dynamic-import' && leftOut.some((rule) => rule.importer.test(importer) && rule.path.test(path));
        return isLeftOut ? { path, namespace: 'no-driver' } : null;
      });
      build.onLoad({ filter: /.*/, namespace: 'no-driver' }, ({ path }) => ({
        contents: `throw new Error(${JSON.stringify(`${path} is not part of this function`)})`,
        loader: 'js',
      }));
    },
  };
}
