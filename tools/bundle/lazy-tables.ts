/** iconv-lite, which drivers use, has tables of East Asian code pages, 200 KB, that it asks for as it meets one. They stay files beside the code, read then, instead of code that is parsed with each cold start. */
import { readFile } from 'node:fs/promises';
import type { Plugin } from 'esbuild';

export function lazyTables(): Plugin {
  return {
    name: 'lazy-tables',
    setup(build) {
      build.onLoad({ filter: /[\\/]iconv-lite[\\/]encodings[\\/]tables[\\/][^\\/]+\.json$/ }, async ({ path }) => ({
        contents: await readFile(path),
        loader: 'copy',
      }));
    },
  };
}
