/** From a connection's fields to what the driver takes. Nothing here is logged, and no error quotes the URL. */
import type { ConnectionOptions } from 'node:tls';
import { SyncError } from '../../errors.ts';
import { readAuthority } from '../sql/authority.ts';

/** The connection as `config.ts` parses it, references resolved. */
export interface PostgresConnection {
  readonly type: 'postgres';
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly ssl?: 'disable' | 'require' | 'verify-full';
  readonly sslCa?: string;
}

export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly connectTimeoutMs: number;
  /** `options` of the URL, such as `-c search_path=sales`. */
  readonly options?: string;
  /** `prefer`: encrypted where the server can, as the database's own tools do. */
  readonly tls: { readonly mode: 'disable' | 'prefer' | 'force'; readonly options: ConnectionOptions };
  /** `host:port/database`, for messages. */
  readonly name: string;
}

type SslMode = 'disable' | 'allow' | 'prefer' | 'require' | 'verify-ca' | 'verify-full';
const sslModes: readonly string[] = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] satisfies SslMode[];
const knownParameters = new Set(['sslmode', 'sslrootcert', 'connect_timeout', 'options', 'host', 'port', 'user', 'password', 'dbname']);

export async function resolveSettings(connection: PostgresConnection): Promise<Settings> {
  const url = connection.url === undefined ? undefined : parseUrl(connection.url);
  const parameter = (name: string): string | undefined => url?.searchParams.get(name) ?? undefined;
  const decoded = (part: string | undefined): string | undefined => (part === undefined || part === '' ? undefined : decodeURIComponent(part));
  // A host that a URL cannot hold (the directory of a socket) stands percent-encoded or in ?host=
  const host = connection.host ?? parameter('host') ?? decoded(url?.hostname.replace(/^\[|\]$/g, '')) ?? 'localhost';
  const port = connection.port ?? Number(parameter('port') ?? (url?.port || 5432));
  const user = connection.user ?? parameter('user') ?? decoded(url?.username);
  const password = connection.password ?? parameter('password') ?? decoded(url?.password);
  const database = connection.database ?? parameter('dbname') ?? decoded(url?.pathname.slice(1));
  const mode = connection.ssl ?? parameter('sslmode') ?? (host.startsWith('/') ? 'disable' : 'prefer');
  if (!sslModes.includes(mode)) throw new SyncError('CONFIG_INVALID', `sslmode ${JSON.stringify(mode)} is none of ${sslModes.join(', ')}.`, { field: 'url' });
  const authority = connection.sslCa ?? parameter('sslrootcert');
  if (authority !== undefined && !mode.startsWith('verify-'))
    throw new SyncError(
      'CONFIG_INVALID',
      `A certificate authority is given (sslCa) and the mode is ${mode}, which checks no certificate: write ssl: verify-full, or leave sslCa out.`,
      { field: connection.sslCa === undefined ? 'url' : 'sslCa' },
    );
  const timeoutSeconds = Number(parameter('connect_timeout') ?? 10);
  const options = parameter('options');
  return {
    host,
    port,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(options === undefined ? {} : { options }),
    connectTimeoutMs: Number.isFinite(timeoutSeconds) && timeoutSeconds > 0 ? timeoutSeconds * 1000 : 10_000,
    tls: await tlsFor(mode as SslMode, authority),
    name: `${host}:${port}/${database ?? user ?? ''}`,
  };
}

function parseUrl(text: string): URL {
  // The error of URL holds the whole text, password included: it goes no further
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined)
    throw new SyncError(
      'CONFIG_INVALID',
      'The url is no valid address: write postgres://user@host:5432/database, and percent-encode special characters in the password.',
      { field: 'url' },
    );
  for (const name of url.searchParams.keys())
    if (!knownParameters.has(name))
      throw new SyncError(
        'CONFIG_INVALID',
        `The url has the parameter ${JSON.stringify(name)}, which is not known. Known are ${[...knownParameters].join(', ')}.`,
        { field: 'url' },
      );
  return url;
}

async function tlsFor(mode: SslMode, authority: string | undefined): Promise<Settings['tls']> {
  if (mode === 'disable') return { mode: 'disable', options: {} };
  const ca = authority === undefined || authority === 'system' ? {} : { ca: await readAuthority(authority) };
  switch (mode) {
    case 'verify-full':
      return { mode: 'force', options: { ...ca, rejectUnauthorized: true } };
    case 'verify-ca':
      return { mode: 'force', options: { ...ca, rejectUnauthorized: true, checkServerIdentity: () => undefined } };
    case 'require':
      return { mode: 'force', options: { rejectUnauthorized: false } };
    default:
      return { mode: 'prefer', options: { rejectUnauthorized: false } };
  }
}
