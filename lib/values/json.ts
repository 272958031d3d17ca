/** JSON as text: numbers keep all their digits, which `JSON.parse` alone would round. */

/** Part of ES2026 that Node has and TypeScript's library does not know yet. */
interface ExactJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
  rawJSON(text: string): unknown;
}

const exact = JSON as unknown as ExactJson;

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * One text for all JSON texts that mean the same: no insignificant whitespace, keys sorted, the last of equal keys, numbers with their digits as written.
 * For comparing; never what is stored. Throws a SyntaxError where the text is not JSON.
 */
export function normalizeJson(text: string): string {
  const value = exact.parse(text, (_key, item, context) => {
    if (typeof item === 'number') return exact.rawJSON(context.source ?? String(item));
    if (typeof item !== 'object' || item === null || Array.isArray(item) || isRaw(item)) return item;
    const sorted: Record<string, unknown> = Object.create(null);
    for (const [key, member] of Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1))) sorted[key] = member;
    return sorted;
  });
  return JSON.stringify(value);
}

function isRaw(item: object): boolean {
  return 'rawJSON' in item && Object.isFrozen(item) && Object.getPrototypeOf(item) === null;
}

/** JSON's own null, for which an object has no place beside NULL. */
export function isJsonNull(value: unknown): boolean {
  return typeof value === 'string' && value.trim() === 'null';
}

/** Valid JSON on one line: line ends can only stand between its tokens. */
export function singleLineJson(text: string): string {
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, ' ') : text;
}

/**
 * The members of a JSON object with each value's own text, digits and inner order untouched; the last of equal keys. Throws a SyntaxError where the text is not JSON, and
 * returns null where it is no object.
 */
export function jsonMembers(text: string): Map<string, string> | null {
  JSON.parse(text);
  let at = skipSpace(text, 0);
  if (text[at] !== '{') return null;
  const members = new Map<string, string>();
  at = skipSpace(text, at + 1);
  while (text[at] !== '}') {
    const keyEnd = valueEnd(text, at);
    const key: unknown = JSON.parse(text.slice(at, keyEnd));
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = valueEnd(text, start);
    members.set(String(key), text.slice(start, end));
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return members;
}

/** The items of a JSON array, each with its own text. Throws a SyntaxError where the text is not JSON, and returns null where it is no array. */
export function jsonItems(text: string): string[] | null {
  JSON.parse(text);
  let at = skipSpace(text, 0);
  if (text[at] !== '[') return null;
  const items: string[] = [];
  at = skipSpace(text, at + 1);
  while (text[at] !== ']') {
    const end = valueEnd(text, at);
    items.push(text.slice(at, end));
    at = skipSpace(text, end);
    if (text[at] === ',') at = skipSpace(text, at + 1);
  }
  return items;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\n' || text[at] === '\r') at++;
  return at;
}

/** Index after the value that begins at `from`, in text known to be valid. */
function valueEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === '"') {
      at = stringEnd(text, at);
      if (depth === 0) return at + 1;
    } else if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') {
      if (depth === 0) return at;
      if (--depth === 0) return at + 1;
    } else if (depth === 0 && (char === ',' || char === ':' || char === ' ' || char === '\t' || char === '\n' || char === '\r')) return at;
  }
  return text.length;
}

function stringEnd(text: string, from: number): number {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
