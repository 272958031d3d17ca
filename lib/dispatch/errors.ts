/** What EventBridge and the SDK say, as SyncErrors: by error code and HTTP status, as the PutEvents API reference lists them. */
import { type ErrorCode, type Retry, SyncError } from '../errors.ts';

const byCode: Readonly<Record<string, readonly [ErrorCode, Retry]>> = {
  ThrottlingException: ['THROTTLED', 'backoff'],
  InternalFailure: ['CONNECTION_FAILED', 'backoff'],
  InternalException: ['CONNECTION_FAILED', 'backoff'],
  ServiceUnavailable: ['CONNECTION_FAILED', 'backoff'],
  TimeoutError: ['TIMEOUT', 'backoff'],
  AccessDeniedException: ['PERMISSION_DENIED', 'never'],
  NotAuthorizedForSourceException: ['PERMISSION_DENIED', 'never'],
  NotAuthorizedForDetailTypeException: ['PERMISSION_DENIED', 'never'],
  ResourceNotFoundException: ['NOT_FOUND', 'never'],
  CredentialsProviderError: ['AUTHENTICATION_FAILED', 'never'],
  UnrecognizedClientException: ['AUTHENTICATION_FAILED', 'never'],
  InvalidSignatureException: ['AUTHENTICATION_FAILED', 'never'],
  ExpiredTokenException: ['AUTHENTICATION_FAILED', 'never'],
};

const advice: Partial<Record<ErrorCode, string>> = {
  PERMISSION_DENIED: 'its role needs events:PutEvents on that bus',
  NOT_FOUND: 'IDRA_EVENT_BUS has to name an event bus of this account and region',
  AUTHENTICATION_FAILED: 'there are no valid AWS credentials',
  THROTTLED: 'the account sends more events than its quota allows',
};

/** One entry that the bus refused. */
export function entryError(bus: string, code: string): SyncError {
  const [ours, retry] = byCode[code] ?? (['INTERNAL', 'never'] as const);
  return new SyncError(ours, `Event bus ${bus} did not take the request (${code})${advice[ours] ? `: ${advice[ours]}` : ''}.`, { retry });
}

/** A whole PutEvents call that failed. */
export function callError(bus: string, error: unknown): SyncError {
  const { name, code, status } = describe(error);
  const known = byCode[name];
  if (known)
    return new SyncError(known[0], `Event bus ${bus} cannot be used (${name})${advice[known[0]] ? `: ${advice[known[0]]}` : ''}.`, {
      retry: known[1],
      cause: error,
    });
  if (status === 429)
    return new SyncError('THROTTLED', `Event bus ${bus} asks for a pause (HTTP 429): ${advice.THROTTLED}.`, { retry: 'backoff', cause: error });
  if (status !== undefined && status >= 400 && status < 500) {
    return new SyncError('INTERNAL', `Event bus ${bus} does not understand the request (HTTP ${status}, ${name}).`, { cause: error });
  }
  const what = status === undefined ? (code ?? name) : `HTTP ${status}`;
  return new SyncError('CONNECTION_FAILED', `Event bus ${bus} cannot be reached (${what}): check the network, AWS_REGION and AWS_ENDPOINT_URL.`, {
    retry: 'backoff',
    cause: error,
  });
}

function describe(error: unknown): { name: string; code?: string; status?: number } {
  if (!(error instanceof Error)) return { name: 'unknown error' };
  const { code, $metadata } = error as Error & { code?: unknown; $metadata?: { httpStatusCode?: number } };
  const status = $metadata?.httpStatusCode;
  return { name: error.name, ...(typeof code === 'string' ? { code } : {}), ...(status === undefined ? {} : { status }) };
}
