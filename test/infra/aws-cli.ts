/** The AWS CLI for scripts that call it often: `environment` has an `aws` on its PATH that hands each call to a process which has the CLI loaded. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { awsEnvironment } from '../support/aws.ts';
import { freePort } from '../support/servers/ports.ts';
import { dataFolder, ServerProcess } from '../support/servers/process.ts';
import { succeed } from './etcd-nodes.ts';
import { infraTools } from './tools.ts';

const server = fileURLToPath(new URL('aws-cli.py', import.meta.url));

const client = (port: number): string => `#!/usr/bin/env bash
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
status=$(printf '%s\\0' "$PWD" "$folder/out" "$folder/err" "$@" | curl -sf --data-binary @- http://127.0.0.1:${port})
cat "$folder/out"
cat "$folder/err" >&2
exit "\${status:-1}"
`;

export class AwsCli implements AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
  readonly #process: ServerProcess;

  private constructor(environment: Readonly<Record<string, string>>, process: ServerProcess) {
    this.environment = environment;
    this.#process = process;
  }

  /** For the services at `endpoint`. */
  static async start(endpoint: string): Promise<AwsCli> {
    const tools = await infraTools();
    const [folder, port] = [await dataFolder('aws-cli'), await freePort()];
    const access = awsEnvironment(endpoint);
    const environment = { ...access, AWS_DEFAULT_REGION: access.AWS_REGION ?? '', AWS_CONFIG_FILE: '/dev/null', AWS_SHARED_CREDENTIALS_FILE: '/dev/null' };
    const process_ = await ServerProcess.start({ name: 'aws-cli', command: join(tools, 'python'), arguments: [server, `${port}`], environment }, folder);
    await process_.ready(() => fetch(`http://127.0.0.1:${port}`));
    await writeFile(join(folder, 'aws'), client(port));
    await chmod(join(folder, 'aws'), 0o755);
    return new AwsCli({ ...environment, PATH: `${folder}:${process.env.PATH ?? ''}` }, process_);
  }

  /** One call; its output as the JSON that it is. */
  async json<Result>(...parameters: string[]): Promise<Result> {
    return JSON.parse(await succeed('aws', [...parameters, '--output', 'json'], this.environment)) as Result;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process[Symbol.asyncDispose]();
  }
}
