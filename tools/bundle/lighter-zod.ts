/**
 * zod, as functions need it. What makes JSON Schemas, which `idra schema` alone does, stays out. A schema is described for those alone, by a copy of itself that costs as much as the making of it: in a
 * function it stays as it is. Formats of texts (`z.string().email()` and two dozen more) hang on every text's schema, whoever uses them; ours are patterns of our own.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Plugin } from 'esbuild';

const known = /describe\(description\) \{\s*const cl = this\.clone\(\);\s*core\.globalRegistry\.add\(cl, \{ description \}\);\s*return cl;\s*\}/;

const formats = /\n {4}(\w+)\(params\) \{\s*return this\.check\(core\._\w+\(Zod\w+, params\)\);\s*\},/g;

const folder = path.join(path.dirname(createRequire(import.meta.url).resolve('zod/package.json')), 'v4');
const files = {
  schemas: path.join(folder, 'classic/schemas.js'),
  jsonSchemas: [path.join(folder, 'core/to-json-schema.js'), path.join(folder, 'core/json-schema-processors.js')],
};

/** Used by schemas themselves. */
const kept: ReadonlySet<string> = new Set(['aggregateChecks']);
/** Called as a schema is made; what they return is called when its JSON Schema is asked for. */
const makers: ReadonlySet<string> = new Set(['createToJSONSchemaMethod', 'createStandardJSONSchemaMethod']);

async function refusing(file: string): Promise<string> {
  const names = Object.keys((await import(file)) as object);
  const real = names.filter((name) => kept.has(name));
  const refused = names.filter((name) => !kept.has(name)).map((name) => `${makers.has(name) ? 'make' : 'refuse'} as ${name}`);
  return `${real.length === 0 ? '' : `export { ${real.join(', ')} } from ${JSON.stringify(file)};`}
    const refuse = () => { throw new Error('JSON Schemas were left out of this bundle: see tools/bundle/lighter-zod.ts'); };
    const make = () => refuse;
    export { ${refused.join(', ')} };`;
}

async function lighterSchemas(): Promise<string> {
  const source = await readFile(files.schemas, 'utf8');
  if (!known.test(source) || source.match(formats) === null)
    throw new Error(`${files.schemas} does not make schemas as this build knows it: look at it and correct tools/bundle/lighter-zod.ts`);
  const refuse = "function leftOut(name) { throw new Error(name + ' of zod was left out of this bundle: see tools/bundle/lighter-zod.ts'); }\n";
  return refuse + source.replace(known, 'describe() { return this; }').replace(formats, "\n$1() { leftOut('$1'); },");
}

export function lighterZod(): Plugin {
  return {
    name: 'lighter-zod',
    setup(build) {
      build.onResolve({ filter: /\/(to-json-schema|json-schema-processors)\.js$/ }, ({ path: asked, resolveDir, namespace }) => {
        const file = path.resolve(resolveDir, asked);
        return namespace === 'file' && files.jsonSchemas.includes(file) ? { path: file, namespace: 'no-json-schema', sideEffects: false } : null;
      });
      build.onLoad({ filter: /.*/, namespace: 'no-json-schema' }, async ({ path: file }) => ({
        contents: await refusing(file),
        loader: 'js',
        resolveDir: path.dirname(file),
      }));
      build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]classic[\\/]schemas\.js$/ }, async () => ({ contents: await lighterSchemas(), loader: 'js' }));
    },
  };
}
