// Values of serverless.yml that depend on which parameters are given. Serverless calls them with its own resolver; null leaves a property out.

const list = (text) =>
  String(text ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');

const parameters = async (resolveVariable, ...names) =>
  Object.fromEntries(await Promise.all(names.map(async (name) => [name, list(await resolveVariable(`param:${name}`))])));

const partition = (resource) => ({ 'Fn::Sub': `arn:\${AWS::Partition}:${resource}` });

/** Subnets and security groups, or none: a function outside any VPC reaches only what is public. */
export async function vpc({ resolveVariable }) {
  const { subnetIds, securityGroupIds } = await parameters(resolveVariable, 'subnetIds', 'securityGroupIds');
  if (subnetIds.length === 0 && securityGroupIds.length === 0) return null;
  if (subnetIds.length === 0 || securityGroupIds.length === 0) throw new Error('give both subnetIds and securityGroupIds, comma separated, or neither');
  return { subnetIds, securityGroupIds };
}

/** A network interface in the VPC is made and removed by the function's own role. */
export async function managedPolicies(context) {
  return (await vpc(context)) ? [partition('iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole')] : null;
}

/** The definitions file that travels with the functions, where they are not kept in etcd. */
export async function packagePatterns({ resolveVariable }) {
  const syncs = String(await resolveVariable('param:syncs'));
  // Not `!**`, with which the globber still reads each folder, all of node_modules, to leave it out.
  return ['!**/**', ...(syncs === 'etcd' ? [] : [syncs])];
}

/** Invocations of `sync` at a time, held back from the account's limit; null: no limit but the account's. */
export async function syncConcurrency({ resolveVariable }) {
  const limit = String(await resolveVariable('param:syncConcurrency'));
  return limit === '' ? null : Number(limit);
}

// Secrets Manager ends each ARN with six random characters.
const secretArn = (name) => (name.startsWith('arn:') ? name : partition(`secretsmanager:\${AWS::Region}:\${AWS::AccountId}:secret:${name}-??????`));
const parameterArn = (name) => (name.startsWith('arn:') ? name : partition(`ssm:\${AWS::Region}:\${AWS::AccountId}:parameter/${name.replace(/^\//, '')}`));

const grants = (pairs) => pairs.filter(([resources]) => resources.length > 0).map(([Resource, Action]) => ({ Effect: 'Allow', Action, Resource }));

/** What the sync function may read and write beyond its own logs and bus: exactly what is named by parameters. */
async function dataStatements(resolveVariable) {
  const { secrets, ssmParameters, readBuckets, writeBuckets } = await parameters(resolveVariable, 'secrets', 'ssmParameters', 'readBuckets', 'writeBuckets');
  const buckets = [...new Set([...readBuckets, ...writeBuckets])];
  return grants([
    [secrets.map(secretArn), ['secretsmanager:GetSecretValue']],
    [ssmParameters.map(parameterArn), ['ssm:GetParameter']],
    [buckets.map((bucket) => partition(`s3:::${bucket}`)), ['s3:ListBucket', 's3:GetBucketLocation']],
    [buckets.map((bucket) => partition(`s3:::${bucket}/*`)), ['s3:GetObject']],
    [writeBuckets.map((bucket) => partition(`s3:::${bucket}/*`)), ['s3:PutObject', 's3:DeleteObject', 's3:AbortMultipartUpload']],
  ]);
}

/** Where the client certificate or the password for etcd is a reference, both functions read it. */
async function etcdStatements(resolveVariable) {
  const given = await parameters(resolveVariable, 'etcdCa', 'etcdCert', 'etcdKey', 'etcdPassword');
  const references = Object.values(given).flat();
  const names = (kind) => [...new Set(references.filter((text) => text.startsWith(`${kind}:`)).map((text) => text.slice(kind.length + 1).split('#')[0]))];
  return grants([
    [names('secret').map(secretArn), ['secretsmanager:GetSecretValue']],
    [names('ssm').map(parameterArn), ['ssm:GetParameter']],
  ]);
}

const policy = (PolicyName, Roles, Statement) => ({
  Type: 'AWS::IAM::Policy',
  Properties: { PolicyName, Roles: Roles.map((role) => ({ Ref: role })), PolicyDocument: { Version: '2012-10-17', Statement } },
});

/** Policies that exist only where a parameter asks for what they allow. */
export async function optionalResources({ resolveVariable }) {
  const data = await dataStatements(resolveVariable);
  const etcd = await etcdStatements(resolveVariable);
  const traced = (await resolveVariable('param:tracing')) === 'Active';
  // X-Ray has no resources to name.
  const tracing = { Effect: 'Allow', Action: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'], Resource: '*' };
  return {
    Resources: {
      ...(data.length > 0 ? { SyncDataAccess: policy('data', ['SyncRole'], data) } : {}),
      ...(etcd.length > 0 ? { EtcdAccess: policy('etcd', ['CoordinatorRole', 'SyncRole'], etcd) } : {}),
      ...(traced ? { Tracing: policy('tracing', ['CoordinatorRole', 'SyncRole'], [tracing]) } : {}),
    },
  };
}
