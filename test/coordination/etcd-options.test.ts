import { describe, expect, it } from 'vitest';
import { failureOf } from '../../lib/coordination/etcd/errors.ts';
import { type EtcdOptions, resolveEtcdOptions } from '../../lib/coordination/etcd/options.ts';
import { SyncError } from '../../lib/errors.ts';

const password = 'canary-5ecret';
const auth = { user: 'idra', password };

function refusal(options: EtcdOptions): SyncError {
  try {
    resolveEtcdOptions(options);
  } catch (error) {
    if (error instanceof SyncError) return error;
  }
  return expect.fail(`accepted: ${JSON.stringify(options)}`);
}

describe('options for etcd', () => {
  it.for([
    ['10.0.0.1:2379', '10.0.0.1:2379', false],
    ['10.0.0.1', '10.0.0.1:2379', false],
    ['http://etcd.internal:2380/', 'etcd.internal:2380', false],
    ['https://etcd.internal', 'etcd.internal:2379', true],
    ['https://etcd.internal:443', 'etcd.internal:443', true],
    [' [::1]:2379 ', '[::1]:2379', false],
  ] as const)('takes %s for %s', ([host, address, secure]) => {
    expect(resolveEtcdOptions({ hosts: [host] })).toMatchObject({ addresses: [address], secure });
  });

  it('takes a host without a scheme for https where TLS material is given', () => {
    expect(resolveEtcdOptions({ hosts: ['etcd:2379'], tls: { ca: 'pem' }, auth })).toMatchObject({ secure: true });
  });

  it('ends the prefix with a slash', () => {
    expect([undefined, 'a', 'a/', ''].map((prefix) => resolveEtcdOptions({ hosts: ['h'], ...(prefix !== undefined && { prefix }) }).prefix)).toEqual([
      'idra/',
      'a/',
      'a/',
      '',
    ]);
  });

  it('refuses a password over plain http', () => {
    for (const hosts of [['http://etcd:2379'], ['etcd:2379']]) expect(refusal({ hosts, auth }).code).toBe('CONFIG_INVALID');
  });

  it.for<[string, EtcdOptions]>([
    ['no host', { hosts: [] }],
    ['http and https', { hosts: ['http://a', 'https://b'] }],
    ['certificates over http', { hosts: ['http://a'], tls: { ca: 'pem' } }],
    ['a certificate without its key', { hosts: ['https://a'], tls: { cert: 'pem' } }],
    ['half a user', { hosts: ['https://a'], auth: { user: '', password } }],
    ['another protocol', { hosts: ['ftp://a'] }],
    ['a path', { hosts: ['https://a/b'] }],
    ['no name', { hosts: [''] }],
    ['a user in the host', { hosts: [`https://idra:${password}@a`] }],
    ['a user in a host that is wrong besides', { hosts: [`https://idra:${password}@a/b`] }],
    ['a password that breaks the URL', { hosts: [`https://idra:${password}/x@a:port`] }],
  ])('refuses %s, and shows no password', ([, options]) => {
    const error = refusal(options);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', retry: 'never' });
    expect(error.message).not.toContain(password);
  });
});

it.for([
  ['No connection established. Last error: Error: connect ECONNREFUSED 10.0.0.1:2379. Resolution note: ', 'connect ECONNREFUSED 10.0.0.1:2379'],
  ['No connection established. Last error: null. Resolution note: ', 'no connection could be made'],
  ['read ECONNRESET', 'read ECONNRESET'],
  ['', 'gRPC status 14'],
] as const)('of gRPC’s %j a person is told %j', ([details, told]) => {
  expect(failureOf({ code: 14, details })).toEqual({ code: 14, details: told });
});
