/** Functions as they are deployed: everything bundled, nothing to install, one flat folder each, a chunk for each driver that loads when a sync needs it. */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build, type Metafile, type OutputFile, type Plugin } from 'esbuild';
import { builtins } from './builtins.ts';
import { eagerCommonJs } from './eager-commonjs.ts';
import { etcdProto } from './etcd-proto.ts';
import { latePackages } from './late-packages.ts';
import { lazyTables } from './lazy-tables.ts';
import { lighterDrivers } from './lighter-drivers.ts';
import { lighterZod } from './lighter-zod.ts';
import { namedExports } from './named-exports.ts';
import { noDrivers } from './no-drivers.ts';
import { oneLanguage } from './one-language.ts';
import { oneStart } from './one-start.ts';
import { unusedPackages } from './unused-packages.ts';
import { refuseWarnings } from './warnings.ts';

export const root = path.resolve(import.meta.dirname, '../..');

export const architectures = ['arm64', 'x64'] as const;
export type Architecture = (typeof architectures)[number];

/** CommonJS packages in an ESM bundle still ask for `require`; some name their own folder. */
const commonJs =
  "const require=process.getBuiltinModule('module').createRequire(import.meta.url),__filename=import.meta.filename,__dirname=import.meta.dirname;\n";
const asksForCommonJs = /\brequire\b|\b__(?:file|dir)name\b/;

/** The way to `require` only where it is asked for: it costs each file of a cold start a little. */
async function finished(file: OutputFile): Promise<BundledFile> {
  if (!file.path.endsWith('.js')) return file;
  const code = await eagerCommonJs(file);
  return { path: file.path, contents: asksForCommonJs.test(file.text) ? Buffer.concat([Buffer.from(commonJs), code]) : code };
}

export async function functionNames(): Promise<string[]> {
  const entries = await readdir(path.join(root, 'functions'), { withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && entry.name.endsWith('.ts')).map((entry) => path.basename(entry.name, '.ts'));
}

export type BundledFile = Pick<OutputFile, 'path' | 'contents'>;

export interface Bundled {
  readonly metafile: Metafile;
  readonly files: readonly BundledFile[];
}

/** Everything that the entry points need, to lie in `outdir` alone; written by the caller. `arch` chooses the native SQLite addon. */
export async function bundle(
  entryPoints: Readonly<Record<string, string>>,
  { arch, outdir, plugins = [] }: { readonly arch: Architecture; readonly outdir: string; readonly plugins?: readonly Plugin[] },
): Promise<Bundled> {
  const { metafile, warnings, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints,
    outdir,
    write: false,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    chunkNames: '[name]-[hash]',
    assetNames: '[name]',
    mainFields: ['module', 'main'],
    // Names stay as they are: a stack trace can be read, and an error's class keeps its name. White space goes when the files are finished.
    minifySyntax: true,
    legalComments: 'none',
    metafile: true,
    logLevel: 'silent',
    // The package's own entry looks for its addon on the disk; these name it, so that it can be copied.
    alias: { 'better-sqlite3': `better-sqlite3/linux-${arch}` },
    loader: { '.node': 'copy' },
    external: ['pg-native'],
    plugins: [...plugins, builtins(), etcdProto(), latePackages(), lazyTables(), lighterDrivers(), namedExports(), oneLanguage(), unusedPackages()],
  });
  refuseWarnings(warnings);
  refuseMissingAddon(Object.values(entryPoints).join(', '), metafile, arch);
  const type = { path: path.join(outdir, 'package.json'), contents: Buffer.from('{"type":"module"}\n') };
  const files = await Promise.all(outputFiles.map(finished));
  for (const { path: file, contents } of files) {
    const output = metafile.outputs[path.relative(root, file)];
    if (output !== undefined) output.bytes = contents.length;
  }
  return { metafile, files: [...files, type] };
}

/** `functions/{name}.ts` as it is deployed; written by the caller. */
export function bundleFunction(name: string, arch: Architecture, outdir: string): Promise<Bundled> {
  return bundle({ index: `functions/${name}.ts` }, { arch, outdir, plugins: [...(name === 'coordinator' ? [noDrivers()] : []), lighterZod(), oneStart()] });
}

/** Bundles `functions/{name}.ts` to `dist/{name}/index.js`, or to `outdir`. */
export async function buildFunction(name: string, arch: Architecture, outdir = path.join(root, 'dist', name)): Promise<Metafile> {
  const { metafile, files } = await bundleFunction(name, arch, outdir);
  await replaceFiles(outdir, files);
  return metafile;
}

/** Touches only what differs: a function that runs from the folder, as under `npm run offline`, may load a chunk at any moment, also while another command builds the same again. */
async function replaceFiles(folder: string, files: readonly BundledFile[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const { path: file, contents } of files) {
    const before = await readFile(file).catch(() => null);
    if (before?.equals(contents)) continue;
    await writeFile(`${file}.${process.pid}`, contents);
    await rename(`${file}.${process.pid}`, file);
  }
  const wanted = new Set(files.map((file) => path.basename(file.path)));
  for (const name of await readdir(folder)) if (!wanted.has(name)) await rm(path.join(folder, name), { recursive: true, force: true });
}

function refuseMissingAddon(name: string, { inputs, outputs }: Metafile, arch: Architecture): void {
  if (!Object.keys(inputs).some((input) => input.includes('node_modules/better-sqlite3/'))) return;
  const addons = Object.keys(outputs).filter((output) => output.endsWith('.node'));
  if (addons.length === 1 && addons[0]?.endsWith(`/linux-${arch}.node`)) return;
  throw new Error(`${name} needs the SQLite addon for linux-${arch} and has ${addons.join(', ') || 'none'}: look at how better-sqlite3 loads it now`);
}
