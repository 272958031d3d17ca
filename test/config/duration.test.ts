import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, formatSize, parseDuration, parseSize } from '../../lib/config/duration.ts';

describe('durations', () => {
  it.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['90m', 5_400_000],
  ])('%s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', '5', 'm', '-5m', '5 m', '5M', '30m1h', '5m5m', '1.5h', '1h ', '367d', '99999999999999999999d'])('refuses %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('writes what it reads', () => {
    fc.assert(fc.property(fc.nat(366 * 86_400_000), (ms) => parseDuration(formatDuration(ms)) === ms));
  });
});

describe('sizes', () => {
  it.each([
    ['16MB', 16 * 1024 ** 2],
    ['16 MiB', 16 * 1024 ** 2],
    ['512KB', 512 * 1024],
    ['1GB', 1024 ** 3],
    ['1000B', 1000],
    ['0B', 0],
  ])('%s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', '16', 'MB', '1.5MB', '16mb', '-1KB', '16MB ', '99999999999GB'])('refuses %j', (text) => {
    expect(parseSize(text)).toBeUndefined();
  });

  it('writes what it reads', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseSize(formatSize(bytes)) === bytes));
    fc.assert(fc.property(fc.nat(2000), fc.constantFrom(1024, 1024 ** 2, 1024 ** 3), (count, unit) => parseSize(formatSize(count * unit)) === count * unit));
  });
});
