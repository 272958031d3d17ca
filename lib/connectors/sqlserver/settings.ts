/** From a connection's fields to what the driver takes. Nothing here is logged, and no error quotes the URL. */
import { SyncError } from '../../errors.ts';
import { readAuthority } from '../sql/authority.ts';

type Encryption = 'disable' | 'require' | 'verify-full';

/** The connection as `config.ts` parses it, references resolved. */
export interface SqlserverConnection {
  readonly type: 'sqlserver';
  readonly url?: string;
  readonly host?: string;
  readonly port?: number;
  readonly instance?: string;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly ssl?: Encryption;
  readonly sslCa?: string;
  readonly requestTimeoutSeconds?: number;
}

export interface Settings {
  readonly host: string;
  /** Absent: the instance's. */
  readonly port?: number;
  readonly instance?: string;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly ssl: Encryption;
  readonly ca?: string;
  /** 0: no limit. */
  readonly requestTimeoutMs: number;
  /** `host:port/database`, for messages. */
  readonly name: string;
}

export async function resolveSettings(connection: SqlserverConnection): Promise<Settings> {
  const url = connection.url === undefined ? {} : readUrl(connection.url);
  const host = connection.host ?? url.host ?? 'localhost';
  const instance = connection.instance ?? url.instance;
  const port = instance === undefined ? (connection.port ?? url.port ?? 1433) : undefined;
  const user = connection.user ?? url.user;
  const password = connection.password ?? url.password;
  const database = connection.database ?? url.database;
  const ca = connection.sslCa === undefined ? undefined : await readAuthority(connection.sslCa);
  return {
    host,
    ...(port === undefined ? {} : { port }),
    ...(instance === undefined ? {} : { instance }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ssl: connection.ssl ?? url.ssl ?? 'verify-full',
    ...(ca === undefined ? {} : { ca }),
    requestTimeoutMs: (connection.requestTimeoutSeconds ?? 0) * 1000,
    name: `${host}${instance === undefined ? `:${port}` : `\\${instance}`}/${database ?? ''}`,
  };
}

interface UrlParts {
  readonly host?: string;
  readonly port?: number;
  readonly instance?: string;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  readonly ssl?: Encryption;
}

function readUrl(text: string): UrlParts {
  // The error of URL holds the whole text, password included: it goes no further
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined)
    throw new SyncError(
      'CONFIG_INVALID',
      'The url is no valid address: write sqlserver://user@host:1433?database=name, and percent-encode special characters in the password.',
      { field: 'url' },
    );
  const parameters = new Map([...url.searchParams].map(([name, value]) => [name.toLowerCase(), value]));
  for (const name of parameters.keys()) {
    if (!['database', 'encrypt', 'trustservercertificate'].includes(name))
      throw new SyncError(
        'CONFIG_INVALID',
        `The url has the parameter ${JSON.stringify(name)}, which is not known here: it takes database, encrypt and trustServerCertificate.`,
        { field: 'url' },
      );
  }
  const path = decoded(url.pathname.slice(1));
  // Go's form has the instance in the path, the other has the database there
  const ofPath = path === undefined ? {} : url.protocol === 'mssql:' ? { database: path } : { instance: path };
  const database = decoded(parameters.get('database'), false);
  const ssl = encryption(parameters.get('encrypt'), parameters.get('trustservercertificate'));
  const host = decoded(url.hostname.replace(/^\[|\]$/g, ''));
  const user = decoded(url.username);
  const password = decoded(url.password);
  return {
    ...ofPath,
    ...(host === undefined ? {} : { host }),
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ...(ssl === undefined ? {} : { ssl }),
  };
}

function decoded(part: string | undefined, encoded = true): string | undefined {
  return part === undefined || part === '' ? undefined : encoded ? decodeURIComponent(part) : part;
}

function encryption(encrypt: string | undefined, trust: string | undefined): Encryption | undefined {
  const yes = (name: string, value: string | undefined): boolean | undefined => {
    if (value === undefined) return undefined;
    const word = value.toLowerCase();
    if (['true', 'yes', '1'].includes(word)) return true;
    if (['false', 'no', '0', 'disable'].includes(word)) return false;
    throw new SyncError('CONFIG_INVALID', `The parameter ${name} of the url has to be true or false.`, { field: 'url' });
  };
  const encrypted = yes('encrypt', encrypt);
  const trusted = yes('trustServerCertificate', trust);
  if (encrypted === false) return 'disable';
  if (trusted === true) return 'require';
  return encrypted === undefined && trusted === undefined ? undefined : 'verify-full';
}
