/** From a connection's fields to what the driver takes. Nothing here is logged, and no error quotes the URL. */
import { SyncError } from '../../errors.ts';
import { readAuthority } from '../sql/authority.ts';

/** The connection as `config.ts` parses it, references resolved. */
export interface MysqlConnection {
  readonly type: 'mysql';
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
  /** Absent: plain. */
  readonly tls?: { readonly ca?: string; readonly rejectUnauthorized: boolean; readonly verifyIdentity: boolean };
  /** `host:port/database`, for messages. */
  readonly name: string;
}

export async function resolveSettings(connection: MysqlConnection): Promise<Settings> {
  const url = connection.url === undefined ? undefined : parseUrl(connection.url);
  const decoded = (part: string | undefined): string | undefined => (part === undefined || part === '' ? undefined : decodeURIComponent(part));
  const host = connection.host ?? decoded(url?.hostname.replace(/^\[|\]$/g, '')) ?? 'localhost';
  const port = connection.port ?? Number(url?.port || 3306);
  const user = connection.user ?? decoded(url?.username);
  const password = connection.password ?? decoded(url?.password);
  const database = connection.database ?? decoded(url?.pathname.slice(1));
  const mode = connection.ssl ?? 'disable';
  if (connection.sslCa !== undefined && mode !== 'verify-full')
    throw new SyncError('CONFIG_INVALID', `sslCa is given and ssl is ${mode}, which checks no certificate: write ssl: verify-full, or leave sslCa out.`, {
      field: 'sslCa',
    });
  return {
    host,
    port,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(mode === 'disable' ? {} : { tls: await tlsFor(mode, connection.sslCa) }),
    name: `${host}:${port}/${database ?? ''}`,
  };
}

function parseUrl(text: string): URL {
  // The error of URL holds the whole text, password included: it goes no further
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined)
    throw new SyncError(
      'CONFIG_INVALID',
      'The url is no valid address: write mysql://user@host:3306/database, and percent-encode special characters in the password.',
      { field: 'url' },
    );
  for (const name of url.searchParams.keys())
    throw new SyncError('CONFIG_INVALID', `The url has the parameter ${JSON.stringify(name)}, and takes none: encryption is set by ssl and sslCa.`, {
      field: 'url',
    });
  return url;
}

async function tlsFor(mode: 'require' | 'verify-full', authority: string | undefined): Promise<NonNullable<Settings['tls']>> {
  const verify = mode === 'verify-full';
  const ca = authority === undefined ? {} : { ca: await readAuthority(authority) };
  return { ...ca, rejectUnauthorized: verify, verifyIdentity: verify };
}
