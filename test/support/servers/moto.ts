/**
 * S3 and the other services of AWS by moto, an emulator from PyPI in a Python environment of its own. Seen to hold for S3: `If-None-Match: *` and `If-Match` on PutObject and on
 * CompleteMultipartUpload give 412, also among writers at the same moment; multipart; StartAfter. It checks no signatures and grants everything.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { aptInstall } from './apt.ts';
import { cached, cacheFolder } from './cache.ts';
import { startContainer } from './container.ts';
import { freePort } from './ports.ts';
import { dataFolder, ServerProcess } from './process.ts';
import { findProgram, runTool } from './programs.ts';
import type { Backend, Recipe, RunningServer } from './recipe.ts';

const release = '5.2.5';
const environmentName = `moto-${release}`;
const urlAt = (port: number): string => `http://127.0.0.1:${port}`;

const python = (): string => join(cacheFolder, environmentName, 'bin', 'python');

/** Any HTTP answer will do: services differ in what they say to strangers. Moto's own pages tell nothing of its version. */
async function version(url: string): Promise<string> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000), redirect: 'manual' });
  const product = response.headers.get('server');
  await response.body?.cancel();
  return `AWS endpoint${product === null ? '' : ` (${product.split(' ')[0]})`}`;
}

async function install(): Promise<string | undefined> {
  const make = () =>
    cached(environmentName, async (folder) => {
      const system = findProgram('python3');
      if (system === undefined) throw new Error('no python3 on this machine');
      await runTool(system, ['-m', 'venv', folder]);
      await runTool(join(folder, 'bin', 'python'), [
        '-m',
        'pip',
        'install',
        '--quiet',
        '--no-compile',
        '--disable-pip-version-check',
        `moto[server]==${release}`,
      ]);
    });
  try {
    await make();
    return undefined;
  } catch (error) {
    // Debian's python3 comes without what `venv` needs.
    const refusal = await aptInstall('python3', 'python3-venv');
    if (refusal !== undefined) return `${error instanceof Error ? error.message : error}; ${refusal}`;
    await make();
    return undefined;
  }
}

async function start(): Promise<RunningServer | string> {
  if (!existsSync(python())) return `moto ${release} was not installed yet`;
  const folder = await dataFolder('moto');
  const port = await freePort();
  const server = await ServerProcess.start(
    {
      name: 'moto',
      command: python(),
      arguments: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
      // A list that asks for no number comes in pages of a hundred: a test of more than a page needs a tenth of the objects
      environment: { MOTO_S3_DEFAULT_MAX_KEYS: '100' },
    },
    folder,
  );
  const url = urlAt(port);
  try {
    await server.ready(() => version(url));
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
  return { url, product: `moto ${release} (emulates AWS)`, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const recipe = (backend: Backend, environment: string): Recipe => ({
  backend,
  environment,
  version,
  program: start,
  install,
  container: () => startContainer({ service: 'aws', port: 5000, url: urlAt, answers: version }),
});

export const s3: Recipe = recipe('s3', 'TEST_S3_ENDPOINT');
/** EventBridge, Systems Manager, Secrets Manager, SQS, Lambda's neighbours. A server apart from that of S3, so that either may be a real one. */
export const aws: Recipe = recipe('aws', 'TEST_AWS_ENDPOINT');
