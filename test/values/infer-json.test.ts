import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { typeOfJson, widenedJson } from '../../lib/values/infer-json.ts';
import { valueFromJson, valueToJson } from '../../lib/values/row-json.ts';

describe('types of JSON values', () => {
  it.each([
    ['null', undefined],
    ['true', 'boolean'],
    ['"2026-01-01"', 'string'],
    ['{"a":1}', 'json'],
    ['[]', 'json'],
    ['0', 'int64'],
    ['-0', 'float64'],
    ['-9223372036854775808', 'int64'],
    ['9223372036854775808', 'uint64'],
    ['18446744073709551616', 'decimal'],
    ['-9223372036854775809', 'decimal'],
    ['1.10', 'float64'],
    ['0.10000000000000000001', 'decimal'],
    ['1e2', 'float64'],
    ['1e400', 'decimal'],
    ['1e9999', 'json'],
  ])('%s: %s', (raw, kind) => {
    expect(typeOfJson(raw)?.kind).toBe(kind);
  });

  const scalar = fc.oneof(
    fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String),
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.tuple(fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }), fc.stringMatching(/^[0-9]{1,25}$/)).map(([whole, fraction]) => `${whole}.${fraction}`),
    fc.json(),
  );

  it('hold every value of which they were made, whatever came before and after', () => {
    fc.assert(
      fc.property(fc.array(scalar, { minLength: 1, maxLength: 6 }), (values) => {
        const types = values.flatMap((raw) => typeOfJson(raw) ?? []);
        const [first] = types;
        if (first === undefined) return;
        const type = types.reduce(widenedJson, first);
        for (const raw of values) {
          const value = valueFromJson(raw, type);
          if (value === undefined) throw new Error(`${raw} is no ${type.kind}`);
          const back = valueToJson(value, type);
          // The same number, with all its digits; the same text or document
          if (type.kind === 'decimal' && raw !== 'null') expect(scaled(back)).toBe(scaled(raw));
          else expect(JSON.parse(back)).toEqual(JSON.parse(raw));
        }
      }),
      { numRuns: 500 },
    );
  });
});

/** A decimal as an integer times ten to the power of -400, so that digits can be compared. */
function scaled(text: string): bigint {
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = /^(-?)([0-9]+)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$/.exec(text) ?? [];
  const value = BigInt(whole + fraction) * 10n ** BigInt(400 + Number(exponent) - fraction.length);
  return sign === '-' ? -value : value;
}
