import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { EventBridgeClient, ListRulesCommand, ListTargetsByRuleCommand } from '@aws-sdk/client-eventbridge';
import { beforeAll, expect, it } from 'vitest';
import { root } from '../../tools/bundle/functions.ts';
import { AwsCli } from '../infra/aws-cli.ts';
import { execute, infra } from '../infra/etcd-nodes.ts';
import { lint } from '../infra/tools.ts';
import { awsAccess, awsEnvironment } from '../support/aws.ts';
import { hostArchitecture } from '../support/harness/bundles.ts';
import { describeWith } from '../support/servers.ts';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts';
import { World } from './world.ts';

const run = promisify(execFile);
const stage = `t${process.pid}`;

interface Statement {
  readonly Action: string | readonly string[];
  readonly Resource: unknown;
}
interface Template {
  readonly Resources: Readonly<Record<string, { readonly Type: string; readonly Properties: Readonly<Record<string, unknown>> }>>;
}

async function serverless(command: string, environment: Readonly<Record<string, string>>, ...options: string[]): Promise<string> {
  const program = join(root, 'node_modules/serverless/bin/serverless.js');
  const { stdout, stderr } = await run(process.execPath, [program, command, '--stage', stage, '--param', `arch=${hostArchitecture}`, ...options], {
    cwd: root,
    env: { ...process.env, ...environment },
  });
  return stdout + stderr;
}

/** The statements of a role's inline policies as `action on resource`. */
function grants({ Resources }: Template, role: string): string[] {
  const policies = Resources[role]?.Properties.Policies as readonly { readonly PolicyDocument: { readonly Statement: readonly Statement[] } }[];
  return policies
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .flatMap(({ Action, Resource }) => [Action].flat().map((action) => `${action} on ${JSON.stringify(Resource)}`))
    .sort();
}

const arnOf = (resource: string) => JSON.stringify({ 'Fn::GetAtt': [resource, 'Arn'] });

const made = 'cloudformation-template-update-stack.json';
/** All that serverless.yml can be told of a network, of etcd and of rights. */
const given = [
  'secrets=idra/*',
  'ssmParameters=/idra/shop',
  'readBuckets=in',
  'writeBuckets=out',
  'subnetIds=subnet-0123456789abcdef0,subnet-0123456789abcdef1',
  'securityGroupIds=sg-0123456789abcdef0',
  'etcdHosts=node1.etcd.internal:2379',
  'etcdCa=ssm:/idra/prod/etcd/ca',
  'etcdCert=ssm:/idra/prod/etcd/idra-cert',
  'etcdKey=secret:etcd#key',
  'tracing=Active',
  'metricsDetail=service',
  'syncConcurrency=50',
].flatMap((parameter) => ['--param', parameter]);

