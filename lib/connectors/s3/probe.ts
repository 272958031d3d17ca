import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { SyncError } from '../../errors.ts';
import type { Bucket } from './client.ts';
import { isPrecondition, s3Error, statusOf } from './errors.ts';

/** `endpoint/bucket` of those that passed: a server does not unlearn it while a process lives. */
const passed = new Set<string>();

/**
 * Whether the server honours `If-None-Match` and `If-Match` on PutObject: those that do not know them store the object all the same, and two runs would overwrite each other unseen.
 * Leaves nothing behind. Throws `UNSUPPORTED`.
 */
export async function requireConditionalWrites(bucket: Bucket, path: string): Promise<void> {
  if (bucket.aws) return;
  const endpoint = await bucket.client.config.endpoint?.();
  const server = `${endpoint?.hostname}:${endpoint?.port}/${bucket.name}`;
  if (passed.has(server)) return;
  const key = `${path}_idra/probe-${Date.now()}-${Math.random().toString(36).slice(2)}`;
  const put = { Bucket: bucket.name, Key: key, Body: 'Idra asks whether conditional writes are honoured.' };
  const refused = async (condition: { IfNoneMatch?: string; IfMatch?: string }): Promise<boolean> => {
    try {
      await bucket.client.send(new PutObjectCommand({ ...put, ...condition }));
      return false;
    } catch (error) {
      if (isPrecondition(error) || statusOf(error) === 404) return true;
      if (statusOf(error) === 501) return false;
      throw s3Error(error, `write to ${bucket.name}/${path}`, {});
    }
  };
  try {
    const taken = !(await refused({ IfNoneMatch: '*' }));
    const kept = await refused({ IfNoneMatch: '*' });
    const compared = await refused({ IfMatch: '"00000000000000000000000000000000"' });
    if (!taken || !kept || !compared) {
      throw new SyncError(
        'UNSUPPORTED',
        `The server of bucket ${bucket.name} does not honour conditional writes (${kept ? 'If-Match' : 'If-None-Match'} on PutObject), without which two runs could overwrite each other's batches unseen. ` +
          'Use AWS S3, a MinIO, Ceph or Garage release that has them, or write to another destination.',
        { table: path },
      );
    }
  } finally {
    await bucket.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: key })).catch(() => undefined);
  }
  passed.add(server);
}
