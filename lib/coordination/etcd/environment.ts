import { redactor } from '../../config/redactor.ts';
import { SyncError } from '../../errors.ts';
import type { EtcdOptions, EtcdTls } from './options.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const tlsFields = { ca: 'IDRA_ETCD_CA', cert: 'IDRA_ETCD_CERT', key: 'IDRA_ETCD_KEY' } as const;

/** etcd by `IDRA_ETCD_PREFIX`, TLS by `IDRA_ETCD_CA`, `_CERT` and `_KEY` (PEM text, or the path of a file of it), a user by `IDRA_ETCD_USER` and `_PASSWORD`. `hosts` are comma separated. */
export async function etcdFromEnvironment(hosts: string, environment: Environment): Promise<EtcdOptions> {
  const { IDRA_ETCD_PREFIX: prefix, IDRA_ETCD_USER: user, IDRA_ETCD_PASSWORD: password } = environment;
  if (password) redactor.add(password);
  if (Boolean(user) !== Boolean(password)) throw new SyncError('CONFIG_INVALID', 'IDRA_ETCD_USER and IDRA_ETCD_PASSWORD go together: one of them is missing.');
  const tls = await tlsOf(environment);
  return {
    hosts: hosts
      .split(',')
      .map((host) => host.trim())
      .filter((host) => host !== ''),
    ...(prefix ? { prefix } : {}),
    ...(tls ? { tls } : {}),
    ...(user && password ? { auth: { user, password } } : {}),
  };
}

async function tlsOf(environment: Environment): Promise<EtcdTls | null> {
  const tls: { ca?: string; cert?: string; key?: string } = {};
  for (const field of ['ca', 'cert', 'key'] as const) {
    const value = environment[tlsFields[field]];
    if (value) tls[field] = await pem(tlsFields[field], value);
  }
  return Object.keys(tls).length === 0 ? null : tls;
}

async function pem(variable: string, value: string): Promise<string> {
  if (value.trimStart().startsWith('-----BEGIN')) return value;
  // Loaded only where a path is given: in a function the PEM text itself is, and 2 ms of its start are not spent
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(value, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    // The value itself is not repeated: a key in another form than PEM could stand there.
    throw new SyncError('CONFIG_INVALID', `${variable} is neither PEM text nor the path of a file that can be read (${cause.code}).`, { cause });
  });
  if (text.includes('-----BEGIN')) return text;
  throw new SyncError('CONFIG_INVALID', `${variable} names a file that holds no PEM text.`);
}
