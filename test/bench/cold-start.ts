/** What a first invocation waits for: the packages as `serverless package` makes them, and how long and how much memory the import of the sync handler takes beside a bare Node. */
import { execFile } from 'node:child_process';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { root } from '../../tools/bundle/functions.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { median, timed } from './measure.ts';

const run = promisify(execFile);
const rounds = 9;
const bars = { packageSeconds: 10, syncMb: 5, coordinatorMb: 1, importMs: 100, importMb: 45 };

/** Run by a bare Node, without type stripping: that would count as well. */
const child = `
const startedAt = performance.now();
for (const file of process.argv.slice(1)) await import(file);
console.log(JSON.stringify({ ms: performance.now() - startedAt, mb: process.memoryUsage.rss() / 2 ** 20 }));
`;

interface Cost {
  readonly ms: number;
  readonly mb: number;
}

async function importing(files: readonly string[]): Promise<Cost> {
  const urls = files.map((file) => pathToFileURL(file).href);
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', child, ...urls], { env: { ...process.env, NODE_OPTIONS: '' } });
  return JSON.parse(stdout) as Cost;
}

const row = (name: string, measured: string, bar: string): string => `${name.padEnd(42)} ${measured.padStart(10)}   bar ${bar}`;

async function packages(): Promise<void> {
  await using folder = await temporaryFolder();
  const arch = process.arch === 'arm64' ? 'arm64' : 'x64';
  const parameters = [join(root, 'node_modules/serverless/bin/serverless.js'), 'package', '--package', folder.path, '--param', `arch=${arch}`];
  const seconds = await timed(async () => void (await run(process.execPath, parameters, { cwd: root })));
  console.log(row('serverless package', `${seconds.toFixed(1)} s`, `${bars.packageSeconds} s`));
  for (const [name, bar] of [
    ['sync', bars.syncMb],
    ['coordinator', bars.coordinatorMb],
  ] as const) {
    const { size } = await stat(join(folder.path, `${name}.zip`));
    console.log(row(`${name}.zip`, `${(size / 1e6).toFixed(2)} MB`, `${bar} MB`));
  }
}

/** Packages first: what is in `dist/sync` afterwards is what the zip holds. */
export async function coldStart(): Promise<void> {
  await packages();
  const dist = join(root, 'dist/sync');
  const files = await readdir(dist);
  const chunk = (driver: string): string => {
    const found = files.find((file) => new RegExp(`^${driver}-[A-Z0-9]{8}\\.js$`).test(file));
    if (found === undefined) throw new Error(`dist/sync has no chunk for ${driver}`);
    return join(dist, found);
  };
  const handler = join(dist, 'index.js');
  const loads = new Map<string, readonly string[]>([
    ['a bare Node', []],
    ['import of the sync handler', [handler]],
    ...['postgres', 'mysql', 'sqlserver', 'sqlite'].map((driver) => [`… and the driver of ${driver}`, [handler, chunk(driver)]] as const),
  ]);
  const costs = new Map([...loads.keys()].map((name) => [name, [] as Cost[]]));
  for (let round = 0; round < rounds; round++) for (const [name, load] of loads) costs.get(name)?.push(await importing(load));
  const bare = median((costs.get('a bare Node') ?? []).map(({ mb }) => mb));
  console.log(`cold start: medians of ${rounds} processes each, in turns; memory above the ${bare.toFixed(0)} MB of a bare Node`);
  for (const [name, list] of costs) {
    if (name === 'a bare Node') continue;
    const ms = median(list.map((cost) => cost.ms));
    const mb = median(list.map((cost) => cost.mb)) - bare;
    console.log(row(name, `${ms.toFixed(0)} ms`, `${bars.importMs} ms`), row('', `${mb.toFixed(1)} MB`, `${bars.importMb} MB`).trimStart());
  }
}
