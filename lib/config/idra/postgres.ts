/** PostgreSQL connection strings as Go's driver takes them: `host=… user=… password=…` (libpq's keyword form) and `postgres://…`. */
import { filled, literal, port, refused, type TranslatedConnection, unknownParameters } from './result.ts';

/** Without a mode the connector encrypts where the server can, which is what `prefer` means; `allow` would do with less. */
const sslModes: ReadonlyMap<string, string | undefined> = new Map([
  ['prefer', undefined],
  ['allow', undefined],
  ['disable', 'disable'],
  ['require', 'require'],
  ['verify-full', 'verify-full'],
]);

/** Settings of the driver or of the session that change nothing here, and why. */
const withoutEffect: ReadonlyMap<string, string> = new Map([
  ['timezone', 'TimeZone makes no difference: values are moved exactly, whatever the zone'],
  ['client_encoding', 'client_encoding makes no difference: text is always UTF-8'],
  ['application_name', 'application_name makes no difference: sessions are named by this system'],
  ['connect_timeout', 'connect_timeout makes no difference: connecting is bounded by this system'],
]);

export function translatePostgres(text: string): TranslatedConnection {
  const isUrl = /^postgres(ql)?:\/\//.test(text);
  const settings = isUrl ? fromUrl(text) : fromKeywords(text);
  if (typeof settings === 'string') return refused(settings);
  const faults: string[] = [];
  const notes: string[] = [];
  const unknown: string[] = [];
  for (const name of settings.keys()) {
    const note = withoutEffect.get(name.toLowerCase());
    if (note !== undefined) notes.push(note);
    else if (!['host', 'port', 'user', 'password', 'dbname', 'sslmode', 'sslrootcert'].includes(name)) unknown.push(name);
  }
  if (isUrl) faults.push(...unknownParameters(unknown, text.slice(text.indexOf('?') + 1)));
  else faults.push(...unknownSettings(unknown, [...settings.keys()]));
  const sslmode = settings.get('sslmode');
  if (sslmode !== undefined && !sslModes.has(sslmode)) faults.push(`sslmode has to be one of ${[...sslModes.keys()].join(', ')} here`);
  const host = settings.get('host') ?? 'localhost';
  if (host.includes(',')) faults.push('several hosts have no counterpart: name one');
  const portText = settings.get('port');
  if (portText !== undefined && port(portText) === undefined) faults.push('the port is no port number');
  const fields = filled({
    host: literal(host),
    port: portText === undefined ? undefined : port(portText),
    user: literal(settings.get('user') ?? ''),
    password: literal(settings.get('password') ?? ''),
    database: literal(settings.get('dbname') ?? ''),
    ssl: sslModes.get(sslmode ?? ''),
    sslCa: literal(settings.get('sslrootcert') ?? ''),
  });
  return { fields: { type: 'postgres', ...fields }, faults, notes };
}

/** A password with blanks that stands without quotes makes its rest look like settings: what comes after a password is not repeated. */
function unknownSettings(unknown: readonly string[], all: readonly string[]): string[] {
  const password = all.indexOf('password');
  const mayBeSecret = (name: string): boolean => password >= 0 && all.indexOf(name) > password;
  const faults = unknown.filter((name) => !mayBeSecret(name)).map((name) => `the setting "${name}" has no counterpart: take it out`);
  if (!unknown.some(mayBeSecret)) return faults;
  return [...faults, 'a setting after the password has no counterpart: take it out, or put a password with blanks into single quotes'];
}

/** `key = value` pairs; a value with blanks stands in single quotes, a backslash takes the next character as it is (PostgreSQL manual, 34.1.1.1). */
function fromKeywords(text: string): Map<string, string> | string {
  const settings = new Map<string, string>();
  const pair = /\s*([A-Za-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*)?)(?=\s|$)/gsy;
  const trimmed = text.trim();
  while (pair.lastIndex < trimmed.length) {
    const match = pair.exec(trimmed);
    if (match === null)
      return 'is no PostgreSQL connection string: write host=… user=… password=… dbname=… port=… sslmode=…, values with blanks in single quotes';
    const [, name = '', quoted, bare = ''] = match;
    settings.set(name, (quoted ?? bare).replace(/\\(.)/gs, '$1'));
  }
  return settings.size === 0 ? 'is empty' : settings;
}

function fromUrl(text: string): Map<string, string> | string {
  if (!URL.canParse(text)) return 'is no PostgreSQL address: write postgres://user:password@host:port/database, special characters percent-encoded';
  const url = new URL(text);
  const settings = new Map<string, string>();
  try {
    for (const [name, value] of [
      ['host', url.hostname.replace(/^\[|\]$/g, '')],
      ['port', url.port],
      ['user', url.username],
      ['password', url.password],
      ['dbname', url.pathname.slice(1)],
    ] as const) {
      if (value !== '') settings.set(name, decodeURIComponent(value));
    }
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return 'has a % in it that is no percent-encoding: write it as %25';
  }
  for (const [name, value] of url.searchParams) settings.set(name, value);
  return settings;
}
