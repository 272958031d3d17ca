/** Parameter Store and Secrets Manager. Each client is imported when the first reference of its kind is met: most runs need neither. */
import { type Retry, SyncError } from '../errors.ts';

/** A service that does not answer has to become an error well within an invocation: three attempts of ten seconds. */
const bounded = { maxAttempts: 3, requestHandler: { connectionTimeout: 3000, requestTimeout: 10_000, throwOnRequestTimeout: true } };

let parameterStore: Promise<(name: string) => Promise<string | undefined>> | undefined;
let secretsManager: Promise<(name: string) => Promise<string | undefined>> | undefined;

/** Value of an SSM parameter, decrypted. The error's message is the reason alone. */
export async function fetchParameter(name: string): Promise<string> {
  parameterStore ??= import('@aws-sdk/client-ssm').then(({ GetParameterCommand, SSMClient }) => {
    const client = new SSMClient(bounded);
    return async (parameter) => (await client.send(new GetParameterCommand({ Name: parameter, WithDecryption: true }))).Parameter?.Value;
  });
  return found(parameterStore, name);
}

/** Text of a secret. A binary one is refused: a connection field is text. */
export async function fetchSecret(name: string): Promise<string> {
  secretsManager ??= import('@aws-sdk/client-secrets-manager').then(({ GetSecretValueCommand, SecretsManagerClient }) => {
    const client = new SecretsManagerClient(bounded);
    return async (secret) => (await client.send(new GetSecretValueCommand({ SecretId: secret }))).SecretString;
  });
  return found(secretsManager, name);
}

async function found(service: Promise<(name: string) => Promise<string | undefined>>, name: string): Promise<string> {
  let value: string | undefined;
  try {
    value = await (await service)(name);
  } catch (error) {
    const [reason, retry] = explain(error);
    throw new SyncError('SECRET_UNRESOLVED', reason, { retry, cause: error });
  }
  if (value === undefined || value === '') throw new SyncError('SECRET_UNRESOLVED', 'it is empty or binary');
  return value;
}

/** The services' error codes, as their API references list them; the SDK gives them as the error's name. */
function explain(error: unknown): [reason: string, retry: Retry] {
  const code = error instanceof Error ? error.name : 'unknown error';
  switch (code) {
    case 'ParameterNotFound':
    case 'ParameterVersionNotFound':
    case 'ResourceNotFoundException':
      return ['it does not exist in this account and region', 'never'];
    case 'AccessDeniedException':
    case 'UnrecognizedClientException':
    case 'InvalidSignatureException':
    case 'ExpiredTokenException':
      return [`the role may not read it (${code})`, 'never'];
    case 'CredentialsProviderError':
      return ['there are no AWS credentials', 'never'];
    case 'InvalidKeyId':
    case 'DecryptionFailure':
      return [`it could not be decrypted (${code})`, 'never'];
    case 'ValidationException':
    case 'InvalidRequestException':
    case 'InvalidParameterException':
      return [`the name is not valid, or it is being deleted (${code})`, 'never'];
    default:
      return [`the service did not answer (${code})`, 'backoff'];
  }
}
