import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMb: number;
}

const root = join(import.meta.dirname, '../..');

/** What `npm run idra` gives to Node: its options, then the command's file. */
async function commandLine(): Promise<string[]> {
  const { scripts }: { scripts: { idra: string } } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const [exec, node, ...rest] = scripts.idra.split(' ');
  if (exec !== 'exec' || node !== 'node') throw new Error(`npm run idra is not as this bench knows it: ${scripts.idra}`);
  return rest.map((word) => (word.startsWith('--') ? word : join(root, word)));
}

/** A run of the real command, measured from start to exit, with what the process itself says it has used. Throws where the report is not `succeeded` or not of `rows` rows. */
export async function runIdra(definitions: object, rows: number): Promise<Usage> {
  const folder = await mkdtemp(join(tmpdir(), 'idra-bench-'));
  try {
    const file = join(folder, 'syncs.json');
    const usageFile = join(folder, 'usage.json');
    await writeFile(file, JSON.stringify(definitions));
    const command = await commandLine();
    const startedAt = performance.now();
    const child = spawn(
      process.execPath,
      ['--import', join(import.meta.dirname, 'usage.ts'), ...command, 'run', file, '--json', '--state', join(folder, 'state.db')],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, IDRA_BENCH_USAGE: usageFile },
      },
    );
    let out = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors += chunk.toString();
    });
    const [code] = await once(child, 'close');
    const seconds = (performance.now() - startedAt) / 1000;
    if (code !== 0) throw new Error(`idra run: exit ${String(code)}\n${out}\n${errors}`);
    const report: { written: number } = JSON.parse(out);
    if (report.written !== rows) throw new Error(`idra run: ${report.written} of ${rows} rows written`);
    const usage: { cpuSeconds: number; peakMb: number } = JSON.parse(await readFile(usageFile, 'utf8'));
    return { seconds, ...usage };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
