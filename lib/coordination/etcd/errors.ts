import { SyncError } from '../../errors.ts';

/** gRPC's status codes, as far as etcd gives them. https://grpc.io/docs/guides/status-codes/ */
export const Status = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  unimplemented: 12,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** A call's failure as gRPC tells it: the code decides, the details are only quoted. */
export interface Failure {
  readonly code: number;
  readonly details: string;
}

/** Null for what gRPC did not throw. */
export function failureOf(error: unknown): Failure | null {
  const { code, details } = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown; details?: unknown };
  return typeof code === 'number' ? { code, details: typeof details === 'string' && details !== '' ? cause(details) : `gRPC status ${code}` } : null;
}

/** grpc-js wraps the reason of a connection that failed; a person wants the reason. */
function cause(details: string): string {
  const reason = details.replace(/^No connection established\. Last error: (?:Error: )?/, '').replace(/\.?\s*Resolution note:\s*$/, '');
  return reason === 'null' ? 'no connection could be made' : reason;
}

/** The host, or the way to it, is at fault: the next call goes to another one. */
export function isUnreachable({ code }: Failure): boolean {
  return etcdErrorCodes[code] === undefined;
}

const etcdErrorCodes: Readonly<Record<number, true>> = {
  [Status.invalidArgument]: true,
  [Status.notFound]: true,
  [Status.permissionDenied]: true,
  [Status.resourceExhausted]: true,
  [Status.failedPrecondition]: true,
  [Status.unimplemented]: true,
  [Status.unauthenticated]: true,
};

export interface FailureContext {
  /** `etcd 10.0.0.1:2379` */
  readonly host: string;
  readonly user: string | null;
  readonly timeoutMs: number;
  /** Keys begin with it. */
  readonly prefix: string;
}

/** What a failure that etcd or the way to it gave means to the caller. */
export function etcdError(failure: Failure, { host, user, timeoutMs, prefix }: FailureContext): SyncError {
  const { code, details } = failure;
  const who = user === null ? 'Without a user' : `The user ${user}`;
  switch (code) {
    case Status.deadlineExceeded:
      return new SyncError(
        'STORE_UNAVAILABLE',
        `${host} did not answer within ${timeoutMs / 1000} s: check that it runs, has a leader and can be reached from here.`,
        {
          retry: 'backoff',
          cause: failure,
        },
      );
    case Status.notFound:
      return new SyncError('LOCK_LOST', `The lease is gone from ${host}: the process stood still or was cut off for longer than its TTL.`, {
        retry: 'now',
        cause: failure,
      });
    case Status.permissionDenied:
      return new SyncError('PERMISSION_DENIED', `${who} may not read and write the keys ${prefix}* in ${host}: grant a role with readwrite on this prefix.`, {
        cause: failure,
      });
    case Status.unauthenticated:
      return new SyncError(
        'AUTHENTICATION_FAILED',
        `${host} does not accept ${user === null ? 'a call without a user' : `the user ${user}`}: check user and password.`,
        {
          cause: failure,
        },
      );
    case Status.resourceExhausted:
      return new SyncError(
        'DISK_FULL',
        `${host} takes no more writes (${details}): compact and defragment it, then disarm the alarm, or give it a larger quota.`,
        {
          retry: 'backoff',
          cause: failure,
        },
      );
    case Status.invalidArgument:
    case Status.failedPrecondition:
      return new SyncError(
        'CONFIG_INVALID',
        `${host} refuses the request (${details}): its limits must not be below etcd's defaults (max-txn-ops, max-request-bytes).`,
        {
          cause: failure,
        },
      );
    case Status.unimplemented:
      return new SyncError('CONFIG_INVALID', `${host} is no etcd with the v3 API: check host and port.`, { cause: failure });
    case Status.dataLoss:
      return new SyncError('STORE_UNAVAILABLE', `${host} reports that its data is damaged: repair the cluster from its other members or a snapshot.`, {
        cause: failure,
      });
    default:
      return new SyncError(
        'STORE_UNAVAILABLE',
        `${host} cannot be reached or gave up (${details}): check that it runs, has a leader and can be reached from here.`,
        {
          retry: 'backoff',
          cause: failure,
        },
      );
  }
}
