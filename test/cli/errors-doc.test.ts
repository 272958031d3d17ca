import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { errorCodes } from '../../lib/errors.ts';

it('docs/errors.md has one entry with a text for each error code, and for nothing else', async () => {
  const text = await readFile(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const entries = text.split(/^### /m).slice(1);
  const titles = entries.map((entry) => entry.slice(0, entry.indexOf('\n')));
  expect(titles.toSorted()).toEqual([...errorCodes].toSorted());
  for (const entry of entries) {
    const body = entry.slice(entry.indexOf('\n')).split(/^## /m)[0] ?? '';
    expect(body.trim().length, entry).toBeGreaterThan(40);
  }
});
