/** What the documents say, held to what they speak of. */

import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { modes } from '../../lib/connectors/connector.ts';
import { root } from '../../tools/bundle/functions.ts';
import { connectorTable } from './connector-table.ts';

const text = (file: string) => readFile(join(root, file), 'utf8');

it("the README's table of connectors is what their capabilities say", async () => {
  expect(await text('README.md')).toContain(`\n${connectorTable()}\n`);
});

it('every link and path in the documents leads somewhere', async () => {
  const files = ['README.md', 'CONTRIBUTING.md', ...(await readdir(join(root, 'docs'))).map((name) => `docs/${name}`)];
  for (const file of files) {
    const content = await text(file);
    for (const [, target = ''] of content.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
      if (!/^https?:/.test(target)) expect(existsSync(join(root, dirname(file), target)), `${file}: ${target}`).toBe(true);
    }
    for (const [, path = ''] of content.matchAll(/`((?:infra|lib|test|docs|tools|functions)\/[\w./-]+)`/g)) {
      expect(existsSync(join(root, path)), `${file}: ${path}`).toBe(true);
    }
  }
});

it('docs/from-idra.md names every mode and connector type that is read', async () => {
  const page = await text('docs/from-idra.md');
  const { connectorKinds } = await import('../../lib/config/idra/connectors.ts');
  for (const name of [...Object.keys(connectorKinds), ...modes]) expect(page).toContain(`\`${name}\``);
});

it('parameters that the README gives to the deployment exist', async () => {
  const settings = await text('serverless.yml');
  const named = [...(await text('README.md')).matchAll(/--param '?(\w+)=/g)].map(([, name]) => name);
  expect(named.length).toBeGreaterThan(2);
  for (const name of named) expect(settings, name).toMatch(new RegExp(`^    ${name}: `, 'm'));
});
