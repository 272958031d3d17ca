import { HeadBucketCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { SyncError } from '../../errors.ts';
import type { CheckResult, Connector, DiscoveredTable } from '../connector.ts';
import { openBucket, type S3Connection } from './client.ts';
import { S3Destination } from './destination.ts';
import { s3Error } from './errors.ts';
import { openSource } from './source.ts';

export const connector: Connector = {
  async check(connection: unknown, signal: AbortSignal): Promise<CheckResult> {
    using bucket = openBucket(connection as S3Connection);
    try {
      await bucket.client.send(new HeadBucketCommand({ Bucket: bucket.name }), { abortSignal: signal });
      const { Contents = [], IsTruncated = false } = await bucket.client.send(new ListObjectsV2Command({ Bucket: bucket.name, MaxKeys: 1_000 }), {
        abortSignal: signal,
      });
      const endpoint = await bucket.client.config.endpoint?.();
      return {
        server: bucket.aws ? 'Amazon S3' : `S3 protocol at ${endpoint?.hostname ?? 'an endpoint'}`,
        read: `list bucket ${bucket.name}: ${IsTruncated ? 'more than ' : ''}${Contents.length} objects`,
        // Whether it may write shows when it does: a check writes nothing
        write: 'not tried: a check writes no object',
      };
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw s3Error(error, `reach bucket ${bucket.name}`, {});
    }
  },

  /** The folders of the first level, as what `path` can name; columns show when an object is read. */
  async discover(connection: unknown, signal: AbortSignal): Promise<DiscoveredTable[]> {
    using bucket = openBucket(connection as S3Connection);
    const found: DiscoveredTable[] = [];
    let token: string | undefined;
    do {
      try {
        const page = await bucket.client.send(
          new ListObjectsV2Command({ Bucket: bucket.name, Delimiter: '/', ...(token === undefined ? {} : { ContinuationToken: token }) }),
          { abortSignal: signal },
        );
        for (const { Prefix } of page.CommonPrefixes ?? []) if (Prefix !== undefined && Prefix !== '_idra/') found.push({ name: Prefix, columns: [], key: [] });
        for (const { Key } of page.Contents ?? []) if (Key !== undefined) found.push({ name: Key, columns: [], key: [] });
        token = page.NextContinuationToken;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw s3Error(error, `list bucket ${bucket.name}`, {});
      }
      if (found.length > maxDiscovered)
        throw new SyncError('TOO_LARGE', `Bucket ${bucket.name} has more than ${maxDiscovered} folders and objects at its top: name the path yourself.`, {});
    } while (token !== undefined);
    return found;
  },

  openSource: (connection, request, signal) => openSource(connection as S3Connection, request, signal),

  async openDestination(connection, request) {
    return new S3Destination(connection as S3Connection, request);
  },
};

const maxDiscovered = 10_000;
