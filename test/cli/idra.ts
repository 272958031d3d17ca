/** The real command as a child process. Bundled, as all that tests start often; `look.test.ts` and `faults/memory.test.ts` run the sources. */
import { vi } from 'vitest';
import { program } from '../support/programs.ts';
import { type IdraProcess, type SpawnOptions, spawnIdra } from '../support/spawn-idra.ts';

const script = await program('idra');

// A test here starts several processes, each of which loads the command anew.
vi.setConfig({ testTimeout: 60_000 });

export interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

type Options = Omit<SpawnOptions, 'arguments'>;

/** No colours, no npm, no etcd of the developer's. */
const environment = { NO_COLOR: '1', npm_lifecycle_event: '', IDRA_ETCD_HOSTS: '' };

export function start(args: readonly string[], { env, ...options }: Options = {}): IdraProcess {
  return spawnIdra(script, { ...options, arguments: args, env: { ...environment, ...env } });
}

/** Runs to the end; killed after a minute, which then shows as the signal's null code. */
export async function idra(args: readonly string[], options: Options = {}): Promise<Result> {
  await using child = start(args, options);
  const timer = setTimeout(() => void child.kill(), 60_000);
  const { code } = await child.exited;
  clearTimeout(timer);
  return { code, stdout: child.stdout.join('\n'), stderr: child.stderr.join('\n') };
}

export function jsonLines(stdout: string): Record<string, unknown>[] {
  return stdout === '' ? [] : stdout.split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
}
