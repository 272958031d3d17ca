import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const entry = new URL('../../lib/cli/idra.js', import.meta.url);

/** The entry as it would run on another version, its own import replaced: exit status and all that it prints. */
async function sayOn(version: string, path: string): Promise<string> {
  const source = (await readFile(entry, 'utf8')).replace('#!/usr/bin/env node', '').replaceAll('import.meta.url', JSON.stringify(`file://${path}`));
  const started = source.replace("await import('./main.ts')", "{ main: () => process.stdout.write('started') }");
  const code = `Object.defineProperty(process, 'versions', { value: { node: '${version}' } });${started}`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
  return `${status} ${stdout}${stderr}`;
}

it('an old Node gets a message and status 2 before anything is loaded', async () => {
  for (const version of ['16.20.0', '20.20.2', '22.18.0'])
    expect(await sayOn(version, '/x/dist/cli/idra.js')).toMatch(/^2 idra needs Node\.js 22\.19 or newer/);
  expect(await sayOn('22.22.0', '/x/lib/cli/idra.js')).toMatch(/^2 idra needs Node\.js 24 or newer/);
});

it('a new enough Node starts', async () => {
  expect(await sayOn('22.19.0', '/x/dist/cli/idra.js')).toBe('0 started');
  expect(await sayOn('24.0.0', '/x/lib/cli/idra.js')).toBe('0 started');
});
