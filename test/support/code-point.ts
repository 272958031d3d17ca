import fc from 'fast-check';

const surrogates = 0x800;
const firstSurrogate = 0xd800;

/**
 * Any code point but half a surrogate pair, as `unit` of a string. The same characters as fast-check's own `binary`, which first lists all 1.1 million of them: more than a second of the processor in every test file that draws one text.
 */
export const codePoint = fc.integer({ min: 0, max: 0x10_ffff - surrogates }).map(
  (index) => String.fromCodePoint(index < firstSurrogate ? index : index + surrogates),
  (text) => {
    const point = typeof text === 'string' && [...text].length === 1 ? text.codePointAt(0) : undefined;
    if (point === undefined || (point >= firstSurrogate && point < firstSurrogate + surrogates)) throw new Error('it is not one code point');
    return point < firstSurrogate ? point : point - surrogates;
  },
);
