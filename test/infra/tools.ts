/** cfn-lint and the AWS CLI, in one Python environment of the tests' own. */
import { join } from 'node:path';
import { pythonEnvironment, pythonTools } from '../support/servers/python.ts';
import { execute } from './etcd-nodes.ts';

/** Folder of the programs. They are run through its Python, since a script's first line names the folder in which the environment was made. */
export const infraTools = (): Promise<string> => pythonTools('infra-tools-1', ['cfn-lint==1.58.0', 'awscli==1.46.3']);

/** What cfn-lint says of each of the files; empty where it finds nothing. One call for all of them, since most of its time goes into its start. */
export async function lint(files: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const tools = await infraTools();
  const parameters = [join(tools, 'cfn-lint'), '--format', 'parseable', '--regions', 'eu-west-1', '--', ...files];
  const { code, stdout, stderr } = await execute(join(tools, 'python'), parameters, pythonEnvironment);
  const lines = stdout.split('\n').filter((line) => line !== '');
  const found = new Map(files.map((file) => [file, lines.filter((line) => line.startsWith(`${file}:`))]));
  const told = [...found.values()].flat().length;
  if (told !== lines.length || (code === 0) !== (told === 0) || stderr !== '') throw new Error(`cfn-lint ended with ${code}: ${stdout}${stderr}`);
  return found;
}
