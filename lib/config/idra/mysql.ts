/** MySQL connection strings as Go's driver takes them: `user:password@tcp(host:port)/database?name=value&…`. */
import { filled, literal, port, refused, type TranslatedConnection, unknownParameters } from './result.ts';

const tlsModes: ReadonlyMap<string, string> = new Map([
  ['false', 'disable'],
  ['true', 'verify-full'],
  ['skip-verify', 'require'],
]);

/** Parameters that ask for what is done anyway. */
const met = /^(charset=utf8(mb4)?(,utf8(mb4)?)*|parseTime=(true|false|0|1))$/i;

/** Parameters of the driver that change nothing here, and why. */
const withoutEffect: ReadonlyMap<string, string> = new Map([
  ['charset', 'charset makes no difference: text is always moved as UTF-8'],
  ['collation', 'collation makes no difference: it concerns comparisons within a session'],
  ['loc', 'loc makes no difference: times are moved as they stand, never shifted into a zone'],
  ...['timeout', 'readTimeout', 'writeTimeout'].map((name) => [name, `${name} makes no difference: waiting is bounded by this system`] as const),
  ...[
    'allowNativePasswords',
    'allowOldPasswords',
    'checkConnLiveness',
    'clientFoundRows',
    'columnsWithAlias',
    'interpolateParams',
    'maxAllowedPacket',
    'multiStatements',
    'rejectReadOnly',
  ].map((name) => [name, `${name} makes no difference: it concerns Go's driver alone`] as const),
]);

/** The last / begins the database and the last @ before it ends the password, as Go's driver has it: a password may hold both. */
export function translateMysql(text: string): TranslatedConnection {
  const match = /^(?:(.*)@)?(?:(tcp|unix)(?:\((.*)\))?)?\/([^/?]*)(?:\?([^/]*))?$/s.exec(text);
  if (match === null) return refused('is no MySQL connection string: write user:password@tcp(host:port)/database?parseTime=true, a / in a parameter as %2F');
  const [, login = '', network = 'tcp', address = '', database = '', query = ''] = match;
  if (network === 'unix') return refused('a Unix socket has no counterpart: name host and port as in tcp(host:port)');
  const colon = login.indexOf(':');
  const place = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:\s]*))(?::(\d+))?$/.exec(address);
  const portText = place?.[3];
  const faults: string[] = [];
  if (place === null || (portText !== undefined && port(portText) === undefined)) faults.push('the address in tcp(…) has to be host:port');
  const { ssl, ...parameters } = readParameters(query);
  const fields = filled({
    host: literal(place?.[1] ?? place?.[2] ?? '') || '127.0.0.1',
    port: portText === undefined ? undefined : port(portText),
    user: literal(colon < 0 ? login : login.slice(0, colon)),
    password: literal(colon < 0 ? '' : login.slice(colon + 1)),
    database: literal(unescapePath(database)),
    ssl,
  });
  return { fields: { type: 'mysql', ...fields }, faults: [...faults, ...parameters.faults], notes: parameters.notes };
}

function unescapePath(text: string): string {
  return /%(?![0-9A-Fa-f]{2})/.test(text) ? text : decodeURIComponent(text);
}

function readParameters(query: string): { ssl: string | undefined; faults: string[]; notes: string[] } {
  const faults: string[] = [];
  const notes: string[] = [];
  const unknown: string[] = [];
  let ssl: string | undefined;
  for (const [name, value] of new URLSearchParams(query)) {
    const note = withoutEffect.get(name);
    if (met.test(`${name}=${value}`)) continue;
    if (note !== undefined) notes.push(note);
    else if (name !== 'tls') unknown.push(name);
    else if (tlsModes.has(value)) ssl = tlsModes.get(value);
    else faults.push(`tls has to be one of ${[...tlsModes.keys()].join(', ')} here`);
  }
  return { ssl, faults: [...faults, ...unknownParameters(unknown, query)], notes };
}
