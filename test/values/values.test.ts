import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBase64, fromHex, toBase64, toHex } from '../../lib/values/bytes.ts';
import { jsonMembers, normalizeJson } from '../../lib/values/json.ts';
import { rowFromJson, rowFromText, rowToJson, rowToText } from '../../lib/values/row-json.ts';
import { characterCount, fitsCharacters } from '../../lib/values/text.ts';
import type { Column, LogicalType, Row } from '../../lib/values/types.ts';
import { codePoint } from '../support/code-point.ts';

const column = (name: string, type: LogicalType): Column => ({ name, type, nullable: true });
const schema = {
  columns: [
    column('flag', { kind: 'boolean' }),
    column('big', { kind: 'int64' }),
    column('amount', { kind: 'decimal', precision: 38, scale: 20 }),
    column('ratio', { kind: 'float64' }),
    column('text "quoted"', { kind: 'string' }),
    column('blob', { kind: 'bytes' }),
    column('day', { kind: 'date' }),
    column('at', { kind: 'timestamp', fraction: 9, zoned: true }),
    column('doc', { kind: 'json' }),
  ],
};
const nullable = <T>(arb: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(arb, { nil: null });
const row: fc.Arbitrary<Row> = fc.tuple(
  nullable(fc.boolean()),
  nullable(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
  nullable(fc.tuple(fc.bigInt({ min: 0n, max: 10n ** 18n }), fc.stringMatching(/^[0-9]{1,20}$/)).map(([a, b]) => `-${a}.${b}`)),
  nullable(fc.double().map((n) => (Object.is(n, -0) ? '-0' : String(n)))),
  nullable(fc.string({ unit: codePoint })),
  nullable(fc.uint8Array().map((b) => Buffer.from(b))),
  nullable(fc.constantFrom('2024-02-29', '-000043-03-15', '+012024-01-01', 'infinity', '0000-00-00')),
  nullable(fc.constantFrom('2024-01-01 00:00:00.123456789+05:30', '-infinity', '1850-01-01 00:00:00+00:00')),
  nullable(fc.json().filter((text) => text !== 'null')),
);

describe('rows as JSON', () => {
  it('come back exact in the text form, lone surrogates included', () => {
    fc.assert(
      fc.property(row, (values) => {
        expect(rowFromText(schema.columns, rowToText(schema.columns, values))).toEqual(values);
      }),
    );
    const lone = [column('s', { kind: 'string' })];
    expect(rowFromText(lone, rowToText(lone, ['a\ud800\u0000']))).toEqual(['a\ud800\u0000']);
  });

  it('come back exact as documents', () => {
    fc.assert(
      fc.property(row, (values) => {
        expect(rowFromJson(schema.columns, rowToJson(schema.columns, values))).toEqual(values);
      }),
    );
  });

  it('keep all digits of numbers in documents', () => {
    const columns = [column('n', { kind: 'uint64' }), column('d', { kind: 'decimal' }), column('j', { kind: 'json' })];
    const text = rowToJson(columns, ['18446744073709551615', '1.10', '{"a":\n9007199254740993}']);
    expect(text).toBe('{"n":18446744073709551615,"d":1.10,"j":{"a": 9007199254740993}}');
  });

  it('refuse what is no object and what is not of the type', () => {
    for (const text of ['[1]', '{', '{"big":1}']) expect(rowFromText(schema.columns, text)).toBeNull();
    expect(() => rowFromJson(schema.columns, '[1]')).toThrow(expect.objectContaining({ code: 'ROW_MALFORMED' }));
    expect(() => rowFromJson(schema.columns, '{"day":"tomorrow"}')).toThrow(expect.objectContaining({ code: 'ROW_MALFORMED', place: { column: 'day' } }));
  });
});

describe('JSON text', () => {
  it('splits any object into its members', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'), (object, indent) => {
        const found = jsonMembers(JSON.stringify(object, null, indent));
        expect(new Map(Object.entries(object).map(([key, value]) => [key, JSON.stringify(value)]))).toEqual(
          new Map([...(found ?? [])].map(([key, text]) => [key, JSON.stringify(JSON.parse(text))])),
        );
      }),
    );
    expect(jsonMembers('[]')).toBeNull();
  });

  it('normalises order and space but no digit', () => {
    expect(normalizeJson('{"b": 9007199254740993, "a": [1.10, {"z":1,"__proto__":2}]}')).toBe('{"a":[1.10,{"__proto__":2,"z":1}],"b":9007199254740993}');
    expect(normalizeJson('{"a":9007199254740993}')).not.toBe(normalizeJson('{"a":9007199254740992}'));
  });
});

describe('bytes and characters', () => {
  it('bytes come back from hex and base64, and broken text is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(Buffer.from(bytes));
        expect(fromBase64(toBase64(bytes))).toEqual(Buffer.from(bytes));
      }),
    );
    for (const text of ['0', '0g', 'zz', '00 ']) expect(fromHex(text)).toBeNull();
    for (const text of ['a', 'a===', 'aa', '=aaa', 'aa a']) expect(fromBase64(text)).toBeNull();
  });

  it('counts code points', () => {
    fc.assert(
      fc.property(fc.string({ unit: codePoint }), (text) => {
        expect(characterCount(text)).toBe([...text].length);
      }),
    );
    expect([fitsCharacters('😀😀', 2), fitsCharacters('😀😀', 1), fitsCharacters('abc', 2)]).toEqual([true, false, false]);
  });
});
