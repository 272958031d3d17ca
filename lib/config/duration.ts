/** Spans of time and amounts of bytes as people write them in definitions. */

const durationUnits: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** `500ms`, `30s`, `5m`, `1h30m`, `2d`; `0s`. Each unit at most once, the largest first. */
export const durationPattern = /^(?=\d)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/;

const maxDurationMs = 366 * 86_400_000;

/** Milliseconds, or undefined where the text is no duration or is longer than a year. */
export function parseDuration(text: string): number | undefined {
  const match = durationPattern.exec(text);
  if (match === null) return undefined;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0', millis = '0'] = match;
  const total = Number(days) * 86_400_000 + Number(hours) * 3_600_000 + Number(minutes) * 60_000 + Number(seconds) * 1000 + Number(millis);
  return total <= maxDurationMs ? total : undefined;
}

/** The shortest text that `parseDuration` reads back to the same number of milliseconds. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s';
  let rest = ms;
  let text = '';
  for (const [unit, size] of [...durationUnits].reverse()) {
    const count = Math.floor(rest / size);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text;
}

/** `16MB`, `512KB`, `1GB`, `1000B`. As in database servers' own settings, a KB is 1024 bytes. */
export const sizePattern = /^(\d+)\s?(B|KB|MB|GB|KiB|MiB|GiB)$/;

const sizeUnits: ReadonlyMap<string, number> = new Map([
  ['B', 1],
  ['KB', 1024],
  ['KiB', 1024],
  ['MB', 1024 ** 2],
  ['MiB', 1024 ** 2],
  ['GB', 1024 ** 3],
  ['GiB', 1024 ** 3],
]);

/** Bytes, or undefined where the text is no size or cannot be counted exactly. */
export function parseSize(text: string): number | undefined {
  const match = sizePattern.exec(text);
  const bytes = Number(match?.[1]) * (sizeUnits.get(match?.[2] ?? '') ?? Number.NaN);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest text that `parseSize` reads back to the same number of bytes. */
export function formatSize(bytes: number): string {
  for (const unit of ['GB', 'MB', 'KB']) {
    const size = sizeUnits.get(unit) ?? 1;
    if (bytes > 0 && bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return `${bytes}B`;
}
