import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytesCheck,
  checkFor,
  dateCheck,
  decimalCheck,
  doubleCheck,
  integerCheck,
  stringCheck,
  timeCheck,
  timestampCheck,
  unrepresentable,
} from '../../lib/values/fits.ts';
import {
  doubleText,
  fitsDecimal,
  inRange,
  integerRanges,
  plainDecimal,
  readDecimal,
  readDouble,
  sameNumber,
  survivesDouble,
} from '../../lib/values/numbers.ts';

const decimal = fc
  .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 25n }), fc.stringMatching(/^[0-9]{0,25}$/))
  .map(([negative, whole, fraction]) => `${negative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`);

describe('numbers', () => {
  it('ranges agree with bigint, in each form', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n }), fc.constantFrom(...Object.values(integerRanges)), (n, range) => {
        const inside = n >= range.min && n <= range.max;
        expect([inRange(n, range), inRange(String(n), range)]).toEqual([inside, inside]);
      }),
    );
    for (const range of Object.values(integerRanges))
      expect([range.min - 1n, range.min, range.max, range.max + 1n].map((n) => inRange(String(n), range))).toEqual([false, true, true, false]);
    expect(['1.0', '', ' 1', '1e3', '0x1'].map((text) => inRange(text, integerRanges.int32))).toEqual([false, false, false, false, false]);
    expect(inRange(1.5, integerRanges.int32)).toBe(false);
  });

  it('exponents expand to the same number', () => {
    fc.assert(
      fc.property(decimal, fc.integer({ min: -40, max: 40 }), (text, exponent) => {
        const plain = plainDecimal(`${text}e${exponent}`) ?? '';
        const back = readDecimal(`${plain}e${-exponent}`);
        const own = readDecimal(text);
        expect([back?.whole, back?.fraction, back?.negative]).toEqual([own?.whole, own?.fraction, own?.negative]);
      }),
    );
    expect(['1e3', '1.50E-2', '-.5', '+7', '00.10', 'NaN', '-Infinity'].map(plainDecimal)).toEqual(['1000', '0.0150', '-0.5', '7', '0.10', 'NaN', '-Infinity']);
    for (const text of ['', '.', 'e5', '1e', '--1', '1e999999999', 'abc']) expect(plainDecimal(text)).toBeNull();
  });

  it('a decimal fits exactly when scaling it leaves an integer short enough', () => {
    fc.assert(
      fc.property(decimal, fc.integer({ min: 1, max: 38 }), fc.integer({ min: 0, max: 20 }), (text, precision, wanted) => {
        const scale = Math.min(precision, wanted);
        const digits = text.replace(/^-/, '');
        const [whole = '', fraction = ''] = digits.split('.');
        const exact = /^0*$/.test(fraction.slice(scale));
        const scaled = BigInt(whole + fraction.slice(0, scale).padEnd(scale, '0'));
        expect(fitsDecimal(text, precision, scale)).toBe(exact && scaled < 10n ** BigInt(precision));
      }),
    );
  });

  it('doubles come back from their text', () => {
    fc.assert(
      fc.property(fc.double(), (n) => {
        expect(Object.is(readDouble(doubleText(n)), n)).toBe(true);
      }),
    );
    expect(['0.1', '9007199254740993', '1e400', '0.1000000000000000055'].map(survivesDouble)).toEqual([true, false, false, false]);
    expect([sameNumber('1.10', '1.1'), sameNumber('-0', '0.0'), sameNumber('1e2', '100'), sameNumber('1', '-1')]).toEqual([true, true, true, false]);
  });
});

const limits = { infinity: false, zeroDates: false, minYear: 1000, maxYear: 9999 };

