/** Cursor values are the stored values themselves: SQLite orders timestamps as the text they are, which is the order of time only while all of them are written alike. */
import { SyncError } from '../../errors.ts';
import { toBase64 } from '../../values/bytes.ts';
import { isInfinite, readTimestamp, significantFraction, toDayNumber, toUtc, writeTimestamp } from '../../values/datetime.ts';
import { doubleText } from '../../values/numbers.ts';
import type { Column, LogicalType } from '../../values/types.ts';
import { declaredKind } from './types.ts';

/** A stored value as exact text for a cursor (`bind` in dialect.ts reads it back). */
export function storedText(raw: unknown): string | null {
  if (raw === null || raw === undefined) return null;
  if (typeof raw === 'string') return raw;
  if (typeof raw === 'number') return doubleText(raw);
  return raw instanceof Uint8Array ? toBase64(raw) : String(raw);
}

const moment = /^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:([ T])[0-9]{2}:[0-9]{2}(:[0-9]{2})?(\.[0-9]+)?( ?(?:Z|[+-][0-9:]+))?)?$/i;

/** What has to agree for text order to be time order; null for what is no moment. `Z` sorts behind fraction digits, so with it their number counts too. */
function writtenForm(text: string): string | null {
  if (/^-?[0-9]+$/.test(text)) return 'integer';
  const match = moment.exec(text);
  if (match === null) return null;
  const [, separator = 'date', seconds, fraction, zone] = match;
  return [separator, seconds === undefined ? 'minutes' : 'seconds', zone ?? '', zone !== undefined && /Z/i.test(zone) ? (fraction ?? '').length : ''].join('|');
}

export class WrittenForms {
  readonly #table: string;
  readonly #columns: readonly { readonly index: number; readonly column: Column }[];
  readonly #forms = new Map<number, string>();

  /** `cursor`: index among the row's values, and column, of each cursor column. */
  constructor(table: string, cursor: readonly { readonly index: number; readonly column: Column }[]) {
    this.#table = table;
    this.#columns = cursor.filter(({ column }) => ['timestamp', 'date', 'time'].includes(declaredKind(column)));
  }

  /** Rows have to be written like the position that they follow: `values` of the cursor columns, in their order. */
  follow(values: readonly (string | null)[], indexes: readonly number[]): void {
    for (const { index } of this.#columns) {
      const form = writtenForm(values[indexes.indexOf(index)] ?? '');
      if (form !== null) this.#forms.set(index, form);
    }
  }

  /** Throws `ROW_MALFORMED` where a cursor column changes the way in which it writes time. */
  check(row: readonly unknown[]): void {
    for (const { index, column } of this.#columns) {
      const raw = row[index];
      if (raw === null || declaredKind(column) === 'time') continue;
      const text = storedText(raw) ?? '';
      if (isInfinite(text)) continue;
      const form = writtenForm(text);
      const known = this.#forms.get(index);
      if (form !== null && known === undefined) this.#forms.set(index, form);
      if (form !== null && (known === undefined || known === form)) continue;
      throw new SyncError(
        'ROW_MALFORMED',
        `${this.#table}.${column.name} does not write all its moments alike (${JSON.stringify(text)}), so their order as text is not their order in time and rows could be missed. ` +
          'Write them alike (separator, zone), or choose another cursor column.',
        { table: this.#table, column: column.name },
      );
    }
  }
}

/** Canonical text, as a destination reports its largest value, written as the source writes the column: `sample` is one of its stored values. */
export function asWritten(canonical: string, sample: string, options: { readonly type: LogicalType; readonly unitsPerSecond: 1 | 1000 }): string {
  if (options.type.kind !== 'timestamp' || isInfinite(canonical)) return canonical;
  const parts = readTimestamp(canonical);
  if (parts === null) return canonical;
  const utc = toUtc(parts);
  if (writtenForm(sample) === 'integer') {
    const days = toDayNumber(utc.date) - toDayNumber({ year: 1970, month: 1, day: 1 });
    const seconds = BigInt(days) * 86_400n + BigInt(utc.time.hour * 3600 + utc.time.minute * 60 + utc.time.second);
    return String(options.unitsPerSecond === 1 ? seconds : seconds * 1000n + BigInt(utc.time.fraction.padEnd(3, '0').slice(0, 3)));
  }
  const match = moment.exec(sample);
  const model = readTimestamp(sample);
  if (match === null || model === null) return canonical;
  const [, separator = ' ', , fraction = '', zone = ''] = match;
  // The clock of the sample's zone: subtracting a negative offset is what toUtc does with it
  const local = options.type.zoned && model.offsetSeconds !== null ? toUtc({ ...utc, offsetSeconds: -model.offsetSeconds }) : parts;
  const text = writeTimestamp({ date: local.date, time: { ...local.time, fraction: '' }, offsetSeconds: null });
  const digits = fraction === '' ? local.time.fraction : local.time.fraction.padEnd(fraction.length - 1, '0');
  const kept = significantFraction(`.${digits}`) < fraction.length ? digits.slice(0, Math.max(fraction.length - 1, 0)) : digits;
  const written = fraction === '' ? digits : kept;
  return `${text.replace(' ', separator)}${written === '' ? '' : `.${written}`}${zone}`;
}
