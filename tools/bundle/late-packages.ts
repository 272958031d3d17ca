/**
 * What drivers load with themselves and few syncs ever use, and patterns of cron, which many syncs have none of. Each stands in a file of its own beside the code, read as something of it is asked for the first
 * time: a cold start neither reads nor parses it.
 */
import { type BuildResult, build as bundle, type Plugin } from 'esbuild';
import { lazyTables } from './lazy-tables.ts';

interface Late {
  /** Absent: our own code asks for it. */
  readonly driver?: string;
  readonly importer: RegExp;
  /** What the driver asks for. */
  readonly filter: RegExp;
  /** Name of the file. */
  readonly name: string;
  /** The one class that our own code imports of it, where it is not a driver that requires it. */
  readonly imported?: string;
}

const late: readonly Late[] = [
  // Texts in other character sets than UTF-8 and UTF-16
  { driver: 'mysql2', importer: /[\\/]mysql2[\\/]lib[\\/]/, filter: /^iconv-lite$/, name: 'iconv-lite' },
  { driver: 'tedious', importer: /[\\/]tedious[\\/]lib[\\/]/, filter: /^iconv-lite$/, name: 'iconv-lite' },
  // Names of some 2,300 errors
  { driver: 'mysql2', importer: /[\\/]mysql2[\\/]lib[\\/]/, filter: /[\\/]constants[\\/]errors\.js$/, name: 'mysql2-errors' },
  // Dates that are sent as dates
  { driver: 'tedious', importer: /[\\/]tedious[\\/]lib[\\/]data-types[\\/]/, filter: /^@js-joda\/core$/, name: 'js-joda' },
  // Patterns of cron
  { importer: /[\\/]lib[\\/](config|engine)[\\/]\w+\.ts$/, filter: /^croner$/, name: 'croner', imported: 'Cron' },
];

/** Compiled imports look for `__esModule` at once: none of these is compiled from ESM, and asking them would load them. */
const loader = (name: string): string => `let loaded;
module.exports = new Proxy(Object.freeze({}), {
  get: (_, key) => (key === '__esModule' ? undefined : (loaded ??= require('./${name}.cjs'))[key]),
  has: (_, key) => key in (loaded ??= require('./${name}.cjs')),
});`;

const classLoader = (name: string, imported: string): string => `let loaded;
export class ${imported} {
  constructor(...given) { return new (loaded ??= require('./${name}.cjs')).${imported}(...given); }
}`;

export function latePackages(): Plugin {
  return {
    name: 'late-packages',
    setup(build) {
      const { outdir = '', absWorkingDir = process.cwd() } = build.initialOptions;
      const applied = new Set<Late>();
      const files = new Map<string, Promise<BuildResult<{ metafile: true; write: false }>>>();
      const apart = (file: string, name: string) =>
        bundle({
          absWorkingDir,
          outdir,
          entryPoints: { [name]: file },
          outExtension: { '.js': '.cjs' },
          assetNames: '[name]',
          bundle: true,
          format: 'cjs',
          platform: 'node',
          target: 'node22',
          minifyWhitespace: true,
          minifySyntax: true,
          legalComments: 'none',
          metafile: true,
          write: false,
          logLevel: 'silent',
          plugins: [lazyTables()],
        });
      for (const rule of late)
        build.onResolve({ filter: rule.filter }, async ({ path: asked, kind, importer, resolveDir, pluginData }) => {
          if (pluginData === 'resolving' || kind !== (rule.imported === undefined ? 'require-call' : 'import-statement') || !rule.importer.test(importer))
            return null;
          const { path: file, errors, warnings } = await build.resolve(asked, { kind, importer, resolveDir, pluginData: 'resolving' });
          if (errors.length > 0) return { errors, warnings };
          applied.add(rule);
          if (!files.has(rule.name)) files.set(rule.name, apart(file, rule.name));
          return { path: rule.name, namespace: 'late-package', pluginData: rule.imported };
        });
      build.onResolve({ filter: /^\.\/.*\.cjs$/, namespace: 'late-package' }, ({ path: file }) => ({ path: file, external: true }));
      build.onLoad({ filter: /.*/, namespace: 'late-package' }, ({ path: name, pluginData: imported }: { path: string; pluginData?: string }) => ({
        contents: imported === undefined ? loader(name) : classLoader(name, imported),
        loader: 'js',
      }));
      build.onEnd(async ({ metafile, outputFiles }) => {
        const inputs = Object.keys(metafile?.inputs ?? {});
        for (const part of await Promise.all(files.values())) {
          outputFiles?.push(...part.outputFiles);
          Object.assign(metafile?.inputs ?? {}, part.metafile.inputs);
          Object.assign(metafile?.outputs ?? {}, part.metafile.outputs);
        }
        const missed = late.filter(
          (rule) => rule.driver !== undefined && !applied.has(rule) && inputs.some((input) => input.includes(`node_modules/${rule.driver}/lib/connection.js`)),
        );
        return {
          errors: missed.map(({ driver, name }) => ({
            text: `${driver} no longer asks for ${name} as this build knows it: correct tools/bundle/late-packages.ts`,
          })),
        };
      });
    },
  };
}
