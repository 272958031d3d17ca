import { SyncError } from '../../errors.ts';

export interface EtcdOptions {
  /** `host:port`, `http://host:port` or `https://host:port`; without a scheme https where TLS material is given, else http. */
  readonly hosts: readonly string[];
  /** Before every key; default `idra/`. */
  readonly prefix?: string;
  readonly tls?: EtcdTls;
  readonly auth?: { readonly user: string; readonly password: string };
  /** Milliseconds for each call, connecting included; default 5,000. */
  readonly timeoutMs?: number;
}

/** PEM text. */
export interface EtcdTls {
  /** Authority that signed the servers' certificates; absent: those that Node trusts. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface ResolvedEtcdOptions {
  /** `host:port` each. */
  readonly addresses: readonly string[];
  readonly secure: boolean;
  readonly prefix: string;
  readonly tls: EtcdTls;
  readonly auth: { readonly user: string; readonly password: string } | null;
  readonly timeoutMs: number;
}

/** Throws CONFIG_INVALID. No message holds a password, not even one that stands in a host's URL. */
export function resolveEtcdOptions({ hosts, prefix = 'idra/', tls = {}, auth, timeoutMs = 5_000 }: EtcdOptions): ResolvedEtcdOptions {
  if (hosts.length === 0) throw invalid('No etcd host is given: name at least one, such as 127.0.0.1:2379.');
  const hasTls = Object.values(tls).some((pem) => pem !== undefined);
  const parsed = hosts.map((host) => parseHost(host, hasTls));
  const secure = parsed.every((host) => host.secure);
  if (!secure && parsed.some((host) => host.secure)) throw invalid('The etcd hosts mix http and https: use one for all.');
  if (!secure && hasTls) throw invalid('TLS certificates are given for etcd hosts with http: write https.');
  if (!secure && auth !== undefined)
    throw invalid('A password for etcd would pass in the clear over http: use https hosts, or leave the user and the password out.');
  if ((tls.cert === undefined) !== (tls.key === undefined)) throw invalid('A client certificate for etcd takes both: the certificate and its key.');
  if (auth !== undefined && (auth.user === '' || auth.password === '')) throw invalid('The user and the password for etcd go together: one of them is empty.');
  return {
    addresses: parsed.map(({ address }) => address),
    secure,
    prefix: prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`,
    tls,
    auth: auth ?? null,
    timeoutMs,
  };
}

function parseHost(host: string, hasTls: boolean): { readonly address: string; readonly secure: boolean } {
  const text = host.trim();
  const withScheme = /^[a-z]+:\/\//i.test(text) ? text : `${hasTls ? 'https' : 'http'}://${text}`;
  const url = URL.parse(withScheme);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '' || (url.pathname !== '/' && url.pathname !== '')) {
    throw invalid(
      `An etcd host is not of the form host:port or https://host:port${url === null || url.username !== '' ? '' : `: ${url.protocol}//${url.host}${url.pathname}`}.`,
    );
  }
  if (url.username !== '' || url.password !== '') throw invalid(`The etcd host ${url.host} carries a user or a password: give them apart from the hosts.`);
  // The URL drops a port that is its scheme's own.
  const port = /:(\d+)\/?$/.exec(text)?.[1] ?? '2379';
  return { address: `${url.hostname}:${port}`, secure: url.protocol === 'https:' };
}

function invalid(message: string): SyncError {
  return new SyncError('CONFIG_INVALID', message);
}
