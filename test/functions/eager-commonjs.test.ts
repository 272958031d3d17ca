/** CommonJS modules in a bundle are compiled as the file is read, and do what they did. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { eagerCommonJs } from '../../tools/bundle/eager-commonjs.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** What looks like the end of a module, within one. */
const awkward = `
'use strict';
const text = \`{
}
});
  } });\`;
class Kept { m() { return { text } } }
(function () { this.done = true; }).call(exports);
exports.Kept = Kept;
exports.name = Kept.name;
exports.file = typeof __filename;
`;

async function bundled(folder: string): Promise<string> {
  await writeFile(join(folder, 'awkward.cjs'), awkward);
  await writeFile(join(folder, 'both.cjs'), "exports.awkward = require('./awkward.cjs'); module.exports.more = 1;");
  await writeFile(join(folder, 'index.js'), "import both from './both.cjs'; export const found = both.awkward; export const { more } = both;");
  const { outputFiles } = await build({
    entryPoints: [join(folder, 'index.js')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    minifySyntax: true,
  });
  return outputFiles[0]?.text ?? '';
}

it('compiles every wrapped module at once, and each gives what it gave', async () => {
  await using folder = await temporaryFolder();
  const before = await bundled(folder.path);
  const after = (await eagerCommonJs({ path: 'index.js', text: before })).toString();
  expect(after.match(/__commonJS\(\{"[^"]+":\(function\(/g)).toHaveLength(2);
  expect(after.length).toBeLessThan(before.length);
  const results = [];
  for (const [name, text] of Object.entries({ before, after })) {
    const file = join(folder.path, `${name}.mjs`);
    await writeFile(file, text);
    const { found, more } = (await import(file)) as { found: { Kept: new () => { m(): object }; name: string; done: boolean; file: string }; more: number };
    results.push({ more, name: found.name, done: found.done, file: found.file, made: new found.Kept().m() });
  }
  expect(results[1]).toEqual(results[0]);
  expect(results[1]).toMatchObject({ more: 1, name: 'Kept', done: true, made: { text: '{\n}\n});\n  } });' } });
});

it('refuses a form of module that it does not know', async () => {
  await expect(eagerCommonJs({ path: '/x/driver.js', text: 'var a = __commonJS({ "a.js"(exports) { exports.a = 1; } });' })).rejects.toThrow(
    'driver.js wraps 1 CommonJS modules, of which this build knows 0',
  );
});
