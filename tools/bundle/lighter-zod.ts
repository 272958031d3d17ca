/**
 * zod, as functions need it. What makes JSON Schemas, which `idra schema` alone does, stays out. A schema is described for those alone, by a copy of itself that costs as much as the making of it: in a
 * function it stays as it is.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { Plugin } from 'esbuild';

const known = /describe\(description\) \{\s*const cl = this\.clone\(\);\s*core\.globalRegistry\.add\(cl, \{ description \}\);\s*return cl;\s*\}/;

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

async function undescribed(): Promise<string> {
  const source = await readFile(files.schemas, 'utf8');
  if (!known.test(source))
    throw new Error(`${files.schemas} does not describe a schema as this build knows it: look at it and correct tools/bundle/lighter-zod.ts`);
  return source.replace(known, 'describe() { return this; }');
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
      build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]classic[\\/]schemas\.js$/ }, async () => ({ contents: await undescribed(), loader: 'js' }));
    },
  };
}
