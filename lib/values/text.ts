/** Facts about text that decide whether a destination can hold it. */

const nul = '\u0000';

export function hasNul(text: string): boolean {
  return text.includes(nul);
}

/** False where the text has a surrogate without its partner: UTF-8 cannot hold it, and encoders would write U+FFFD instead. */
export function isWellFormed(text: string): boolean {
  return text.isWellFormed();
}

/** Characters as databases count them: a surrogate pair is one. */
export function characterCount(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length - 1; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0xd800 || unit > 0xdbff) continue;
    const next = text.charCodeAt(i + 1);
    if (next >= 0xdc00 && next <= 0xdfff) {
      count--;
      i++;
    }
  }
  return count;
}

/** Whether the text has at most `limit` characters, counted only where its length leaves a doubt. */
export function fitsCharacters(text: string, limit: number): boolean {
  return text.length <= limit || (text.length <= 2 * limit && characterCount(text) <= limit);
}

export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}