describe('checks', () => {
  it('refuse what a column would change', () => {
    expect(integerCheck(integerRanges.int16)('32768')).toMatch(/whole number from -32768 to 32767/);
    expect(decimalCheck({ precision: 10, scale: 2, specials: false })('1.005')).toMatch(/decimal\(10,2\)/);
    expect(decimalCheck({ precision: 10, scale: 2, specials: false })('1.500')).toBeNull();
    expect(decimalCheck({ specials: false })('NaN')).toMatch(/NaN/);
    expect(doubleCheck({ specials: false })('Infinity')).toMatch(/infinite/);
    expect(doubleCheck({ specials: true })('1e400')).toMatch(/range/);
    expect(stringCheck({ maxCharacters: 2, nul: false })('😀😀')).toBeNull();
    expect(stringCheck({ maxCharacters: 2, nul: false })('abc')).toMatch(/2 characters/);
    expect(stringCheck({ maxBytes: 7, nul: false })('😀😀')).toMatch(/7 bytes/);
    expect(stringCheck({ nul: false })('a\0')).toMatch(/NUL/);
    expect(stringCheck({ nul: true })('a\ud800')).toMatch(/surrogate/);
    expect(bytesCheck(2)(Buffer.from([1, 2, 3]))).toMatch(/2 bytes/);
  });

  it('know the limits of dates, fractions and offsets', () => {
    const at = timestampCheck({ ...limits, fraction: 6 });
    for (const good of ['2024-01-01 00:00:00', '2024-01-31 23:59:59.123456', '2024-02-29 10:00:00.1234560', '9999-12-31 23:59:59+00:00', null])
      expect(at(good)).toBeNull();
    expect(at('2024-01-01 00:00:00.1234567')).toMatch(/6 fraction digits/);
    expect(at('9999-12-31 23:30:00-01:00')).toMatch(/years 1000 to 9999/);
    expect(at('0999-12-31 23:30:00')).toMatch(/years/);
    expect(at('infinity')).toMatch(/infinite/);
    expect(at('2024-02-30 00:00:00')).toMatch(/no date/);
    expect(at('0000-00-00 00:00:00')).toMatch(/zero date/);
    expect(timestampCheck({ ...limits, fraction: 0 })('2024-01-01 00:00:00.5')).toMatch(/0 fraction/);
    expect(timestampCheck({ ...limits, fraction: 0 })('2024-01-01 00:00:00.000')).toBeNull();
    expect(dateCheck(limits)('2024-02-29')).toBeNull();
    expect(dateCheck(limits)('-000043-03-15')).toMatch(/years/);
    const time = timeCheck({ fraction: 3, maxHours: 24, negative: false });
    expect(['24:00:00', '23:59:59.123'].map(time)).toEqual([null, null]);
    expect([time('24:00:00.001'), time('-01:00:00'), time('10:00:00.1234')].every((reason) => reason !== null)).toBe(true);
  });

  it('the shortcut for common timestamps never passes what the whole check refuses', () => {
    const part = (max: number, width = 2): fc.Arbitrary<string> => fc.integer({ min: 0, max }).map((n) => String(n).padStart(width, '0'));
    const text = fc
      .tuple(
        part(9999, 4),
        part(13),
        part(32),
        part(25),
        part(61),
        part(61),
        fc.stringMatching(/^(\.[0-9]{1,8})?$/),
        fc.constantFrom('', '+00:00', '-11:30', '+14:00'),
      )
      .map(([y, mo, d, h, mi, s, f, o]) => `${y}-${mo}-${d} ${h}:${mi}:${s}${f}${o}`);
    fc.assert(
      fc.property(text, fc.integer({ min: 0, max: 6 }), (value, fraction) => {
        // Other limits switch the shortcut off; the years generated for the comparison lie within both.
        if (!/^[2-8]/.test(value)) return;
        const quick = timestampCheck({ ...limits, fraction })(value) === null;
        const whole = timestampCheck({ ...limits, minYear: 1001, maxYear: 9999, fraction })(value) === null;
        expect(quick).toBe(whole);
      }),
      { numRuns: 2000 },
    );
  });

  it('each logical type refuses what is not its own', () => {
    expect(checkFor({ kind: 'uuid' })('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')).toMatch(/uuid/);
    expect(checkFor({ kind: 'json' })('{')).toMatch(/JSON/);
    expect(checkFor({ kind: 'boolean' })('t')).toMatch(/true/);
    expect(checkFor({ kind: 'uint64' })('18446744073709551615')).toBeNull();
    expect(checkFor({ kind: 'int64' })('18446744073709551615')).toMatch(/whole number/);
    expect(checkFor({ kind: 'string' })(5)).toMatch(/number where text/);
  });

  it('the error names the place and hides the value', () => {
    const error = unrepresentable('is no date', { table: 'shop.orders', column: 'day', key: 'id=7', type: 'date' });
    expect(error.message).toContain('shop.orders.day (date)');
    expect(error.place).toEqual({ table: 'shop.orders', column: 'day', key: 'id=7' });
  });
});
