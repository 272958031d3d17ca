import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../tools/bundle/functions.ts';
import { pythonTools } from '../support/servers/python.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { execute, infra, succeed } from './etcd-nodes.ts';

/** Programs of one environment; run through its Python, since a script's first line names the folder in which the environment was made. */
const tools = () => pythonTools('infra-tools-1', ['cfn-lint==1.58.0', 'awscli==1.46.3']);
const lint = async (...files: string[]) => execute(join(await tools(), 'python'), [join(await tools(), 'cfn-lint'), '--regions', 'eu-west-1', '--', ...files]);

const vpc = ['subnetIds=subnet-0123456789abcdef0,subnet-0123456789abcdef1', 'securityGroupIds=sg-0123456789abcdef0', 'etcdHosts=node1.etcd.internal:2379'];
const etcd = ['etcdCa=ssm:/idra/prod/etcd/ca', 'etcdCert=ssm:/idra/prod/etcd/idra-cert', 'etcdKey=secret:etcd#key'];
const rights = ['secrets=idra/*', 'ssmParameters=/idra/shop', 'readBuckets=in', 'writeBuckets=out', 'tracing=Active', 'syncConcurrency=50'];

describe('cfn-lint', { timeout: 240_000 }, () => {
  beforeAll(tools, 240_000);

  it.for(['storage', 'network', 'etcd', 'etcd-node', 'alarms'])('finds nothing in infra/%s.yml', async (name) => {
    expect(await lint(join(infra, `${name}.yml`))).toMatchObject({ code: 0, stdout: '' });
  });

  it('finds what is wrong where something is', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'wrong.yml');
    const text = await readFile(join(infra, 'storage.yml'), 'utf8');
    await writeFile(file, text.replace('BucketEncryption:', 'BucketEncription:'));
    expect(await lint(file)).toMatchObject({ code: expect.not.toSatisfy((code) => code === 0), stdout: expect.stringContaining('BucketEncription') });
  });

  it.for([
    ['as it comes', []],
    ['with a network, etcd by reference, and rights', [...vpc, ...etcd, ...rights]],
  ] as const)('finds nothing in what serverless.yml becomes %s', async ([, parameters]) => {
    await using folder = await temporaryFolder();
    const options = ['--stage', 'lint', '--package', folder.path, ...parameters.flatMap((parameter) => ['--param', parameter])];
    await succeed(process.execPath, [join(root, 'node_modules/serverless/bin/serverless.js'), 'package', ...options]);
    expect(await lint(join(folder.path, 'cloudformation-template-update-stack.json'))).toMatchObject({ code: 0, stdout: '' });
  });
});

it('alarms and dashboard name no metric that nothing emits', async () => {
  const template = await readFile(join(infra, 'alarms.yml'), 'utf8');
  const code = await readFile(join(root, 'functions/middleware/measures.ts'), 'utf8');
  const scripts = (await Promise.all(['health', 'snapshot'].map((name) => readFile(join(infra, 'node', name), 'utf8')))).join('\n');
  const emitted = new Set([...code.matchAll(/addMetric\(\s*'(\w+)'/g)].map(([, name]) => name));
  const ours = [
    ...template.matchAll(/Namespace: Idra\n\s+MetricName: (\w+)/g),
    ...template.matchAll(/SELECT \w+\((\w+)\) FROM SCHEMA\(Idra,/g),
    ...template.matchAll(/MetricName=\\"(\w+)\\"/g),
    ...template.matchAll(/\["Idra", "(\w+)", "service"/g),
  ].map(([, name]) => name);
  expect(ours.length).toBeGreaterThan(15);
  for (const name of ours) expect(emitted, name).toContain(name);
  const nodes = [...template.matchAll(/Namespace: Idra\/Etcd\n\s+MetricName: (\w+)/g), ...template.matchAll(/"Idra\/Etcd", "(\w+)"/g)].map(([, name]) => name);
  expect(new Set(nodes)).toEqual(new Set(['Healthy', 'SnapshotBytes', 'DatabaseBytes']));
  for (const name of nodes) expect(scripts).toMatch(new RegExp(`(put |--metric-name )${name} `));
});
