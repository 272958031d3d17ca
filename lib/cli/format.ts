/** Numbers, sizes and times for people, and columns of text. */
import { stripVTControlCharacters } from 'node:util';

const wholeNumber = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 1234567 → `1,234,567`. */
export function count(value: number): string {
  return wholeNumber.format(value);
}

/** `1 row`, `2 rows`. */
export function counted(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** Decimal units, three digits: `0 B`, `812 KB`, `3.42 MB`. */
export function byteSize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

/** `85 ms`, `3.2 s`, `2 min 05 s`, `3 h 20 min`, `4 d 2 h`. */
export function duration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** `12,345 rows/s`; less than ten rows in a second keep a digit. */
export function rate(rows: number, ms: number): string {
  const perSecond = rows / (Math.max(ms, 1) / 1000);
  return `${perSecond < 10 && perSecond > 0 ? perSecond.toFixed(1) : count(perSecond)} rows/s`;
}

/** `just now`, `3.2 s ago`. */
export function ago(iso: string, now: number): string {
  const ms = now - Date.parse(iso);
  return ms < 1000 ? 'just now' : `${duration(ms)} ago`;
}

/** Shortens to `width` characters; the end is worth less than the beginning. */
export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`;
}

/** Rows of text as columns, two spaces apart; the last column is left as long as it is. `right` has the indexes of columns of numbers. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, index) => Math.max(...rows.map((row) => visible(row[index] ?? ''))));
  return rows.map((row) =>
    row
      .map((cell, index) => {
        const space = ' '.repeat((widths[index] ?? 0) - visible(cell));
        if (right.includes(index)) return space + cell;
        return index === row.length - 1 ? cell : cell + space;
      })
      .join('  ')
      .trimEnd(),
  );
}

/** Breaks text at spaces so that no line is longer than `width`, words longer than that apart; every line after the first begins with `indent`. */
export function wrap(text: string, width: number, indent = ''): string {
  const lines: string[] = [];
  for (const paragraph of text.split('\n')) {
    let line = lines.length === 0 ? '' : indent;
    let isEmpty = true;
    for (const word of paragraph.split(' ')) {
      if (!isEmpty && visible(line) + 1 + visible(word) > width) {
        lines.push(line);
        line = indent;
        isEmpty = true;
      }
      line += isEmpty ? word : ` ${word}`;
      isEmpty = false;
    }
    lines.push(line);
  }
  return lines.join('\n');
}

function visible(text: string): number {
  return stripVTControlCharacters(text).length;
}
