/** The templates: what cfn-lint says of each, with all of its rules; and `infra/up` and `infra/watch` as they are, run to their end against an emulator. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from '../../tools/bundle/functions.ts';
import { awsEnvironment } from '../support/aws.ts';
import { pythonTools } from '../support/servers/python.ts';
import { describeWith } from '../support/servers.ts';
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

interface Stack {
  readonly Stacks: readonly { readonly StackStatus: string; readonly Outputs?: readonly { readonly OutputKey: string; readonly OutputValue: string }[] }[];
}

await describeWith(['aws'], 'infra/up against an emulator', ({ aws }) => {
  const stage = `u${process.pid}`;
  let env: Record<string, string>;
  let printed: string;
  beforeAll(async () => {
    const folder = await temporaryFolder();
    const bin = join(folder.path, 'bin');
    await mkdir(bin);
    const environment = await tools();
    await writeFile(join(bin, 'aws'), `#!/bin/sh\nexec ${environment}/python ${environment}/aws "$@"\n`, { mode: 0o755 });
    const archive = Buffer.from('what stands for the archive of etcd');
    await writeFile(join(folder.path, 'etcd-v3.5.21-linux-arm64.tar.gz'), archive);
    const checksum = createHash('sha256').update(archive).digest('hex');
    const source = { ETCD_SHA256: checksum, ETCD_URL: pathToFileURL(folder.path).href };
    const access = awsEnvironment(aws.url);
    env = { ...access, AWS_DEFAULT_REGION: access.AWS_REGION ?? '', ...source, PATH: `${bin}:${process.env.PATH}` };
    printed = await succeed(join(infra, 'up'), [stage], env);
    return () => folder[Symbol.asyncDispose]();
  }, 300_000);

  const ask = async (...parameters: string[]): Promise<unknown> => JSON.parse(await succeed('aws', [...parameters, '--output', 'json'], env)) as unknown;
  const output = async (stack: string, key: string) => {
    const { Stacks } = (await ask('cloudformation', 'describe-stacks', '--stack-name', stack)) as Stack;
    return Stacks[0]?.Outputs?.find(({ OutputKey }) => OutputKey === key)?.OutputValue;
  };

  it('prints what the deployment has to be told, and only references to certificates', async () => {
    expect(printed).toContain(`--stage ${stage}`);
    for (const parameter of [
      'subnetIds=subnet-',
      'securityGroupIds=sg-',
      `etcdHosts=node1.etcd.idra-${stage}.internal:2379,node2`,
      `etcdKey=ssm:/idra/${stage}/etcd/idra-key`,
    ]) {
      expect(printed).toContain(`--param ${parameter}`);
    }
    expect(printed).not.toContain('PRIVATE KEY');
  });

  it('makes subnets in three zones, and volumes in them that are encrypted', async () => {
    const { Volumes } = (await ask(
      'ec2',
      'describe-volumes',
      '--filters',
      `Name=tag:aws:cloudformation:stack-name,Values=${[1, 2, 3].map((n) => `idra-${stage}-etcd-${n}`).join(',')}`,
      'Name=tag:aws:cloudformation:logical-id,Values=Volume',
    )) as {
      Volumes: readonly { AvailabilityZone: string; Size: number }[];
    };
    // The emulator does not take encryption and tags over from the template.
    expect(await readFile(join(infra, 'etcd-node.yml'), 'utf8')).toMatch(/AWS::EC2::Volume\n {4}DeletionPolicy: Retain[\s\S]*?Encrypted: true/);
    expect(Volumes.map(({ Size }) => Size)).toEqual([8, 8, 8]);
    expect(new Set(Volumes.map(({ AvailabilityZone }) => AvailabilityZone)).size).toBe(3);
  }, 60_000);

  it('stores certificates encrypted, and lets the nodes read no more of them than they need', async () => {
    const { Parameters } = (await ask('ssm', 'get-parameters-by-path', '--path', `/idra/${stage}/etcd`)) as {
      Parameters: readonly { Name: string; Type: string }[];
    };
    const names = ['ca', 'ca-key', 'idra-cert', 'idra-key', ...[1, 2, 3].flatMap((n) => [`node${n}-cert`, `node${n}-key`]), 'root-cert', 'root-key'];
    expect(Parameters.map(({ Name }) => Name.split('/').at(-1)).toSorted()).toEqual(names.toSorted());
    expect(new Set(Parameters.map(({ Type }) => Type))).toEqual(new Set(['SecureString']));
    const template = await readFile(join(infra, 'etcd.yml'), 'utf8');
    expect([...template.matchAll(/parameter\$\{Certificates\}\/(\S+)/g)].map(([, name]) => name)).toEqual(['ca', 'node*', 'root-*']);
  }, 60_000);

  it('may be run again: nothing is made twice, and no certificate anew', async () => {
    const before = await output(`idra-${stage}-storage`, 'Bucket');
    const version = () => ask('ssm', 'get-parameter', '--name', `/idra/${stage}/etcd/ca`, '--query', 'Parameter.Version');
    expect(await version()).toBe(1);
    expect(await succeed(join(infra, 'up'), [stage], env)).toBe(printed);
    expect(await version()).toBe(1);
    expect(await output(`idra-${stage}-storage`, 'Bucket')).toBe(before);
  }, 120_000);

  it('refuses an archive with another checksum', async () => {
    const { code, stdout, stderr } = await execute(join(infra, 'up'), [stage], { ...env, ETCD_SHA256: '0'.repeat(64) });
    expect(code).not.toBe(0);
    expect(stdout + stderr).toMatch(/FAILED|did NOT match/);
  }, 60_000);

  it('makes alarms and a dashboard over the metrics that the functions emit', async () => {
    const parameters = [`Functions=idra-${stage}`, 'DeadLetterQueue=dead', `Cluster=idra-${stage}-etcd`, 'Email=ops@example.com'];
    const stack = ['--stack-name', `idra-${stage}-alarms`, '--template-file', join(infra, 'alarms.yml')];
    await succeed('aws', ['cloudformation', 'deploy', ...stack, '--parameter-overrides', ...parameters], env);
    const { MetricAlarms } = (await ask('cloudwatch', 'describe-alarms', '--alarm-name-prefix', `idra-${stage}-`)) as {
      MetricAlarms: readonly { AlarmName: string; AlarmActions: readonly string[] }[];
    };
    expect(MetricAlarms).toHaveLength(15);
    for (const { AlarmName, AlarmActions } of MetricAlarms) expect(AlarmActions, AlarmName).toHaveLength(1);
    const board = (await ask('cloudwatch', 'get-dashboard', '--dashboard-name', `idra-${stage}`)) as { DashboardBody: string };
    const { widgets } = JSON.parse(board.DashboardBody) as { widgets: readonly unknown[] };
    expect(widgets).toHaveLength(12);
  }, 60_000);
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
