import { describe, expect, it } from 'vitest';
import { Redactor } from '../../lib/config/redactor.ts';
import { createResolver, type ResolverOptions } from '../../lib/config/secrets.ts';
import { SyncError } from '../../lib/errors.ts';

function resolver(options: ResolverOptions = {}) {
  const asked: string[] = [];
  let clock = 0;
  const answer = (name: string) => {
    asked.push(name);
    return Promise.resolve(`value ${asked.length} of ${name}`);
  };
  const made = createResolver({
    redactor: new Redactor(),
    environment: { HOST: 'db1', PW: 'p@ss/w0rd', EMPTY: '' },
    now: () => clock,
    parameter: answer,
    secret: answer,
    ...options,
  });
  return { ...made, asked, pass: (ms: number) => (clock += ms) };
}

describe('resolving', () => {
  it('replaces every reference of a text', async () => {
    const { resolve } = resolver();
    expect(await resolve('${env:HOST}:${env:HOST} $${env:HOST}')).toBe('db1:db1 ${env:HOST}');
    expect(await resolve('plain')).toBe('plain');
  });

  it('encodes a value that stands in the login of an address', async () => {
    const { resolve } = resolver();
    expect(await resolve('postgres://app:${env:PW}@${env:HOST}/d?x=${env:HOST}')).toBe('postgres://app:p%40ss%2Fw0rd@db1/d?x=db1');
    expect(await resolve('${env:PW}')).toBe('p@ss/w0rd');
  });

  it('reads a key of a secret that is JSON', async () => {
    const { resolve } = resolver({ secret: () => Promise.resolve('{"user":"u","port":5432,"nested":{}}') });
    expect(await resolve('${secret:db#user} ${secret:db#port}')).toBe('u 5432');
    await expect(resolve('${secret:db#pass}')).rejects.toThrow('${secret:db#pass} has no value: the secret\'s JSON has no key "pass".');
    await expect(resolve('${secret:db#nested}')).rejects.toThrow(/neither text nor a number/);
    await expect(resolve('${secret:db#toString}')).rejects.toThrow(/no key/);
  });

  it('asks once for each name until the time is over, and again when told to', async () => {
    const { resolve, asked, pass } = resolver();
    expect(await Promise.all([resolve('${ssm:/a}'), resolve('${ssm:/a}')])).toEqual(['value 1 of /a', 'value 1 of /a']);
    pass(5 * 60_000 - 1);
    await resolve('${ssm:/a}');
    expect(asked).toEqual(['/a']);
    pass(1);
    expect(await resolve('${ssm:/a}')).toBe('value 2 of /a');
    expect(await resolve('${ssm:/a}', { fresh: true })).toBe('value 3 of /a');
    expect(await resolve('${ssm:/a}')).toBe('value 3 of /a');
    expect(await resolve('${secret:/a}')).toBe('value 4 of /a');
  });

  it('remembers no failure', async () => {
    let attempts = 0;
    const { resolve } = resolver({
      parameter: () =>
        ++attempts === 1 ? Promise.reject(new SyncError('SECRET_UNRESOLVED', 'the service did not answer', { retry: 'backoff' })) : Promise.resolve('v'),
    });
    await expect(resolve('${ssm:/a}')).rejects.toMatchObject({
      code: 'SECRET_UNRESOLVED',
      retry: 'backoff',
      message: '${ssm:/a} has no value: the service did not answer.',
    });
    expect(await resolve('${ssm:/a}')).toBe('v');
  });

  it('names the reference and never a value', async () => {
    const { resolve } = resolver({ secret: () => Promise.resolve('hunter2 is no JSON') });
    await expect(resolve('${env:MISSING}')).rejects.toMatchObject({
      code: 'SECRET_UNRESOLVED',
      retry: 'never',
      message: '${env:MISSING} has no value: the environment variable is not set.',
    });
    await expect(resolve('${env:EMPTY}')).rejects.toThrow(/not set/);
    const error = await resolve('${secret:db#key}').catch((thrown: unknown) => thrown);
    expect(String(error)).toContain('${secret:db#key}');
    expect(`${String(error)} ${String((error as Error).cause)}`).not.toContain('hunter2');
  });

  it('registers what must not be seen', async () => {
    const { resolve, redactor } = resolver();
    await resolve('${env:HOST} ${ssm:/a}');
    await resolve('${env:PW}', { secret: true });
    expect(redactor.redact('db1, value 1 of /a, p@ss/w0rd, p%40ss%2Fw0rd')).toBe('db1, ***, ***, ***');
  });
});
