import { describe, expect, it } from 'vitest';
import { parseType } from '../../lib/values/parse-type.ts';
import { type LogicalType, typeName } from '../../lib/values/types.ts';
import { valueCases } from '../conformance/values.ts';

describe('parseType', () => {
  it('reads what typeName writes', () => {
    for (const { type } of valueCases) expect(parseType(typeName(type))).toEqual(type);
  });

  it.each<[string, LogicalType]>([
    ['decimal', { kind: 'decimal' }],
    ['decimal(10)', { kind: 'decimal', precision: 10, scale: 0 }],
    ['decimal( 38 , 20 )', { kind: 'decimal', precision: 38, scale: 20 }],
    ['timestamp', { kind: 'timestamp', fraction: 6, zoned: false }],
    ['timestamp(3,zoned)', { kind: 'timestamp', fraction: 3, zoned: true }],
    ['string(50)', { kind: 'string', maxLength: 50 }],
  ])('%s', (text, type) => expect(parseType(text)).toEqual(type));

  it.each([
    '',
    'varchar',
    'int64(3)',
    'decimal(0)',
    'decimal(2,3)',
    'timestamp(10)',
    'timestamp(zoned)',
    'string(0)',
    'INT64',
    'decimal(1,2',
    'time(6, zoned)',
  ])('refuses %s', (text) => expect(parseType(text)).toBeNull());
});
