/** Connection strings of the connectors that are no embedded or open-source SQL database. */
import { filled, literal, refused, type TranslatedConnection, unknownParameters } from './result.ts';
import type { IdraConnector } from './schema.ts';
import type { Side } from './translate.ts';

/** Parameters of Go's driver that change nothing here, by their names in lower case. */
const withoutEffect: ReadonlySet<string> = new Set([
  'app name',
  'application name',
  'connection timeout',
  'dial timeout',
  'keepalive',
  'log',
  'packet size',
  'workstation id',
  'applicationintent',
  'multisubnetfailover',
]);

/** Go's driver does not look at certificates unless it is told to, and encrypts the login alone: here all is encrypted wherever that is not refused aloud. */
export function translateSqlserver({ connection_string: text }: IdraConnector): TranslatedConnection {
  if (!/^sqlserver:\/\//.test(text) || !URL.canParse(text)) return refused('is no SQL Server address: write sqlserver://user:password@host:port?database=name');
  // The text stays as it is: parsed and written again, a reference in it would be encoded
  const [address = '', query = ''] = text.split('?', 2);
  const faults: string[] = [];
  const notes: string[] = [];
  const unknown: string[] = [];
  const kept = query.split('&').filter((part) => {
    const [name = '', value = ''] = [...new URLSearchParams(part)][0] ?? [];
    const known = name.toLowerCase();
    if (withoutEffect.has(known)) {
      notes.push(`${name} makes no difference: it concerns Go's driver alone, and waiting is bounded by this system`);
      return false;
    }
    const asksForEncryption = known === 'encrypt' || known === 'trustservercertificate';
    if (known !== '' && known !== 'database' && !asksForEncryption) unknown.push(name);
    if (asksForEncryption && !/^(true|false|1|0|yes|no|disable)$/i.test(value)) faults.push(`${name} has to be true or false here`);
    return part !== '';
  });
  const encrypt = kept.some((part) => /^(encrypt|trustservercertificate)=/i.test(part)) ? {} : { ssl: 'require' };
  return {
    fields: { type: 'sqlserver', url: literal(kept.length === 0 ? address : `${address}?${kept.join('&')}`), ...encrypt },
    faults: [...faults, ...unknownParameters(unknown, query)],
    notes,
  };
}

export function translateMongodb({ connection_string: text, database }: IdraConnector): TranslatedConnection {
  if (!/^mongodb(\+srv)?:\/\//.test(text)) return refused('is no MongoDB address: write mongodb://… or mongodb+srv://…');
  return { fields: filled({ type: 'mongodb', url: literal(text), database: literal(database) }), faults: [], notes: [] };
}

/** Attributes that Idra documents, and librdkafka's own names for the same. */
const kafkaAttributes: Readonly<Record<string, string>> = {
  'client.id': 'clientId',
  ClientName: 'clientId',
  'sasl.username': 'username',
  Username: 'username',
  'sasl.password': 'password',
  Password: 'password',
};
const groupAttributes: ReadonlySet<string> = new Set(['group.id', 'ConsumerGroup']);

/** Writes are always confirmed by all replicas, so that `acks` may say that and nothing else. */
export function translateKafka({ connection_string: text, attributes }: IdraConnector, side: Side): TranslatedConnection {
  const brokers = text.split(',').map((broker) => broker.trim());
  if (!brokers.every((broker) => /^[^\s:/]+(:\d{1,5})?$/.test(broker))) return refused('is no list of brokers: write host:port,host:port');
  const fields: Record<string, unknown> = { type: 'kafka', brokers: brokers.map(literal) };
  const source: Record<string, unknown> = {};
  const faults: string[] = [];
  const notes: string[] = [];
  const take = (into: Record<string, unknown>, field: string, name: string, value: string): void => {
    if (into[field] !== undefined && into[field] !== value) faults.push(`the attribute "${name}" says something else than another name of the same: keep one`);
    into[field] = value;
  };
  for (const [name, value] of Object.entries(attributes)) {
    const field = Object.hasOwn(kafkaAttributes, name) ? kafkaAttributes[name] : undefined;
    const acks = /^(request\.required\.)?acks$/i.test(name);
    if (field !== undefined) take(fields, field, name, literal(value));
    else if (groupAttributes.has(name) && side === 'source') take(source, 'group', name, literal(value));
    else if (groupAttributes.has(name) || (acks && side === 'source')) notes.push(`the attribute "${name}" has no effect on a ${side}`);
    else if (!acks || !/^(all|-1)$/.test(value)) faults.push(`the attribute "${name}" has no counterpart with this value: take it out`);
  }
  return { fields, faults, notes, ...(Object.keys(source).length > 0 ? { source } : {}) };
}

/** Idra's connection string is a region; an address of an S3-compatible server, or s3://bucket, is taken as well. The bucket is `database`. */
export function translateS3({ connection_string: text, database }: IdraConnector): TranslatedConnection {
  const bucket = /^s3:\/\/([^/]+)\/?$/.exec(text)?.[1] ?? database;
  if (bucket === '') return refused('names no bucket: put it into database, or write s3://bucket');
  if (text.startsWith('s3://')) return { fields: { type: 's3', bucket: literal(bucket) }, faults: [], notes: [] };
  if (/^https?:\/\//.test(text)) return { fields: { type: 's3', bucket: literal(bucket), endpoint: literal(text) }, faults: [], notes: [] };
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(text)) return refused('is neither a region such as eu-west-1, nor s3://bucket, nor the address of a server');
  return { fields: { type: 's3', bucket: literal(bucket), region: text }, faults: [], notes: [] };
}

export function translateRest({ connection_string: text, token, attributes }: IdraConnector): TranslatedConnection {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return refused('is no address of a service: write https://…');
  const { username, password, ...query } = attributes;
  const faults = Object.keys(query).map((name) => `the attribute "${name}" has no counterpart: put it into the address as a parameter`);
  return {
    fields: filled({ type: 'rest', url: literal(text), token: literal(token), username: literal(username ?? ''), password: literal(password ?? '') }),
    faults,
    notes: [],
  };
}
