/** Types that a definition gives to fields: what is past them is no row. No broker is needed. */
import { describe, expect, it } from 'vitest';
import { config } from '../../lib/connectors/kafka/config.ts';
import { decode } from '../../lib/connectors/kafka/decode.ts';
import type { Message } from '../../lib/connectors/kafka/fetch.ts';
import { Fields } from '../../lib/connectors/kafka/fields.ts';

describe('fields with a type of the definition', () => {
  const read = (type: string, value: string) => {
    const fields = new Fields({}, config.source.parse({ topic: 'orders', fields: { f: type } }) as ConstructorParameters<typeof Fields>[1]);
    const message = { offset: '7', key: null, value: Buffer.from(`{"f":${value}}`), timestamp: '0' } as unknown as Message;
    return decode(message, { topic: 'orders', partition: 0, fields });
  };

  it.each([
    ['float64', '9007199254740993'],
    ['float64', '"9007199254740993"'],
    ['float64', '0.1234567890123456789012'],
    ['float64', '1e400'],
    ['float64', '"one"'],
    ['decimal(10,2)', '1.239'],
    ['decimal(10,2)', '123456789012.5'],
    ['decimal(10,2)', '"1.239"'],
    ['timestamp(3, zoned)', '"2024-01-01T00:00:00.123456Z"'],
    ['time(0)', '"10:00:00.5"'],
    ['int32', '2147483648'],
    ['string(2)', '"abc"'],
  ])('%s refuses %s, with the place and without the value', (type, value) => {
    const result = read(type, value);
    expect(result).toMatchObject({ kind: 'rejected', error: { code: 'ROW_MALFORMED', place: { table: 'orders', key: 'orders/0@7' } } });
    if (result.kind === 'rejected') expect(result.error.message).not.toContain(value.replaceAll('"', ''));
  });

  it.each([
    ['float64', '0.1', '0.1'],
    ['float64', '"1.50"', '1.5'],
    ['float64', '"NaN"', 'NaN'],
    ['float64', '9007199254740992', '9007199254740992'],
    ['decimal(10,2)', '1.230', '1.230'],
    ['decimal', '1.239', '1.239'],
    ['timestamp(3, zoned)', '"2024-01-01T00:00:00.120000Z"', '2024-01-01 00:00:00.120000+00:00'],
    ['string(2)', '"\\ud800x"', '\ud800x'],
    ['string(2)', 'null', null],
    ['json', '{"a":1}', '{"a":1}'],
  ])('%s takes %s', (type, value, row) => {
    expect(read(type, value)).toEqual({ kind: 'row', row: [row], deleted: false });
  });
});
