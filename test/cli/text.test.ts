import { stripVTControlCharacters } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cursorText, shortCursorText } from '../../lib/cli/cursor-text.ts';
import { callOf } from '../../lib/cli/demo/next-steps.ts';
import { progressText } from '../../lib/cli/display/lines.ts';
import { fileAndNames } from '../../lib/cli/flags.ts';
import { byteSize, count, counted, cut, duration, rate, table, wrap } from '../../lib/cli/format.ts';
import { wantsColor } from '../../lib/cli/output.ts';

describe('numbers for people', () => {
  it('counts, sizes, times and rates', () => {
    expect([count(1234567), counted(1, 'row'), counted(0, 'row')]).toEqual(['1,234,567', '1 row', '0 rows']);
    expect([0, 999, 1000, 999_600, 3_420_000, 12_340_000, 295e6, 2e12].map(byteSize)).toEqual([
      '0 B',
      '999 B',
      '1.00 KB',
      '1.00 MB',
      '3.42 MB',
      '12.3 MB',
      '295 MB',
      '2.00 TB',
    ]);
    expect([0, 85.4, 999.6, 3249, 59_960, 125_000, 12_000_000, 180_000_000].map(duration)).toEqual([
      '0 ms',
      '85 ms',
      '1.0 s',
      '3.2 s',
      '1 min 00 s',
      '2 min 05 s',
      '3 h 20 min',
      '2 d 2 h',
    ]);
    expect([rate(1000, 2000), rate(1, 2000), rate(0, 1000), rate(5, 0)]).toEqual(['500 rows/s', '0.5 rows/s', '0 rows/s', '5,000 rows/s']);
  });

  it('a size keeps its first three digits, whatever its unit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e15 }), (bytes) => {
        const [number = '', unit = ''] = byteSize(bytes).split(' ');
        const factor = 1000 ** ['B', 'KB', 'MB', 'GB', 'TB'].indexOf(unit);
        expect(Math.abs(Number(number) * factor - bytes)).toBeLessThanOrEqual(bytes * 0.006);
      }),
    );
  });
});

describe('lines of text', () => {
  it('cut, table and wrap', () => {
    expect([cut('short', 5), cut('longer', 5)]).toEqual(['short', 'long…']);
    expect(
      table(
        [
          ['a', '1', 'x'],
          ['bcd', '22', ''],
        ],
        [1],
      ),
    ).toEqual(['a     1  x', 'bcd  22']);
    expect(wrap('one two three', 8, '  ')).toBe('one two\n  three');
  });

  it('wrapping loses no word and keeps to the width where words allow it', () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 });
    fc.assert(
      fc.property(words, fc.integer({ min: 12, max: 60 }), (list, width) => {
        const text = wrap(list.join(' '), width, '  ');
        expect(text.split(/\s+/).filter((word) => word !== '')).toEqual(list);
        for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width);
      }),
    );
  });

  it('a progress says how far, how fast and how long yet', () => {
    const base = { sync: 'orders', phase: 'reading', written: 0, startedAt: 0 } as const;
    expect(progressText({ ...base, read: 2500, bytes: 1e6, totalRows: 10_000 }, 5000)).toBe('2,500 of 10,000 rows  500 rows/s  1.00 MB  15.0 s left');
    expect(progressText({ ...base, read: 2500, bytes: 0, totalRows: 100 }, 5000)).toBe('2,500 rows  500 rows/s');
    expect(progressText({ ...base, phase: 'waiting', read: 0, bytes: 0, totalRows: null }, 5000)).toBe('waiting for its lock');
    expect(stripVTControlCharacters(progressText({ ...base, phase: 'connecting', read: 0, bytes: 0, totalRows: null }, 5000))).toBe('connecting');
  });

  it('a cursor is shown by its columns, and as it is where it has none', () => {
    expect(cursorText(null)).toBe('the beginning');
    expect(cursorText('{"v":1,"columns":["at","id"],"values":["2026-01-01 00:00:00.5",null]}')).toBe('at 2026-01-01 00:00:00.5, id NULL');
    for (const other of ['token', '{"columns":["a"],"values":[]}', '[1]', 'null', '{"columns":1,"values":1}']) expect(cursorText(other)).toBe(other);
    expect(shortCursorText('token')).toBe('token');
    expect(shortCursorText(`{"partitions":"${'0,'.repeat(2000)}"}`)).toHaveLength(160);
  });
});

it('colour: NO_COLOR, then FORCE_COLOR, then the terminal', () => {
  const tty = { isTTY: true };
  expect(wantsColor(tty, {})).toBe(true);
  expect(wantsColor({}, {})).toBe(false);
  expect(wantsColor(tty, { NO_COLOR: '1', FORCE_COLOR: '1' })).toBe(false);
  expect(wantsColor(tty, { NO_COLOR: '' })).toBe(true);
  expect(wantsColor({}, { FORCE_COLOR: '1' })).toBe(true);
  expect(wantsColor(tty, { FORCE_COLOR: '0' })).toBe(false);
  expect(wantsColor(tty, { TERM: 'dumb' })).toBe(false);
});

it('--sync gives back the file that it swallowed', () => {
  expect(fileAndNames(undefined, undefined)).toEqual({ file: undefined, names: undefined });
  expect(fileAndNames(undefined, ['a', 'syncs.yaml'])).toEqual({ file: 'syncs.yaml', names: ['a'] });
  expect(fileAndNames('x.yaml', ['a', 'b.json'])).toEqual({ file: 'x.yaml', names: ['a', 'b.json'] });
  expect(fileAndNames(undefined, ['a', 'b'])).toEqual({ file: undefined, names: ['a', 'b'] });
  expect(() => fileAndNames(undefined, ['syncs.yml'])).toThrow(/looks like a file/);
});

it('the demo prints the way in which it was called', () => {
  expect(callOf({}, '/usr/bin/idra')).toBe('idra');
  expect(callOf({ npm_lifecycle_event: 'start', INIT_CWD: process.cwd() }, 'x')).toBe('npm run -s idra --');
  expect(callOf({ npm_lifecycle_event: 'start', INIT_CWD: '/somewhere else' }, 'x')).toBe(`npm --prefix ${process.cwd()} run -s idra --`);
  expect(callOf({}, `${process.cwd()}/lib/cli/idra.js`)).toBe('node lib/cli/idra.js');
});
