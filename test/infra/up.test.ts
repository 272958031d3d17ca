/** `infra/up` as it is given, with the AWS CLI, against an emulator of AWS: from an empty account to three nodes, and again after a change. */
import { createHash } from 'node:crypto';
import { appendFile, cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/servers.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { AwsCli } from './aws-cli.ts';
import { execute, infra, type Said } from './etcd-nodes.ts';

const stage = `u${process.pid}`;
const cluster = `idra-${stage}-etcd`;
const domain = `etcd.idra-${stage}.internal`;
const certificates = `/idra/${stage}/etcd`;

interface Resources {
  readonly StackResources: readonly { readonly LogicalResourceId: string; readonly PhysicalResourceId: string }[];
}
interface Parameter {
  readonly Parameter: { readonly Value: string; readonly Type: string; readonly Version: number };
}

await describeWith(['aws'], 'infra/up', ({ aws }) => {
  let cli: AwsCli;
  let folder: string;
  let first: Said;
  const up = async (environment: Readonly<Record<string, string>>, name = stage): Promise<Said> => {
    const archive = Buffer.from('stands in for etcd');
    const version = environment.ETCD_VERSION ?? '3.5.21';
    await writeFile(join(folder, `etcd-v${version}-linux-arm64.tar.gz`), archive);
    const from = { ETCD_URL: `file://${folder}`, ETCD_SHA256: createHash('sha256').update(archive).digest('hex') };
    return execute(join(folder, 'infra/up'), [name], { ...cli.environment, ...from, ...environment });
  };
  const resources = async (stack: string): Promise<Readonly<Record<string, string>>> => {
    const { StackResources } = await cli.json<Resources>('cloudformation', 'describe-stack-resources', '--stack-name', stack);
    return Object.fromEntries(StackResources.map(({ LogicalResourceId, PhysicalResourceId }) => [LogicalResourceId, PhysicalResourceId]));
  };
  const parameter = async (name: string): Promise<Parameter['Parameter']> =>
    (await cli.json<Parameter>('ssm', 'get-parameter', '--name', `${certificates}/${name}`)).Parameter;
  /** What the newest version of a node's launch template runs at its start. */
  const userData = async (template: string): Promise<string> => {
    const query = 'LaunchTemplateVersions[0].LaunchTemplateData.UserData';
    const text = await cli.json<string>(
      'ec2',
      'describe-launch-template-versions',
      '--launch-template-id',
      template,
      '--versions',
      '$Latest',
      '--query',
      query,
    );
    return Buffer.from(text, 'base64').toString();
  };

  beforeAll(async () => {
    const temporary = await temporaryFolder();
    folder = temporary.path;
    await cp(infra, join(folder, 'infra'), { recursive: true });
    cli = await AwsCli.start(aws.url);
    first = await up({});
    return async () => {
      await cli[Symbol.asyncDispose]();
      await temporary[Symbol.asyncDispose]();
    };
  }, 240_000);

  it('ends with the command that deploys the functions into its network, with its etcd', async () => {
    expect(first).toMatchObject({ code: 0 });
    const given = Object.fromEntries([...first.stdout.matchAll(/--param (\w+)=(\S+)/g)].map(([, name, value]) => [name, value]));
    const shared = await resources(cluster);
    expect(first.stdout).toContain(`npx serverless deploy --stage ${stage} --region ${cli.environment.AWS_REGION} \\\n`);
    expect(given).toEqual({
      subnetIds: expect.any(String),
      securityGroupIds: shared.ClientGroup,
      etcdHosts: [1, 2, 3].map((node) => `node${node}.${domain}:2379`).join(','),
      etcdCa: `ssm:${certificates}/ca`,
      etcdCert: `ssm:${certificates}/idra-cert`,
      etcdKey: `ssm:${certificates}/idra-key`,
    });
    const subnets = given.subnetIds?.split(',') ?? [];
    const zones = await cli.json<string[]>('ec2', 'describe-subnets', '--subnet-ids', ...subnets, '--query', 'Subnets[].AvailabilityZone');
    expect(new Set(zones).size).toBe(3);
  });

  it('makes three nodes, each in its zone with its own volume and name, and an etcd that is checked', async () => {
    const volumes = new Set<string>();
    for (const node of [1, 2, 3]) {
      const { Volume = '', Address = '', Template = '', Node = '' } = await resources(`${cluster}-${node}`);
      volumes.add(Volume);
      const script = await userData(Template);
      for (const line of [`NODE=${node}`, `VOLUME=${Volume}`, `NETWORK_INTERFACE=${Address}`, `CERTIFICATES=${certificates}`, `STACK=${cluster}-${node}`])
        expect(script).toContain(`${line}\n`);
      expect(script).toMatch(/ARCHIVE=etcd-v3\.5\.21-linux-arm64\.tar\.gz\nCHECKSUM=[0-9a-f]{64}\n/);
      expect(script).toContain(`HOSTS="node1.${domain} node2.${domain} node3.${domain}"`);
      const query = 'AutoScalingGroups[0].[DesiredCapacity,MaxSize,AvailabilityZones[0]]';
      const group = await cli.json('autoscaling', 'describe-auto-scaling-groups', '--auto-scaling-group-names', Node, '--query', query);
      const zone = await cli.json('ec2', 'describe-volumes', '--volume-ids', Volume, '--query', 'Volumes[0].AvailabilityZone');
      expect(group).toEqual([1, 1, zone]);
    }
    expect(volumes.size).toBe(3);
  });

  it('puts into the bucket what the nodes are set up from, and the keys where only they and the functions read them', async () => {
    const { Bucket = '' } = await resources(`idra-${stage}-storage`);
    const keys = await cli.json<string[]>('s3api', 'list-objects-v2', '--bucket', Bucket, '--query', 'Contents[].Key');
    const scripts = (await readdir(join(infra, 'node'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
    const digests = new Set(keys.map((key) => /^node\/([0-9a-f]{16})\//.exec(key)?.[1]).filter((digest) => digest !== undefined));
    expect(digests.size).toBe(1);
    expect(keys).toHaveLength(scripts.length + 1);
    expect(await userData((await resources(`${cluster}-1`)).Template ?? '')).toContain(`s3://${Bucket}/node/${[...digests][0]} /opt/idra`);
    for (const name of ['ca', 'ca-key', 'node1-cert', 'node3-key', 'root-key', 'idra-cert', 'idra-key'])
      expect(await parameter(name), name).toMatchObject({ Type: 'SecureString', Version: 1 });
  });

  it('a node tells the alarms what they look at, whether etcd answers or not', async () => {
    const tls = join(folder, 'tls');
    expect(await execute(join(infra, 'certificates'), [tls, '127.0.0.1'])).toMatchObject({ code: 0 });
    const node = { IDRA_ETCD_SETTINGS: '/dev/null', HOSTS: '127.0.0.1', NODE: '1', TLS: tls, CLUSTER: cluster, METRICS_PORT: '1' };
    expect(await execute(join(infra, 'node/health'), [], { ...cli.environment, ...node })).toMatchObject({ code: 0, stderr: '' });
    const statistics = ['--period', '60', '--statistics', 'Maximum', '--start-time', '2020-01-01T00:00:00Z', '--end-time', '2099-01-01T00:00:00Z'];
    const dimensions = ['--dimensions', `Name=Cluster,Value=${cluster}`, 'Name=Node,Value=node1', '--query', 'Datapoints[].Maximum'];
    for (const [name, values] of [
      ['Healthy', [0]],
      // A day is over a second after it began
      ['CertificateDays', [expect.toSatisfy((days) => days === 824 || days === 825)]],
      ['DatabaseBytes', []],
    ] as const) {
      const found = await cli.json('cloudwatch', 'get-metric-statistics', '--namespace', 'Idra/Etcd', '--metric-name', name, ...statistics, ...dimensions);
      expect(found, name).toEqual(values);
    }
  });

  it('changes what has changed when it is given again, and keeps the certificates', async () => {
    // The emulator refuses an update that changes nothing, where AWS makes an empty change set
    for (const name of ['storage', 'network', 'etcd', 'etcd-node']) await appendFile(join(folder, 'infra', `${name}.yml`), '# changed\n');
    await appendFile(join(folder, 'infra/node/health'), '# changed\n');
    const before = await userData((await resources(`${cluster}-1`)).Template ?? '');
    const again = await up({ ETCD_VERSION: '3.5.22' });
    expect(again).toMatchObject({ code: 0, stdout: first.stdout });
    const after = await userData((await resources(`${cluster}-1`)).Template ?? '');
    expect(after).toContain('ARCHIVE=etcd-v3.5.22-linux-arm64.tar.gz');
    const scripts = (text: string): string | undefined => /\/node\/([0-9a-f]{16}) /.exec(text)?.[1];
    expect(scripts(after)).not.toBe(scripts(before));
    expect(await parameter('ca-key')).toMatchObject({ Version: 1 });
  }, 120_000);

  it('stops at an archive with another checksum, before there are keys or nodes', async () => {
    const other = await up({ ETCD_SHA256: '0'.repeat(64) }, `${stage}x`);
    expect(other).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('did NOT match') });
    const made = await cli.json<string[]>('cloudformation', 'list-stacks', '--query', 'StackSummaries[].StackName');
    expect(made.filter((name) => name.startsWith(`idra-${stage}x`)).sort()).toEqual([`idra-${stage}x-network`, `idra-${stage}x-storage`]);
  }, 60_000);

  it('says what it wants where nothing is given', async () => {
    const nowhere = { ...cli.environment, AWS_REGION: '', AWS_DEFAULT_REGION: '' };
    expect(await execute(join(infra, 'up'), ['x'], nowhere)).toMatchObject({ code: 1, stderr: expect.stringContaining('set AWS_REGION') });
    const missing = await execute(join(infra, 'watch'), [`${stage}-none`], cli.environment);
    expect(missing).toMatchObject({ stdout: '', stderr: expect.stringContaining('does not exist') });
    expect(missing.code).not.toBe(0);
    const script = await readFile(join(infra, 'up'), 'utf8');
    expect(await execute(join(infra, 'up'), [], cli.environment)).toMatchObject({ code: 1, stderr: expect.stringContaining('usage: infra/up STAGE') });
    const bare = await execute(join(infra, 'up'), ['x'], cli.environment);
    expect(bare).toMatchObject({ code: 1, stderr: expect.stringContaining('SHA256SUMS') });
    for (const [, variable] of script.matchAll(/\$\{([A-Z]+_?[A-Z0-9]*):-/g)) expect(script.split('cd "$(dirname')[0], variable).toContain(variable);
  });
});
