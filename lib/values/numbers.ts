/** Facts about numbers in text form, found without turning them into a JavaScript number. */

const integerText = /^-?[0-9]+$/;
const decimalText = /^-?[0-9]+(?:\.[0-9]+)?$/;
const exponentText = /^([+-]?)([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]{1,5}))?$/;
const specials = new Set(['NaN', 'Infinity', '-Infinity']);

export function isIntegerText(text: string): boolean {
  return integerText.test(text);
}

/** Canonical decimal text, `NaN` and the infinities not included. */
export function isDecimalText(text: string): boolean {
  return decimalText.test(text);
}

/** `NaN`, `Infinity`, `-Infinity`: the values of a decimal or float64 that are no number. */
export function isSpecialNumber(text: string): boolean {
  return specials.has(text);
}

export interface IntegerRange {
  readonly min: bigint;
  readonly max: bigint;
}

export const integerRanges = {
  int8: { min: -128n, max: 127n },
  uint8: { min: 0n, max: 255n },
  int16: { min: -32_768n, max: 32_767n },
  uint16: { min: 0n, max: 65_535n },
  int24: { min: -8_388_608n, max: 8_388_607n },
  uint24: { min: 0n, max: 16_777_215n },
  int32: { min: -2_147_483_648n, max: 2_147_483_647n },
  uint32: { min: 0n, max: 4_294_967_295n },
  int64: { min: -9_223_372_036_854_775_808n, max: 9_223_372_036_854_775_807n },
  uint64: { min: 0n, max: 18_446_744_073_709_551_615n },
} as const satisfies Record<string, IntegerRange>;

/** Whether text, number or bigint is an integer within the range. */
export function inRange(value: string | number | bigint, range: IntegerRange): boolean {
  if (typeof value === 'string') {
    if (!integerText.test(value)) return false;
    // Fifteen digits are exact as a number, which is several times faster than a bigint.
    if (value.length < 16) return Number(value) >= Number(range.min) && Number(value) <= Number(range.max);
    const exact = BigInt(value);
    return exact >= range.min && exact <= range.max;
  }
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return false;
  const exact = BigInt(value);
  return exact >= range.min && exact <= range.max;
}

export interface DecimalFacts {
  readonly negative: boolean;
  /** Digits before the point without leading zeros; empty for 0.5. */
  readonly whole: string;
  /** Digits after the point without trailing zeros. */
  readonly fraction: string;
  /** Digits after the point as written. */
  readonly writtenScale: number;
}

/** Reads decimal text, exponents included; null where it is none. Exponents past ±99,999 are refused: expanding them would fill the memory. */
export function readDecimal(text: string): DecimalFacts | null {
  const match = exponentText.exec(text);
  if (match === null) return null;
  const [, sign = '', before = '', after = '', exponent = '0'] = match;
  if (before === '' && after === '') return null;
  const shift = Number(exponent);
  let digits = before + after;
  let point = before.length + shift;
  if (point < 0) {
    digits = '0'.repeat(-point) + digits;
    point = 0;
  } else if (point > digits.length) {
    digits += '0'.repeat(point - digits.length);
  }
  const fraction = digits.slice(point);
  return {
    negative: sign === '-',
    whole: digits.slice(0, point).replace(/^0+/, ''),
    fraction: fraction.replace(/0+$/, ''),
    writtenScale: fraction.length,
  };
}

/** The same number as canonical decimal text: exponent expanded, leading zeros and a plus removed, trailing zeros kept. Null where it is no number. */
export function plainDecimal(text: string): string | null {
  if (isSpecialNumber(text)) return text;
  const facts = readDecimal(text);
  if (facts === null) return null;
  const fraction = facts.fraction.padEnd(facts.writtenScale, '0');
  return `${facts.negative ? '-' : ''}${facts.whole === '' ? '0' : facts.whole}${fraction === '' ? '' : `.${fraction}`}`;
}

/** Whether `decimal(precision, scale)` holds the number exactly; trailing zeros past the scale change nothing. */
export function fitsDecimal(text: string, precision: number, scale: number): boolean {
  // Most values are short enough to be decided by their length alone.
  const point = text.indexOf('.');
  const whole = point < 0 ? text.length : point;
  if (decimalText.test(text) && whole <= precision - scale && (point < 0 || text.length - point - 1 <= scale)) return true;
  const facts = readDecimal(text);
  return facts !== null && facts.whole.length <= precision - scale && facts.fraction.length <= scale;
}

/** Whether two decimal texts are the same number: `1.10` and `1.1`, `-0` and `0`. */
export function sameNumber(a: string, b: string): boolean {
  if (a === b) return true;
  const left = readDecimal(a);
  const right = readDecimal(b);
  if (left === null || right === null) return false;
  if (left.whole !== right.whole || left.fraction !== right.fraction) return false;
  return left.negative === right.negative || (left.whole === '' && left.fraction === '');
}

/** Shortest text that reads back to the same double, the sign of zero included. */
export function doubleText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** The double that a float64's text means; null where it is no number. `NaN` and the infinities are read in PostgreSQL's words. */
export function readDouble(text: string): number | null {
  if (isSpecialNumber(text)) return Number(text);
  const match = exponentText.exec(text);
  if (match === null || ((match[2] ?? '') === '' && (match[3] ?? '') === '')) return null;
  return Number(text);
}

/** Whether a double holds the decimal so that its shortest text is the same number again: 0.1 does, 9007199254740993 does not. */
export function survivesDouble(text: string): boolean {
  const double = readDouble(text);
  return double !== null && Number.isFinite(double) && sameNumber(doubleText(double), text);
}

/** Whether a float64 is what the text says, NaN and the infinities included: what it would round is no value of it. */
export function isDoubleText(text: string): boolean {
  return isSpecialNumber(text) || survivesDouble(text);
}
