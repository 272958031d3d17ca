import { CreateBucketCommand, DeleteBucketCommand, DeleteObjectsCommand, paginateListObjectsV2, S3Client } from '@aws-sdk/client-s3';
import { awsAccess } from '../aws.ts';
import type { Fresh } from './fresh.ts';

/** A bucket of its own. */
export async function freshS3(endpoint: string, name: string): Promise<Fresh> {
  const bucket = name.replaceAll('_', '-');
  const client = new S3Client({ ...awsAccess(endpoint), forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  return {
    url: endpoint,
    name: bucket,
    [Symbol.asyncDispose]: async () => {
      for await (const { Contents = [] } of paginateListObjectsV2({ client }, { Bucket: bucket })) {
        const objects = Contents.flatMap(({ Key }) => (Key === undefined ? [] : [{ Key }]));
        if (objects.length > 0) await client.send(new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } }));
      }
      await client.send(new DeleteBucketCommand({ Bucket: bucket }));
      client.destroy();
    },
  };
}
