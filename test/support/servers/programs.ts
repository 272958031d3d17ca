import { execFile } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Path of the first of `names` on PATH or in the places where servers live that are not on everybody's PATH. */
export function findProgram(...names: string[]): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin'];
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // not there, or not ours to run: the next place
      }
    }
  }
  return undefined;
}

/** The match with the highest version number in its path. */
export function newest(pattern: string): string | undefined {
  return globSync(pattern)
    .sort(new Intl.Collator('en', { numeric: true }).compare)
    .at(-1);
}

/** Runs a tool to its end. Rejects with the end of what it said, since the start of a package manager's output explains nothing. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv; uid?: number; gid?: number } = {},
): Promise<string> {
  try {
    const { stdout } = await run(command, args, { maxBuffer: 64 * 1024 * 1024, ...options });
    return stdout;
  } catch (error) {
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string };
    const said = `${stdout}${stderr}`
      .trim()
      .slice(-600)
      .replaceAll(/\s*\n\s*/g, ' | ');
    throw new Error(`${command} failed: ${said === '' ? message.split('\n')[0] : said}`, { cause: error });
  }
}
