import { S3Client } from '@aws-sdk/client-s3';
import { SyncError } from '../../errors.ts';

export interface S3Connection {
  readonly bucket: string;
  readonly region?: string;
  readonly endpoint?: string;
  readonly forcePathStyle?: boolean;
}

/** A bucket with the client that reaches it. */
export interface Bucket extends Disposable {
  readonly client: S3Client;
  readonly name: string;
  /** AWS itself, whose conditional writes need no probe. */
  readonly aws: boolean;
  /** Milliseconds since the epoch by the server's clock, as its last answer told it; the local clock before any. */
  serverNow(): number;
}

/** Servers of tests and of one's own network are told by the same variables that the SDK honours. */
function endpointOf(connection: S3Connection): string | undefined {
  return connection.endpoint ?? process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
}

export function openBucket(connection: S3Connection): Bucket {
  const endpoint = endpointOf(connection);
  const client = new S3Client({
    ...(connection.region === undefined ? {} : { region: connection.region }),
    ...(endpoint === undefined ? {} : { endpoint, requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' }),
    forcePathStyle: connection.forcePathStyle ?? endpoint !== undefined,
    maxAttempts: 5,
    requestHandler: { connectionTimeout: 5_000, requestTimeout: 60_000 },
  });
  const region = client.config.region;
  client.config.region = async () => {
    try {
      return await region();
    } catch (cause) {
      throw new SyncError('CONFIG_INVALID', `The region of bucket ${connection.bucket} is not known: set region in the connection, or AWS_REGION.`, { cause });
    }
  };
  let aheadMs = 0;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response: unknown = result.response;
      if (response !== null && typeof response === 'object' && 'headers' in response) {
        const told = Date.parse(String((response.headers as Record<string, string>).date));
        if (!Number.isNaN(told)) aheadMs = told - Date.now();
      }
      return result;
    },
    { step: 'deserialize', name: 'idraServerClock', priority: 'low' },
  );
  return {
    client,
    name: connection.bucket,
    aws: endpoint === undefined || /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname),
    serverNow: () => Date.now() + aheadMs,
    [Symbol.dispose]: () => client.destroy(),
  };
}
