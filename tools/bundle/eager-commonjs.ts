/**
 * CommonJS packages, compiled in one pass. The bundler wraps each of their modules into a function that is called as soon as the file loads. V8 would skip over such a function at first, and then, called, read it
 * from the beginning and compile it: twice the reading of half a megabyte of driver. A function in parentheses it compiles where it meets it (https://v8.dev/blog/preparser#pife).
 */
import path from 'node:path';
import { type OutputFile, transform } from 'esbuild';

/** As the bundler prints a module when it leaves the white space in. A text of several lines in which one is like its end would cut it short: what is left over is no code, and the build fails. */
const wrapped = /__commonJS\(\{\n {2}("[^"\n]+")\(([\w$, ]*)\) \{\n([\s\S]*?)\n {2}\}\n\}\)/g;
const begins = /__commonJS\(\{/g;

/** The code of one output file with white space, as it is deployed: without. */
export async function eagerCommonJs({ path: file, text }: Pick<OutputFile, 'path' | 'text'>): Promise<Buffer> {
  let found = 0;
  const eager = text.replace(wrapped, (_, name: string, parameters: string, body: string) => {
    found++;
    return `__commonJS({\n${name}: (function(${parameters}) {\n${body}\n})\n})`;
  });
  const wanted = text.match(begins)?.length ?? 0;
  if (found !== wanted)
    throw new Error(
      `${path.basename(file)} wraps ${wanted} CommonJS modules, of which this build knows ${found}: look at it and correct tools/bundle/eager-commonjs.ts`,
    );
  const { code } = await transform(eager, { minifyWhitespace: true, legalComments: 'none', target: 'node22' });
  return Buffer.from(code);
}
