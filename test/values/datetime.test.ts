import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  canonicalDate,
  canonicalTime,
  canonicalTimestamp,
  fromDayNumber,
  readTimestamp,
  significantFraction,
  toDayNumber,
  toUtc,
  utcText,
  writeTimestamp,
} from '../../lib/values/datetime.ts';

/** Dates that JavaScript's own calendar can express, as the oracle. */
const moment = fc.date({ min: new Date('-009999-01-01T00:00:00Z'), max: new Date('+012000-01-01T00:00:00Z'), noInvalidDate: true });
const isoOf = (date: Date): string => date.toISOString();

describe('timestamps', () => {
  it('convert an offset exactly, as Date does', () => {
    fc.assert(
      fc.property(moment, fc.integer({ min: -15 * 60, max: 15 * 60 }), fc.stringMatching(/^[0-9]{0,6}$/), (date, minutes, tail) => {
        const local = isoOf(new Date(date.getTime() + minutes * 60_000));
        const sign = minutes < 0 ? '-' : '+';
        const offset = `${sign}${String(Math.floor(Math.abs(minutes) / 60)).padStart(2, '0')}:${String(Math.abs(minutes) % 60).padStart(2, '0')}`;
        const text = local.replace('Z', `${tail}${offset}`);
        const expected = isoOf(date).replace('Z', tail).replace('T', ' ');
        const utc = utcText(text);
        if (utc !== null && /^0000|^\+000000/.test(utc)) return;
        expect(utc).toBe(expected);
      }),
    );
  });

  it('day numbers are a bijection that follows the calendar', () => {
    fc.assert(
      fc.property(fc.integer({ min: -4_000_000, max: 4_000_000 }), (day) => {
        const date = fromDayNumber(day);
        expect(toDayNumber(date)).toBe(day);
        const oracle = new Date((day - toDayNumber({ year: 1970, month: 1, day: 1 })) * 86_400_000);
        expect([date.year, date.month, date.day]).toEqual([oracle.getUTCFullYear(), oracle.getUTCMonth() + 1, oracle.getUTCDate()]);
      }),
    );
    expect(toDayNumber({ year: 1970, month: 1, day: 1 }) - toDayNumber({ year: 1969, month: 12, day: 31 })).toBe(1);
  });

  it('writing what was read changes nothing', () => {
    const parts = fc.record({
      year: fc.integer({ min: -99_999, max: 99_999 }).filter((year) => year !== 0),
      fraction: fc.stringMatching(/^[0-9]{0,9}$/),
      offsetSeconds: fc.option(fc.integer({ min: -900, max: 900 }).map((minutes) => minutes * 60 + 0)),
    });
    fc.assert(
      fc.property(parts, ({ year, fraction, offsetSeconds }) => {
        const written = writeTimestamp({
          date: { year, month: 2, day: 28, zero: false },
          time: { negative: false, hour: 23, minute: 5, second: 9, fraction },
          offsetSeconds: offsetSeconds === null ? null : offsetSeconds + 0,
        });
        const read = readTimestamp(written);
        expect(read === null ? null : writeTimestamp(read)).toBe(written);
      }),
    );
  });

  it('reads what systems write', () => {
    const zoned = (text: string): string | null => canonicalTimestamp(text, true);
    expect(zoned('2024-01-01T10:00:00.120Z')).toBe('2024-01-01 10:00:00.120+00:00');
    expect(zoned('2024-01-01 10:00:00+05')).toBe('2024-01-01 10:00:00+05:00');
    expect(zoned('2024-01-01 10:00:00-0330')).toBe('2024-01-01 10:00:00-03:30');
    expect(zoned('1883-11-18 12:00:00+00:19:32')).toBe('1883-11-18 11:40:28+00:00');
    expect(zoned('0044-03-15 12:00:00+00 BC')).toBe('-000043-03-15 12:00:00+00:00');
    expect(zoned('0001-01-01 00:00:00+00 BC')).toBe('+000000-01-01 00:00:00+00:00');
    expect(zoned('12024-01-01 00:00:00+00')).toBe('+012024-01-01 00:00:00+00:00');
    expect(zoned('infinity')).toBe('infinity');
    expect(zoned('2024-01-01 10:00:00')).toBeNull();
    expect(canonicalTimestamp('2024-01-01 10:00:00Z', false)).toBeNull();
    expect(canonicalTimestamp('2024-01-01', false)).toBe('2024-01-01 00:00:00');
    expect(canonicalTimestamp('0000-00-00 00:00:00.000000', false)).toBe('0000-00-00 00:00:00.000000');
    for (const text of ['', 'now', '2024-02-30 00:00:00', '2023-02-29', '2024-13-01', '2024-01-01 25:00:00', '2024-01-01 10:60:00', 'x2024-01-01'])
      expect(canonicalTimestamp(text, false)).toBeNull();
  });

  it('moves across year ends and keeps fractions', () => {
    expect(utcText('2023-12-31 23:30:00.000001-01:00')).toBe('2024-01-01 00:30:00.000001');
    expect(utcText('0001-01-01 00:30:00+01:00')).toBe('+000000-12-31 23:30:00');
    expect(utcText('9999-12-31 23:30:00-01:00')).toBe('+010000-01-01 00:30:00');
    const parts = readTimestamp('2024-03-01 00:00:00+00:01');
    expect(parts && writeTimestamp(toUtc(parts))).toBe('2024-02-29 23:59:00');
  });
});

describe('dates and times', () => {
  it('keeps zero dates and expanded years', () => {
    expect(['0000-00-00', '2024-00-00', '0000-05-03', '-000043-03-15', 'infinity'].map(canonicalDate)).toEqual([
      '0000-00-00',
      '2024-00-00',
      '0000-05-03',
      '-000043-03-15',
      'infinity',
    ]);
    expect(['2023-02-29', '2024-1-1', '2024-01-32', '', '0044-03-15 BC'].map(canonicalDate)).toEqual([null, null, null, null, '-000043-03-15']);
  });

  it('reads times past a day and negative ones', () => {
    expect(['838:59:59.000000', '-00:00:01', '24:00:00', '07:30', '1:00:00', '10:61:00'].map(canonicalTime)).toEqual([
      '838:59:59.000000',
      '-00:00:01',
      '24:00:00',
      '07:30:00',
      null,
      null,
    ]);
  });

  it('counts the fraction digits that matter', () => {
    expect(['10:00:00', '10:00:00.100', '10:00:00.000001', '2024-01-01 10:00:00.120000+05:30'].map(significantFraction)).toEqual([0, 1, 6, 2]);
  });
});
