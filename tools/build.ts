/** `node tools/build.ts [--arch arm64|x64] [cli] [coordinator] [sync]`: bundles what is named, everything where nothing is. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Metafile } from 'esbuild';
import { buildCli } from './bundle/cli.ts';
import { type Architecture, architectures, buildFunction, functionNames } from './bundle/functions.ts';

function print(target: string, { outputs }: Metafile, ms: number): void {
  const files = Object.entries(outputs).sort(([, a], [, b]) => b.bytes - a.bytes);
  const kilobytes = (bytes: number) => `${Math.ceil(bytes / 1024)} KB`;
  const total = files.reduce((sum, [, { bytes }]) => sum + bytes, 0);
  const largest = files.slice(0, 5).map(([file, { bytes }]) => `${path.basename(file)} ${kilobytes(bytes)}`);
  console.log(`dist/${target}: ${files.length} files, ${kilobytes(total)} in ${Math.round(ms)} ms (${largest.join(', ')}${files.length > 5 ? ', …' : ''})`);
}

const { values, positionals } = parseArgs({ options: { arch: { type: 'string', default: 'arm64' } }, allowPositionals: true });
const arch = architectures.find((name) => name === values.arch);
const known = ['cli', ...(await functionNames())];
const unknown = positionals.filter((name) => !known.includes(name));
if (!arch || unknown.length > 0) {
  console.error(
    arch ? `there is no target ${unknown.join(', ')}: choose from ${known.join(', ')}` : `--arch is ${values.arch}: choose ${architectures.join(' or ')}`,
  );
  process.exit(2);
}
const targetArch: Architecture = arch;
for (const target of positionals.length > 0 ? positionals : known) {
  const start = performance.now();
  const metafile = target === 'cli' ? await buildCli() : await buildFunction(target, targetArch);
  print(target, metafile, performance.now() - start);
}
