import { type ErrorCode, type ErrorPlace, type Retry, SyncError } from '../../errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly retry?: Retry;
  readonly advice: string;
}

/** By error code of the service (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html) and by what the SDK and Node throw on their own. */
const meanings: Readonly<Record<string, Meaning>> = {
  NoSuchBucket: { code: 'NOT_FOUND', advice: 'there is no such bucket' },
  NoSuchKey: { code: 'NOT_FOUND', advice: 'there is no such object' },
  NoSuchUpload: { code: 'CONFLICT', retry: 'now', advice: 'the upload of parts is gone' },
  AccessDenied: { code: 'PERMISSION_DENIED', advice: 'the role or the user of this process may not do that' },
  AllAccessDisabled: { code: 'PERMISSION_DENIED', advice: 'all access to the bucket is disabled' },
  InvalidAccessKeyId: { code: 'AUTHENTICATION_FAILED', advice: 'the access key is not known' },
  SignatureDoesNotMatch: { code: 'AUTHENTICATION_FAILED', advice: 'the secret key does not belong to the access key' },
  ExpiredToken: { code: 'AUTHENTICATION_FAILED', advice: 'the credentials have expired' },
  InvalidToken: { code: 'AUTHENTICATION_FAILED', advice: 'the session token is not valid' },
  RequestTimeTooSkewed: { code: 'AUTHENTICATION_FAILED', advice: 'the clock of this machine is off by more than S3 allows' },
  CredentialsProviderError: {
    code: 'AUTHENTICATION_FAILED',
    advice: 'no credentials were found: give the process a role, a profile, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY',
  },
  PermanentRedirect: { code: 'CONFIG_INVALID', advice: 'the bucket is in another region: set region' },
  AuthorizationHeaderMalformed: { code: 'CONFIG_INVALID', advice: 'the bucket is in another region: set region' },
  SlowDown: { code: 'THROTTLED', retry: 'backoff', advice: 'the service asks for a pause' },
  RequestTimeout: { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'the connection was idle for too long' },
  PreconditionFailed: { code: 'CONFLICT', retry: 'now', advice: 'another writer came in between' },
  ConditionalRequestConflict: { code: 'CONFLICT', retry: 'now', advice: 'another writer was at it at the same moment' },
  EntityTooLarge: { code: 'TOO_LARGE', advice: 'the object is larger than S3 holds' },
  InvalidObjectState: { code: 'UNSUPPORTED', advice: 'the object is archived: restore it first' },
  ECONNREFUSED: { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'nothing answers there' },
  ENOTFOUND: { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'the host name is not known: check region, bucket and endpoint' },
};

/** By HTTP status, for answers without a body (HEAD) and codes that are not listed. */
function byStatus(status: number | undefined): Meaning | undefined {
  if (status === undefined) return undefined;
  if (status === 401) return { code: 'AUTHENTICATION_FAILED', advice: 'the credentials were not accepted' };
  if (status === 403) return meanings.AccessDenied;
  if (status === 404) return { code: 'NOT_FOUND', advice: 'there is no such bucket or object' };
  if (status === 409) return meanings.ConditionalRequestConflict;
  if (status === 412) return meanings.PreconditionFailed;
  if (status === 429 || status === 503) return meanings.SlowDown;
  if (status === 501) return { code: 'UNSUPPORTED', advice: 'the server does not implement this' };
  return status >= 500 ? { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'the service failed' } : undefined;
}

export function statusOf(error: unknown): number | undefined {
  if (error === null || typeof error !== 'object' || !('$metadata' in error)) return undefined;
  const { $metadata: metadata } = error;
  if (metadata === null || typeof metadata !== 'object' || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** Another writer's object stands there, or stood there in another version. */
export function isPrecondition(error: unknown): boolean {
  const status = statusOf(error);
  return status === 412 || status === 409;
}

export function isMissing(error: unknown): boolean {
  return statusOf(error) === 404 && !(error instanceof Error && error.name === 'NoSuchBucket');
}

/** An error of the SDK as a SyncError. `what` says what was being done: `read orders/a.jsonl`. The service's own message may hold ids of requests and is kept as the cause only. */
export function s3Error(error: unknown, what: string, place: ErrorPlace = {}): SyncError {
  if (error instanceof SyncError) return error;
  const name = error instanceof Error ? error.name : '';
  const errno = error instanceof Error && 'code' in error ? String(error.code) : '';
  const status = statusOf(error);
  const listed = meanings[name] ?? meanings[errno] ?? byStatus(status);
  const passing = name === 'TimeoutError' || name === 'AbortError' || /^E[A-Z]+$/.test(errno);
  const meaning = listed ?? (passing ? { code: 'CONNECTION_FAILED' as const, retry: 'backoff' as const, advice: 'the connection failed' } : undefined);
  const told = [name, errno, status].filter((part) => part !== '' && part !== undefined && part !== 'Error').join(', ');
  if (meaning === undefined) {
    const message = error instanceof Error ? error.message : String(error);
    return new SyncError('INTERNAL', `Could not ${what}: ${message}${told === '' ? '' : ` (${told})`}.`, { ...place, cause: error });
  }
  // S3 names it in its answer; the key alone does not tell which bucket was looked into
  const bucket = name === 'NoSuchBucket' && error instanceof Error && 'BucketName' in error ? ` ${String(error.BucketName)}` : '';
  return new SyncError(meaning.code, `Could not ${what}: ${meaning.advice}${bucket} (${told}).`, {
    ...place,
    cause: error,
    ...(meaning.retry === undefined ? {} : { retry: meaning.retry }),
  });
}
