/** Idra's `polling_time` and `timestamp_field_format`. */

const goUnits: ReadonlyMap<string, number> = new Map([
  ['ns', 1e-6],
  ['us', 1e-3],
  ['µs', 1e-3],
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
]);

const defaultSeconds = 60;

/**
 * Milliseconds; undefined where it is no time, or less than a second. A number counts seconds: Idra documents 60 as the default, and Go reads a field that
 * is missing as 0, so 0 is that default. A text is a duration in Go's form (`1m30s`, `1.5h`).
 */
export function pollingMs(value: number | string): number | undefined {
  const ms = typeof value === 'number' ? (value === 0 ? defaultSeconds : value) * 1000 : goDuration(value);
  return ms !== undefined && ms >= 1000 && ms <= 366 * 86_400_000 ? Math.round(ms) : undefined;
}

function goDuration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return pollingMs(Number(text));
  if (!/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, count = '', unit = ''] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) total += Number(count) * (goUnits.get(unit) ?? 0);
  return total;
}

/**
 * Whether a Go time layout writes times such that their texts sort as they do: year, month, day, hour, minute, second, each with all its digits. Positions
 * are compared by the database, as the column's type has it, so that such a layout asks for nothing more.
 */
export function isSortable(layout: string): boolean {
  return layout === '' || /^2006\D?01\D?02(?:\D?15\D?04(?:\D?05(?:[.,][09]+)?)?)?(?:Z07:00|Z0700|Z|[+-]07:?00)?$/.test(layout);
}
