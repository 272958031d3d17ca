/** What a definitions file asks of the functions that it is packaged with: told before they are deployed, and not by the first run. */
import { isAbsolute } from 'node:path';
import type { Collector } from '../lib/config/collector.ts';
import { walkText } from '../lib/config/connections.ts';
import type { ConnectionDefinition, Definitions } from '../lib/config/definition.ts';
import { hasReference, parseReferences, type Reference } from '../lib/config/references.ts';

/** Of the function `sync`. The lists are those of the parameters of serverless.yml with these names: names or ARNs, comma separated. */
export interface Target {
  /** Names of its environment variables. */
  readonly variables: ReadonlySet<string>;
  readonly secrets: string;
  readonly ssmParameters: string;
  readonly readBuckets: string;
  readonly writeBuckets: string;
}

/** Set by Lambda itself, https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime. */
const ofRuntime = /^(?:AWS_|LAMBDA_|_HANDLER$|_X_AMZN_TRACE_ID$|TZ$|LANG$|PATH$|LD_LIBRARY_PATH$|NODE_PATH$)/;

/** Whether the list, whose items may hold the wildcards of IAM, allows one of these names. */
function allows(list: string, names: readonly string[], resource: RegExp): boolean {
  const bare = (text: string) => text.trim().replace(resource, '');
  return list.split(',').some((item) => {
    const pattern = bare(item).replace(/[^\w*?]/g, '\\$&');
    const whole = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`);
    return pattern !== '' && names.some((name) => whole.test(bare(name)));
  });
}

/** A secret's name, and what its ARN may end in: six random characters come behind the name there. */
const secretNames = (name: string): string[] => [name, `${name}-AbCdEf`, ...(name.startsWith('arn:') ? [name.replace(/-\w{6}$/, '')] : [])];

const secret = /^arn:[^:]*:secretsmanager:[^:]*:[^:]*:secret:/;
const parameter = /^arn:[^:]*:ssm:[^:]*:[^:]*:parameter\/|^\//;
const bucket = /^arn:[^:]*:s3:::/;

/** Faults are what no function could do as it is deployed; warnings what it has not been given by a parameter, and may have been given in another way. */
export function checkDeployable({ connections, syncs }: Definitions, collector: Collector, target: Target): void {
  const enabled = syncs.filter((sync) => sync.enabled);
  const written = new Set(enabled.map(({ destination }) => destination.connection));
  const used = new Set([...enabled.map(({ source }) => source.connection), ...written]);
  for (const connection of Object.values(connections)) {
    if (!used.has(connection.name)) continue;
    const path = ['connections', connection.name];
    walkText(connection.fields, [], (text, at) => {
      for (const part of parseReferences(text).parts ?? []) if (typeof part !== 'string') checkReference(part, [...path, ...at], { collector, target });
    });
    checkFile(connection, collector);
    checkBucket(connection, { collector, target, writes: written.has(connection.name) });
  }
}

function checkReference({ kind, name }: Reference, path: readonly (string | number)[], { collector, target }: { collector: Collector; target: Target }): void {
  if (kind === 'env' && !target.variables.has(name) && !ofRuntime.test(name))
    collector.fault(
      path,
      `the functions have no environment variable ${name}: refer to a secret or a parameter, as in \${secret:NAME#KEY}, or name it under environment in serverless.yml`,
    );
  if (kind === 'secret' && !allows(target.secrets, secretNames(name), secret))
    collector.warn(path, `the function may not read the secret ${name} by the parameter secrets: --param 'secrets=${name}'`);
  if (kind === 'ssm' && !allows(target.ssmParameters, [name], parameter))
    collector.warn(path, `the function may not read the parameter ${name} by the parameter ssmParameters: --param 'ssmParameters=${name}'`);
}

function checkFile({ name, type, fields: { path } }: ConnectionDefinition, collector: Collector): void {
  if (type !== 'sqlite' || typeof path !== 'string' || hasReference(path) || isAbsolute(path)) return;
  collector.fault(
    ['connections', name, 'path'],
    `a function looks for ${path} among its own code, where it may not write and no other file is packaged: name a place in /tmp, which is gone with the function, or on a file system that it mounts, or another database`,
  );
}

function checkBucket(
  { name, type, fields }: ConnectionDefinition,
  { collector, target, writes }: { collector: Collector; target: Target; writes: boolean },
): void {
  // At another server the function's role means nothing
  if (type !== 's3' || fields.endpoint !== undefined || typeof fields.bucket !== 'string' || hasReference(fields.bucket)) return;
  const given = writes ? target.writeBuckets : `${target.readBuckets},${target.writeBuckets}`;
  const asked = writes ? 'writeBuckets' : 'readBuckets';
  if (!allows(given, [fields.bucket], bucket))
    collector.warn(
      ['connections', name, 'bucket'],
      `the function may not ${writes ? 'write to' : 'read'} the bucket ${fields.bucket} by the parameter ${asked}: --param '${asked}=${fields.bucket}'`,
    );
}
