/** numeric as COPY's binary format has it: groups of four decimal digits, the weight of the first, a sign, and how many digits are shown after the point. */

const specials: Readonly<Record<string, number>> = { NaN: 0xc000, Infinity: 0xd000, '-Infinity': 0xf000 };
const negative = 0x4000;
const headBytes = 8;
const minus = 45;
const zero = 48;
const nine = 57;
/** Groups and digits after the point are counted in 16 bits, of which the server uses these: https://www.postgresql.org/docs/current/datatype-numeric.html */
const maxWhole = 131_072;
const maxScale = 16_383;

/** Bytes at most for a text of this many characters: each four digits become two bytes, and both ends may begin a group. */
export function numericRoom(characters: number): number {
  return headBytes + 4 + characters;
}

/** Writes decimal text (`-?[0-9]+(\.[0-9]+)?`, `NaN`, the infinities) and returns where it ends; −1 for any other text, or one with more digits than the server holds. */
export function writeNumeric(text: string, view: DataView, at: number): number {
  const { length } = text;
  const start = text.charCodeAt(0) === minus ? 1 : 0;
  if (text.charCodeAt(start) > nine) {
    const special = specials[text];
    return special === undefined ? -1 : writeHead(view, at, { groups: 0, weight: 0, sign: special, scale: 0 });
  }
  const dot = text.indexOf('.');
  const wholeEnd = dot < 0 ? length : dot;
  const scale = dot < 0 ? 0 : length - dot - 1;
  if (wholeEnd === start || dot === length - 1 || scale > maxScale) return -1;
  let first = start;
  while (first < wholeEnd && text.charCodeAt(first) === zero) first++;
  const wholeDigits = wholeEnd - first;
  if (wholeDigits > maxWhole) return -1;
  let to = at + headBytes;
  let groups = 0;
  let group = 0;
  let left = wholeDigits % 4 === 0 ? 4 : wholeDigits % 4;
  for (let i = first; i < wholeEnd; i++) {
    const value = (text.charCodeAt(i) - zero) >>> 0;
    if (value > 9) return -1;
    group = group * 10 + value;
    if (--left > 0) continue;
    view.setInt16(to, group);
    to += 2;
    groups++;
    group = 0;
    left = 4;
  }
  let weight = Math.ceil(wholeDigits / 4) - 1;
  left = 4;
  for (let i = wholeEnd + 1; i < length; i++) {
    const value = (text.charCodeAt(i) - zero) >>> 0;
    if (value > 9) return -1;
    group = group * 10 + value;
    if (--left > 0 && i < length - 1) continue;
    group *= 10 ** left;
    // Leading groups of nothing are not stored: 0.00001234 begins at its second group
    if (groups > 0 || group > 0) {
      view.setInt16(to, group);
      to += 2;
      groups++;
    } else weight--;
    group = 0;
    left = 4;
  }
  const sign = start === 1 && groups > 0 ? negative : 0;
  writeHead(view, at, { groups, weight: groups === 0 ? 0 : weight, sign, scale });
  return to;
}

function writeHead(view: DataView, at: number, head: { groups: number; weight: number; sign: number; scale: number }): number {
  view.setInt16(at, head.groups);
  view.setInt16(at + 2, head.weight);
  view.setUint16(at + 4, head.sign);
  view.setInt16(at + 6, head.scale);
  return at + headBytes;
}