await describeWith(['aws', 'etcd'], 'deployment', ({ aws }) => {
  let template: Template;
  let other: TemporaryFolder;
  beforeAll(async () => {
    other = await temporaryFolder();
    // One after the other: both make the bundles
    await serverless('package', {}, '--package', other.path, ...given);
    await serverless('deploy', awsEnvironment(aws.url));
    template = JSON.parse(await readFile(join(root, '.serverless', made), 'utf8')) as Template;
    return async () => {
      await serverless('remove', awsEnvironment(aws.url));
      await other[Symbol.asyncDispose]();
    };
  }, 300_000);

  it('has the rules, the queue and the functions that were meant', async () => {
    const client = new EventBridgeClient(awsAccess(aws.url));
    const bus = `idra-${stage}`;
    const { Rules = [] } = await client.send(new ListRulesCommand({ EventBusName: bus }));
    expect(Rules).toHaveLength(1);
    expect(JSON.parse(Rules[0]?.EventPattern ?? '')).toEqual({ source: ['idra'], 'detail-type': ['Sync Requested'] });
    const { Targets = [] } = await client.send(new ListTargetsByRuleCommand({ EventBusName: bus, Rule: Rules[0]?.Name }));
    expect(Targets).toEqual([
      expect.objectContaining({
        Arn: expect.stringMatching(new RegExp(`:function:idra-${stage}-sync$`)),
        RetryPolicy: { MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 3600 },
        DeadLetterConfig: { Arn: expect.stringContaining('SyncDeadLetters') },
      }),
    ]);
    const schedules = (await client.send(new ListRulesCommand({}))).Rules?.filter(({ Name }) => Name?.startsWith(`idra-${stage}-`));
    expect(schedules?.map(({ ScheduleExpression, State }) => [ScheduleExpression, State])).toEqual([['rate(1 minute)', 'ENABLED']]);
    client.destroy();
    for (const [name, timeout] of [
      ['coordinator', 60],
      ['sync', 900],
    ] as const) {
      // The emulator goes by the signature's scope alone.
      const authorization = `AWS4-HMAC-SHA256 Credential=test/20260101/${awsAccess(aws.url).region}/lambda/aws4_request, SignedHeaders=host, Signature=test`;
      const response = await fetch(`${aws.url}/2015-03-31/functions/idra-${stage}-${name}`, { headers: { authorization } });
      const { Configuration } = (await response.json()) as { Configuration: object };
      expect(Configuration).toMatchObject({
        Timeout: timeout,
        Handler: `dist/${name}/index.handler`,
        Runtime: 'nodejs24.x',
        Environment: { Variables: { IDRA_EVENT_BUS: bus, IDRA_SYNCS: 'etcd', IDRA_ETCD_PREFIX: 'idra/', IDRA_METRICS_DETAIL: 'sync' } },
      });
    }
  });

  it('grants each function what it does and nothing else', () => {
    expect(grants(template, 'CoordinatorRole')).toEqual([
      `events:PutEvents on ${arnOf('Bus')}`,
      `logs:CreateLogStream on ${arnOf('CoordinatorLogGroup')}`,
      `logs:PutLogEvents on ${arnOf('CoordinatorLogGroup')}`,
    ]);
    expect(grants(template, 'SyncRole')).toEqual([
      `events:PutEvents on ${arnOf('Bus')}`,
      `logs:CreateLogStream on ${arnOf('SyncLogGroup')}`,
      `logs:PutLogEvents on ${arnOf('SyncLogGroup')}`,
      `sqs:SendMessage on ${arnOf('SyncDeadLetters')}`,
    ]);
    expect(Object.values(template.Resources).filter(({ Type }) => Type === 'AWS::IAM::Policy')).toEqual([]);
    expect(template.Resources.SyncLogGroup?.Properties).toMatchObject({ RetentionInDays: 30 });
    expect(template.Resources.SyncLambdaEvConf?.Properties).toMatchObject({ MaximumEventAgeInSeconds: 3600, MaximumRetryAttempts: 2 });
  });

  it('keeps the packages small', async () => {
    expect((await stat(join(root, '.serverless/sync.zip'))).size).toBeLessThan(5_000_000);
    expect((await stat(join(root, '.serverless/coordinator.zip'))).size).toBeLessThan(1_000_000);
  });

  it('the code from the packages runs', async () => {
    await using folder = await temporaryFolder();
    for (const name of ['sync', 'coordinator']) await run('python3', ['-m', 'zipfile', '-e', join(root, `.serverless/${name}.zip`), folder.path]);
    await using world = await World.start({ functions: join(folder.path, 'dist') });
    await world.sync('packaged', 300);
    const tick = await world.invoke('coordinator', {});
    expect(tick.result).toMatchObject({ role: 'leader', sent: 1 });
    await world.delivery();
    expect(world.delivered.map(({ result }) => result)).toMatchObject([{ sync: 'packaged', status: 'succeeded', written: 300 }]);
    expect(world.ids('packaged')).toHaveLength(300);
  }, 120_000);

  it("is watched by `infra/watch`: alarms and dashboard over what was deployed, the mail, and etcd where it is Idra's", async () => {
    await using cli = await AwsCli.start(aws.url);
    const { code, stderr } = await execute(join(infra, 'watch'), [stage, 'you@example.com'], cli.environment);
    expect(code, stderr).toBe(0);
    interface Stack {
      readonly Parameters: readonly { readonly ParameterKey: string; readonly ParameterValue: string }[];
    }
    const stack = `idra-${stage}-alarms`;
    const { Parameters } = await cli.json<Stack>('cloudformation', 'describe-stacks', '--stack-name', stack, '--query', 'Stacks[0]');
    expect(Object.fromEntries(Parameters.map(({ ParameterKey, ParameterValue }) => [ParameterKey, ParameterValue]))).toMatchObject({
      Functions: `idra-${stage}`,
      Service: `idra-${stage}`,
      DeadLetterQueue: expect.stringMatching(new RegExp(`^idra-${stage}-SyncDeadLetters-\\w+$`)),
      Cluster: `idra-${stage}-etcd`,
      Email: 'you@example.com',
    });
    // The emulator makes no alarms of a template; the dashboard has the names of the same metrics
    const dashboard = await cli.json<string>('cloudwatch', 'get-dashboard', '--dashboard-name', `idra-${stage}`, '--query', 'DashboardBody');
    expect((JSON.parse(dashboard) as { readonly widgets: readonly object[] }).widgets.length).toBeGreaterThan(12);
    expect(dashboard).not.toContain('${');
    await execute('aws', ['cloudformation', 'delete-stack', '--stack-name', stack], cli.environment);
  }, 120_000);

  it('is sound to cfn-lint as it comes, and with all that can be given', async () => {
    const files = [join(root, '.serverless', made), join(other.path, made)];
    expect([...(await lint(files)).values()]).toEqual([[], []]);
  }, 120_000);

  it('names of secrets, parameters and buckets become exactly those permissions, and subnets put the functions into the VPC', async () => {
    const { Resources } = JSON.parse(await readFile(join(other.path, made), 'utf8')) as Template;
    const document = Resources.SyncDataAccess?.Properties.PolicyDocument as { Statement: readonly Statement[] } | undefined;
    const arn = (resource: string) => ({ 'Fn::Sub': `arn:\${AWS::Partition}:${resource}` });
    const here = '${AWS::Region}:${AWS::AccountId}';
    expect(document?.Statement.map(({ Action, Resource }) => [Action, Resource])).toEqual([
      [['secretsmanager:GetSecretValue'], [arn(`secretsmanager:${here}:secret:idra/*-??????`)]],
      [['ssm:GetParameter'], [arn(`ssm:${here}:parameter/idra/shop`)]],
      [
        ['s3:ListBucket', 's3:GetBucketLocation'],
        [arn('s3:::in'), arn('s3:::out')],
      ],
      [['s3:GetObject'], [arn('s3:::in/*'), arn('s3:::out/*')]],
      [['s3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload'], [arn('s3:::out/*')]],
    ]);
    expect(Resources.SyncLambdaFunction?.Properties).toMatchObject({
      VpcConfig: { SubnetIds: ['subnet-0123456789abcdef0', 'subnet-0123456789abcdef1'], SecurityGroupIds: ['sg-0123456789abcdef0'] },
      Environment: { Variables: { IDRA_METRICS_DETAIL: 'service' } },
      TracingConfig: { Mode: 'Active' },
    });
    expect(Resources.Tracing?.Properties).toMatchObject({ Roles: [{ Ref: 'CoordinatorRole' }, { Ref: 'SyncRole' }] });
  });
});
