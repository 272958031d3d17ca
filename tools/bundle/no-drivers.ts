/**
 * The coordinator reads definitions and never opens a connection: what `registry` would load lazily (the drivers) is left out of its bundle.
 */
import type { Plugin } from 'esbuild';

export function noDrivers(): Plugin {
  return {
    name: 'no-drivers',
    setup(build) {
      build.onResolve({ filter: /^\.\/[a-z0-9]+\/index\.ts$/ }, ({ importer, kind, path }) => {
        if (kind !== 'dynamic-import' || !/[\\/]lib[\\/]connectors[\\/]registry\.ts$/.test(importer)) return null;
        return { path, namespace: 'no-driver' };
      });
      build.onLoad({ filter: /.*/, namespace: 'no-driver' }, ({ path }) => {
        const type = path.split('/')[1] ?? path;
        return { contents: `throw new Error('the driver of ${type} is not part of this function')`, loader: 'js' };
      });
    },
  };
}
