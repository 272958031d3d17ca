import { type ErrorCode, type Retry, SyncError } from '../../errors.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly retry: Retry;
  readonly advice: string;
}

/** By HTTP status (RFC 9110). */
export function statusMeaning(status: number): Meaning {
  if (status === 401) return { code: 'AUTHENTICATION_FAILED', retry: 'never', advice: 'the credentials are missing or not accepted' };
  if (status === 403) return { code: 'PERMISSION_DENIED', retry: 'never', advice: 'the credentials do not allow this' };
  if (status === 404 || status === 410) return { code: 'NOT_FOUND', retry: 'never', advice: 'there is nothing at this address; check url and path' };
  if (status === 408) return { code: 'TIMEOUT', retry: 'backoff', advice: 'the service gave up waiting' };
  if (status === 409 || status === 423) return { code: 'CONFLICT', retry: 'backoff', advice: 'the service says that something else is at work on it' };
  if (status === 413) return { code: 'TOO_LARGE', retry: 'never', advice: 'the request is larger than the service takes; lower recordsPerCall' };
  if (status === 429) return { code: 'THROTTLED', retry: 'backoff', advice: 'the service asks for a pause; lower requestsPerSecond' };
  if (status === 400 || status === 422) return { code: 'ROW_REJECTED', retry: 'never', advice: 'the service refuses what it was sent' };
  if (status >= 500) return { code: status === 503 ? 'THROTTLED' : 'CONNECTION_FAILED', retry: 'backoff', advice: 'the service failed' };
  return { code: 'UNSUPPORTED', retry: 'never', advice: 'Idra cannot make use of this answer' };
}

/** Statuses after which the same request may pass. */
export function isPassingStatus(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/** `what`: the request in words that are no secret, `GET /orders page 3`. The body of an answer is never shown: it may repeat what was sent. */
export function statusError(status: number, what: string, method: string): SyncError {
  const { code, retry, advice } = statusMeaning(status);
  if (code === 'ROW_REJECTED' && method === 'GET')
    return new SyncError(
      'UNSUPPORTED',
      `${what} was answered with ${status}: the service does not take these parameters; check params, pagination and incremental.`,
    );
  // The client has waited for another change to end: what is left is a record that stays where it is
  if (status === 409 && method === 'POST')
    return new SyncError(
      code,
      `${what} was answered with 409: usually that means that the record is there already, also from an earlier call whose answer was lost; less often that something else is at work on it. Where the service can take it a second time, write to its address (a column in path, so that it is a PUT); otherwise remove it there.`,
      { retry: 'never', key: what },
    );
  return new SyncError(code, `${what} was answered with ${status}: ${advice}.`, { retry, key: what });
}

const networkCodes: Readonly<Record<string, Meaning>> = {
  ENOTFOUND: { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'the host is unknown; check url' },
  EAI_AGAIN: { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'the name of the host could not be resolved' },
  ECONNREFUSED: { code: 'CONNECTION_FAILED', retry: 'backoff', advice: 'nothing listens there' },
  UND_ERR_CONNECT_TIMEOUT: { code: 'TIMEOUT', retry: 'backoff', advice: 'no connection came about in time' },
  UND_ERR_HEADERS_TIMEOUT: { code: 'TIMEOUT', retry: 'backoff', advice: 'no answer came in time' },
  UND_ERR_BODY_TIMEOUT: { code: 'TIMEOUT', retry: 'backoff', advice: 'the answer stopped midway' },
  ETIMEDOUT: { code: 'TIMEOUT', retry: 'backoff', advice: 'the connection stopped answering' },
  UND_ERR_HEADERS_OVERFLOW: { code: 'TOO_LARGE', retry: 'never', advice: 'the headers of the answer are too large' },
};

/** TLS failures that another try does not mend: https://nodejs.org/api/tls.html#x509-certificate-error-codes. */
const certificateCode = /^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_|HOSTNAME_MISMATCH|INVALID_CA|PATH_LENGTH_EXCEEDED)/;

/** What the transport threw, by its code. */
export function networkError(error: unknown, what: string): SyncError {
  for (let cause = error; cause instanceof Error; cause = cause.cause) if (cause instanceof SyncError) return cause;
  const code = codeOf(error);
  if (certificateCode.test(code))
    return new SyncError('CONNECTION_FAILED', `${what}: the certificate of the service is not accepted (${code}).`, { cause: error });
  const known = Object.hasOwn(networkCodes, code) ? networkCodes[code] : undefined;
  const { advice, retry, ...meaning } = known ?? {
    code: 'CONNECTION_FAILED' as const,
    retry: 'backoff' as const,
    advice: 'the connection was lost before the answer was whole',
  };
  return new SyncError(meaning.code, `${what}: ${advice}${code === '' ? '' : ` (${code})`}.`, { retry, cause: error });
}

function codeOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return codeOf(error.errors[0]);
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/** An answer that is no JSON, or not of the shape that the definition describes. */
export function malformed(what: string, reason: string, cause?: unknown): SyncError {
  return new SyncError('ROW_MALFORMED', `${what}: ${reason}.`, { key: what, ...(cause === undefined ? {} : { cause }) });
}
