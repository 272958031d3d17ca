/** zod brings its messages in some fifty languages along, a third of a bundle that uses one of them. */
import type { Plugin } from 'esbuild';

export function oneLanguage(): Plugin {
  return {
    name: 'one-language',
    setup(build) {
      build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({ contents: "export { default as en } from './en.js';", loader: 'js' }));
    },
  };
}
