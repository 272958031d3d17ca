import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createProgram } from '../../lib/cli/program.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { idra } from './idra.ts';

const readme = () => readFile(new URL('../../README.md', import.meta.url), 'utf8');

it("the README's definitions are valid", async () => {
  await using folder = await temporaryFolder();
  const yaml = /```yaml\n([\s\S]*?)```/.exec(await readme())?.[1];
  await writeFile(join(folder.path, 'syncs.yaml'), yaml ?? '');
  expect(await idra(['validate'], { cwd: folder.path })).toMatchObject({ code: 0, stderr: '' });
});

it('the README and the command know the same commands and options', async () => {
  const text = await readme();
  const rows = [...text.matchAll(/^\| `idra (\S+) ?([^`]*)` \|(.*)\|$/gm)];
  const { commands } = createProgram(() => undefined);
  expect(rows.map(([, name]) => name).toSorted()).toEqual(commands.map((command) => command.name()).toSorted());
  for (const [, name, rest = '', does = ''] of rows) {
    const command = commands.find((candidate) => candidate.name() === name);
    const subcommands = command?.commands.map((sub) => sub.name()) ?? [];
    const first = rest.split(' ')[0] ?? '';
    if (subcommands.length > 0) expect(first.split('\\|').toSorted(), name).toEqual(subcommands.toSorted());
    for (const [option] of does.matchAll(/--[a-z]+/g)) {
      const options = [command, ...(command?.commands ?? [])].flatMap((one) => one?.options.map(({ long }) => long) ?? []);
      expect(options, `idra ${name} ${option}`).toContain(option);
    }
  }
  for (const [, name = ''] of text.matchAll(/npm run -s idra -- ([a-z]+)/g)) expect(commands.map((command) => command.name())).toContain(name);
});

it('every command has help that names its arguments', async () => {
  const { stdout, code } = await idra(['help', 'run']);
  expect(code).toBe(0);
  for (const option of ['--sync', '--watch', '--state', '--etcd', '--json', '--existing', '--parallel']) expect(stdout).toContain(option);
  expect(await idra(['--version'])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+$/) });
  expect(await idra([])).toMatchObject({ code: 2 });
});
