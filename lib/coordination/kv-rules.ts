import type { Op } from './kv.ts';

/** etcd refuses a transaction that writes a key twice: so do all stores. The key in question, or null. */
export function writesTwice(ops: readonly Op[]): string | null {
  const seen = new Set<string>();
  for (const { op, key } of ops) {
    if (op === 'get') continue;
    if (seen.has(key)) return key;
    seen.add(key);
  }
  return null;
}

/** The first text after all that begin with `prefix`, in the order of their UTF-8 bytes (which is that of code points); null where there is none. */
export function prefixEnd(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  while (points.length > 0) {
    const last = points.pop() ?? 0;
    // Surrogates are no characters: U+D7FF is followed by U+E000.
    if (last < 0x10ffff) return String.fromCodePoint(...points, last === 0xd7ff ? 0xe000 : last + 1);
  }
  return null;
}
