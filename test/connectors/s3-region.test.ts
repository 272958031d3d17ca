import { expect, it, vi } from 'vitest';
import { connector } from '../../lib/connectors/s3/index.ts';

it('a bucket whose region nobody tells is a fault of the definitions', async () => {
  for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
  for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/dev/null');
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY']) vi.stubEnv(name, 'test');
  const { signal } = new AbortController();
  const checked = connector.check({ type: 's3', bucket: 'my-bucket', endpoint: 'http://127.0.0.1:1' }, signal);
  await expect(checked).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringMatching(/my-bucket.*AWS_REGION/) });
});
