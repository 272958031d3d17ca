/** Whether a format holds a value exactly; asked for every value before anything of its chunk is written. */
import { type Check, checkFor, dateCheck, decimalCheck, stringCheck, timeCheck, timestampCheck } from '../../values/fits.ts';
import { isJsonNull } from '../../values/json.ts';
import type { LogicalType } from '../../values/types.ts';
import type { Format } from './encoders.ts';
import { maxPrecision } from './parquet-columns.ts';

const anyText: Check = (value) => (value === null || typeof value === 'string' ? null : `came as a ${typeof value} where text was due`);

/** INT32 of days and INT64 of microseconds reach further; readers do not. */
const moments = { infinity: false, zeroDates: false, minYear: 1, maxYear: 9999 } as const;

function parquetCheck(type: LogicalType): Check {
  switch (type.kind) {
    case 'decimal':
      return type.precision === undefined || type.precision > maxPrecision || (type.scale ?? 0) > type.precision || (type.scale ?? 0) < 0
        ? checkFor(type)
        : decimalCheck({ precision: type.precision, scale: type.scale ?? 0, specials: false });
    case 'date':
      return dateCheck(moments);
    case 'time': {
      const time = timeCheck({ fraction: 6, maxHours: 23, negative: false });
      return (value) => (typeof value === 'string' && value.startsWith('24') ? 'is longer than 23 hours' : time(value));
    }
    case 'timestamp':
      return noLeapSecond(timestampCheck({ ...moments, fraction: 6 }));
    default:
      return checkFor(type);
  }
}

/** A count of microseconds has no second 60. */
function noLeapSecond(check: Check): Check {
  return (value) => (typeof value === 'string' && /:60(?:\.|$|[+-])/.test(value) ? 'is in a leap second' : check(value));
}

/** A line of JSON has one null for both. */
const noJsonNull: Check = (value) => (isJsonNull(value) ? 'is the JSON null, which reads as NULL there' : null);

export function checkOf(format: Format, type: LogicalType): Check {
  // JSON escapes what UTF-8 cannot hold
  if (format === 'jsonl' && type.kind === 'string') return anyText;
  if (format === 'jsonl' && type.kind === 'json') {
    const json = checkFor(type);
    return (value) => noJsonNull(value) ?? json(value);
  }
  if (type.kind === 'string') return stringCheck({ nul: true });
  return format === 'parquet' ? parquetCheck(type) : checkFor(type);
}
