import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { parse } from 'yaml';
import { freePort } from './ports.ts';
import { findProgram, runTool } from './programs.ts';
import type { RunningServer } from './recipe.ts';

const composeFile = new URL('../../../infra/compose.yml', import.meta.url);

export interface ContainerOptions {
  /** Name of the service in infra/compose.yml: its image, environment and command are used here as well. */
  readonly service: string;
  /** The port that the server listens on inside. */
  readonly port: number;
  /** Additional arguments of the server, given the loopback port that it is reached at. */
  readonly command?: (port: number) => readonly string[];
  readonly environment?: (port: number) => Readonly<Record<string, string>>;
  readonly url: (port: number) => string;
  /** Polled until it resolves, for at most three minutes. */
  readonly answers: (url: string) => Promise<unknown>;
}

interface Service {
  readonly image: string;
  readonly environment?: Record<string, string | number>;
  readonly command?: string[];
}

async function engine(): Promise<{ program: string } | string> {
  const program = findProgram('docker', 'podman');
  if (program === undefined) return 'no docker and no podman on this machine';
  try {
    await runTool(program, ['info']);
    return { program };
  } catch {
    return `${program} is installed, but no container engine answers`;
  }
}

async function untilAnswers(options: ContainerOptions, url: string): Promise<void> {
  const end = performance.now() + 180_000;
  for (;;) {
    try {
      await options.answers(url);
      return;
    } catch (error) {
      if (performance.now() > end) throw new Error(`the container of ${options.service} did not answer within three minutes`, { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

/** Runs a service of infra/compose.yml on a free loopback port; a string says why it cannot. The container goes when it is disposed of. */
export async function startContainer(options: ContainerOptions): Promise<RunningServer | string> {
  const found = await engine();
  if (typeof found === 'string') return found;
  const { services } = parse(await readFile(composeFile, 'utf8')) as { services: Record<string, Service> };
  const service = services[options.service];
  if (service === undefined) throw new Error(`infra/compose.yml has no service ${options.service}`);
  const port = await freePort();
  const environment = { ...service.environment, ...options.environment?.(port) };
  const name = `idra-test-${options.service}-${randomUUID().slice(0, 8)}`;
  const variables = Object.entries(environment).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
  const command = options.command?.(port) ?? service.command ?? [];
  await runTool(found.program, ['run', '--detach', '--rm', '--name', name, '-p', `127.0.0.1:${port}:${options.port}`, ...variables, service.image, ...command]);
  const stop = async () => void (await runTool(found.program, ['rm', '--force', '--volumes', name]));
  const url = options.url(port);
  try {
    await untilAnswers(options, url);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, [Symbol.asyncDispose]: stop };
}
