/** Messages as rows. */
import { SyncError } from '../../errors.ts';
import { jsonMembers } from '../../values/json.ts';
import { valueFromJson } from '../../values/row-json.ts';
import type { Row, Value } from '../../values/types.ts';
import type { Message } from './fetch.ts';
import type { Field, Fields } from './fields.ts';

export type Decoded =
  | { readonly kind: 'row'; readonly row: Row; readonly deleted: boolean }
  /** The columns have grown: hand the rows before over, then decode the message again. */
  | { readonly kind: 'widened' }
  | { readonly kind: 'rejected'; readonly error: SyncError; readonly raw: string };

/** Raw text of a dead letter is cut here. */
const maxRawCharacters = 64 * 1024;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Malformed extends Error {}

function text(bytes: Buffer, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Malformed(`${what} is not UTF-8`);
  }
}

function members(json: string): Map<string, string> | null {
  try {
    return jsonMembers(json);
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Decodes one message by the columns as they now are. */
export function decode(message: Message, at: { topic: string; partition: number; fields: Fields }): Decoded {
  const { topic, partition, fields } = at;
  const place = `${topic}/${partition}@${message.offset}`;
  try {
    const value = message.value === null ? new Map<string, string>() : valueMembers(message.value);
    for (const [name, raw] of keyMembers(message.key, fields)) if (!value.has(name)) value.set(name, raw);
    if (message.value === null && fields.key.length === 0)
      throw new Malformed('it is a tombstone, and the definition names no source.key to tell which row it deletes');
    if (fields.learn(value)) return { kind: 'widened' };
    const row = fields.list.map((field) => columnValue(field, { message, partition, value }));
    for (const name of fields.key)
      if ((value.get(name) ?? 'null') === 'null') throw new Malformed(`neither its value nor its key has ${JSON.stringify(name)}, which source.key names`);
    if (message.value !== null) return { kind: 'row', row, deleted: false };
    return { kind: 'row', row: fields.list.map(({ column }, index) => (fields.key.includes(column.name) ? (row[index] ?? null) : null)), deleted: true };
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    const raw = (message.value ?? message.key ?? Buffer.alloc(0)).subarray(0, maxRawCharacters).toString();
    const rejected = new SyncError('ROW_MALFORMED', `The message at ${place} is no row: ${error.message}.`, { table: topic, key: place });
    return { kind: 'rejected', error: rejected, raw };
  }
}

function valueMembers(bytes: Buffer): Map<string, string> {
  const json = text(bytes, 'its value');
  const found = members(json);
  if (found !== null) return found;
  throw new Malformed('its value is not a JSON object');
}

/** The key columns from the message key: members of an object, or one bare value, of which what is not JSON counts as text. */
export function keyMembers(key: Buffer | null, fields: Pick<Fields, 'key' | 'kindOf'>): Map<string, string> {
  const [first] = fields.key;
  if (key === null || first === undefined) return new Map();
  const found = text(key, 'its key');
  const object = members(found);
  if (object !== null) return new Map([...object].filter(([name]) => fields.key.includes(name)));
  if (fields.key.length > 1) return new Map();
  // `42` is the text of a column of texts
  const bare = isScalar(found) && (found.trim().startsWith('"') || fields.kindOf(first) !== 'string');
  return new Map([[first, bare ? found.trim() : JSON.stringify(found)]]);
}

function isScalar(found: string): boolean {
  try {
    return typeof JSON.parse(found) !== 'object';
  } catch {
    return false;
  }
}

function columnValue({ column, origin, check }: Field, from: { message: Message; partition: number; value: ReadonlyMap<string, string> }): Value {
  const { message, partition, value } = from;
  switch (origin) {
    case 'key':
      return message.key === null ? null : text(message.key, 'its key');
    case 'headers':
      return headersText(message.headers ?? {});
    case 'timestamp':
      return timestampText(Number(message.timestamp));
    case 'partition':
      return partition;
    case 'offset':
      return message.offset;
    case 'value': {
      const found = valueFromJson(value.get(column.name) ?? 'null', column.type);
      const { kind } = column.type;
      const reason = found === undefined ? (kind === 'float64' ? 'is no number that a double keeps exactly' : `is no ${kind}`) : check?.(found);
      if (typeof reason === 'string') throw new Malformed(`the value of ${JSON.stringify(column.name)} ${reason}`);
      return found ?? null;
    }
  }
}

function headersText(headers: NonNullable<Message['headers']>): string {
  const one = (header: Buffer | string): string => (typeof header === 'string' ? header : text(header, 'a header'));
  const entries = Object.entries(headers).map(([name, value]) => {
    const content = value === undefined || value === null ? null : typeof value === 'string' || Buffer.isBuffer(value) ? one(value) : value.map(one);
    return [name, content];
  });
  return JSON.stringify(Object.fromEntries(entries));
}

function timestampText(milliseconds: number): string | null {
  if (milliseconds < 0) return null;
  const time = new Date(milliseconds);
  if (Number.isNaN(time.getTime())) throw new Malformed('its timestamp is past all calendars');
  return time.toISOString().replace('T', ' ').replace('Z', '+00:00');
}
