import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Redactor } from '../../lib/config/redactor.ts';
import { createResolver } from '../../lib/config/secrets.ts';

/** Speaks as much of the two services' JSON protocol as one operation of each needs. */
const answers: Record<string, { status: number; body: object }> = {
  'AmazonSSM.GetParameter /db/url': { status: 200, body: { Parameter: { Value: 'postgres://u:hunter2@h/d' } } },
  'AmazonSSM.GetParameter /gone': { status: 400, body: { __type: 'ParameterNotFound' } },
  'AmazonSSM.GetParameter /forbidden': { status: 400, body: { __type: 'AccessDeniedException', message: 'hunter2' } },
  'secretsmanager.GetSecretValue db': { status: 200, body: { SecretString: '{"password":"hunter2"}' } },
  'secretsmanager.GetSecretValue binary': { status: 200, body: { SecretBinary: 'aHVudGVyMg==' } },
  'secretsmanager.GetSecretValue gone': { status: 400, body: { __type: 'ResourceNotFoundException' } },
  'secretsmanager.GetSecretValue down': { status: 500, body: { __type: 'InternalServiceError' } },
};

let server: Server;
const decrypts: boolean[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (part) => (text += part));
    request.on('end', () => {
      const asked = JSON.parse(text);
      if (asked.WithDecryption !== undefined) decrypts.push(asked.WithDecryption);
      const { status, body } = answers[`${request.headers['x-amz-target']} ${asked.Name ?? asked.SecretId}`] ?? {
        status: 400,
        body: { __type: 'ValidationException' },
      };
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('AWS_ENDPOINT_URL', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  vi.stubEnv('AWS_REGION', 'eu-west-1');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});

afterAll(async () => {
  vi.unstubAllEnvs();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

describe('AWS', () => {
  const { resolve } = createResolver({ redactor: new Redactor() });

  it('gives parameters decrypted, and secrets', async () => {
    expect(await resolve('${ssm:/db/url}')).toBe('postgres://u:hunter2@h/d');
    expect(decrypts).toEqual([true]);
    expect(await resolve('x${secret:db#password}')).toBe('xhunter2');
  });

  it.each([
    ['${ssm:/gone}', 'never', 'it does not exist in this account and region'],
    ['${ssm:/forbidden}', 'never', 'the role may not read it (AccessDeniedException)'],
    ['${ssm:no such}', 'never', 'the name is not valid, or it is being deleted (ValidationException)'],
    ['${secret:gone}', 'never', 'it does not exist in this account and region'],
    ['${secret:binary}', 'never', 'it is empty or binary'],
    ['${secret:down}', 'backoff', 'the service did not answer (InternalServiceError)'],
  ])('%s', async (reference, retry, reason) => {
    await expect(resolve(reference)).rejects.toMatchObject({ code: 'SECRET_UNRESOLVED', retry, message: `${reference} has no value: ${reason}.` });
  });
});
