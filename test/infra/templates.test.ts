import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../tools/bundle/functions.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { infra } from './etcd-nodes.ts';
import { lint } from './tools.ts';

const templates = ['storage', 'network', 'etcd', 'etcd-node', 'alarms'] as const;

describe('cfn-lint', () => {
  let found: ReadonlyMap<string, readonly string[]>;
  const file = (name: string): string => join(infra, `${name}.yml`);
  let wrong: string;
  beforeAll(async () => {
    const folder = await temporaryFolder();
    wrong = join(folder.path, 'wrong.yml');
    const text = await readFile(file('storage'), 'utf8');
    await writeFile(wrong, text.replace('BucketEncryption:', 'BucketEncription:'));
    found = await lint([...templates.map(file), wrong]);
    return () => folder[Symbol.asyncDispose]();
  }, 240_000);

  it.for(templates)('finds nothing in infra/%s.yml', (name) => {
    expect(found.get(file(name))).toEqual([]);
  });

  it('finds what is wrong where something is', () => {
    expect(found.get(wrong)).toEqual([expect.stringContaining('BucketEncription')]);
  });
});

it('alarms and dashboard name no metric that nothing emits', async () => {
  const template = await readFile(join(infra, 'alarms.yml'), 'utf8');
  const code = await readFile(join(root, 'functions/middleware/measures.ts'), 'utf8');
  const scripts = (await Promise.all(['health', 'snapshot'].map((name) => readFile(join(infra, 'node', name), 'utf8')))).join('\n');
  const emitted = new Set([...code.matchAll(/(?:addMetric|count)\(\s*'(\w+)'/g)].map(([, name]) => name));
  const ours = [
    ...template.matchAll(/Namespace: Idra\n\s+MetricName: (\w+)/g),
    ...template.matchAll(/SELECT \w+\((\w+)\) FROM Idra /g),
    ...template.matchAll(/MetricName=\\"(\w+)\\"/g),
    ...template.matchAll(/\["Idra", "(\w+)", "service"/g),
  ].map(([, name]) => name);
  expect(ours.length).toBeGreaterThan(15);
  for (const name of ours) expect(emitted, name).toContain(name);
  const nodes = [...template.matchAll(/Namespace: Idra\/Etcd\n\s+MetricName: (\w+)/g), ...template.matchAll(/"Idra\/Etcd", "(\w+)"/g)].map(([, name]) => name);
  const queried = [...template.matchAll(/SELECT \w+\((\w+)\) FROM SCHEMA\("Idra\/Etcd"/g)].map(([, name]) => name);
  expect(new Set([...nodes, ...queried])).toEqual(new Set(['Healthy', 'SnapshotBytes', 'DatabaseBytes', 'CertificateDays']));
  for (const name of [...nodes, ...queried]) expect(scripts).toMatch(new RegExp(`(metric |--metric-name )${name} `));
});
