/** Answers as text: values keep their digits, which `JSON.parse` would round. */
import { SyncError } from '../../errors.ts';
import { jsonItems, jsonMembers } from '../../values/json.ts';
import { malformed } from './errors.ts';

export type Members = ReadonlyMap<string, string>;

/** One thing of a list: a record, or what is none. */
export interface Item {
  readonly members: Members | null;
  readonly text: string;
}

/** What comes before the first tag of a page for people. */
const html = /^\s*<(!doctype|html|head|body|\?xml)/i;

/** Text of the value at a path of member names; null where it is missing or null. Throws `ROW_MALFORMED` where the answer is no JSON. */
export function valueAt(text: string, path: string, what: string): string | null {
  let current = text;
  for (const name of path.split('.')) {
    const members = readWith(jsonMembers, current, what);
    const member = members?.get(name);
    if (member === undefined || member === 'null') return null;
    current = member;
  }
  return current;
}

/**
 * The token or link at a path; null where there is none: nothing at the path, null, false or an empty text, also on the way to it.
 * Throws `CONFIG_INVALID` for anything else: the path is wrong then, and taking that for the end would leave the other pages out.
 */
export function nextAt(text: string, path: string, what: string): string | null {
  const names = path.split('.');
  let current = text;
  for (const [index, name] of names.entries()) {
    const members = readWith(jsonMembers, current, what);
    if (members === null) throw noNext(names.slice(0, index), current, { path, what });
    const member = members.get(name);
    if (member === undefined || ['null', 'false', '""'].includes(member)) return null;
    current = member;
  }
  const found = scalarText(current);
  if (found === null) throw noNext(names, current, { path, what });
  return found;
}

function noNext(names: readonly string[], found: string, { path, what }: { readonly path: string; readonly what: string }): SyncError {
  const first = found.trimStart()[0] ?? '';
  const kinds: Readonly<Record<string, string>> = { '{': 'an object', '[': 'a list', '"': 'a text', t: 'true', f: 'false', n: 'null' };
  const place = names.length === 0 ? 'the answer itself' : `what stands at ${names.join('.')}`;
  return new SyncError(
    'CONFIG_INVALID',
    `${what}: ${place} is ${kinds[first] ?? 'a number'}, and pagination.next is ${path}: it has to name the token or the link itself, such as _links.next.href.`,
    { field: 'source.pagination.next', key: what },
  );
}

/** The records of an answer. Throws `ROW_MALFORMED` for a page of HTML, text that was cut short, and an answer without the list that the definition names. */
export function recordsOf(text: string, path: string | undefined, what: string): Item[] {
  const list = path === undefined ? text : valueAt(text, path, what);
  // An answer without the member may be an error in the clothes of a success: nothing may be taken for an empty page
  if (list === null) throw malformed(what, `the answer has no list at ${path ?? 'its top'}; check records`);
  const items = readWith(jsonItems, list, what);
  if (items === null)
    throw malformed(
      what,
      path === undefined ? 'the answer is no list; say with records where the list stands' : `what stands at ${path} is no list; check records`,
    );
  return items.map((item) => ({ members: item.startsWith('{') ? jsonMembers(item) : null, text: item }));
}

/** The text of a token or a value: a string's content, or the digits of a number. Null for what is neither. */
export function scalarText(raw: string | null | undefined): string | null {
  if (raw === null || raw === undefined) return null;
  if (raw.startsWith('"')) return String(JSON.parse(raw));
  return /^-?[0-9]/.test(raw) ? raw : null;
}

function readWith<T>(read: (text: string) => T, text: string, what: string): T {
  try {
    return read(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    // The parser's own message repeats a part of the text, which may hold anything
    if (html.test(text)) throw malformed(what, 'the answer is a page of HTML, as a login or a proxy gives, where JSON was due');
    throw malformed(what, text === '' ? 'the answer is empty where JSON was due' : 'the answer is no JSON, or was cut short');
  }
}
