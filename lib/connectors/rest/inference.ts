/** Columns of records that declare none: found in the first page, widened by later ones, fixed by `fields`. */
import { checkFor } from '../../values/fits.ts';
import { inRange, integerRanges, isIntegerText, plainDecimal, survivesDouble } from '../../values/numbers.ts';
import { parseType } from '../../values/parse-type.ts';
import { valueFromJson } from '../../values/row-json.ts';
import type { Column, LogicalType, Value } from '../../values/types.ts';
import type { Members } from './document.ts';

/** Texts stay texts: a service's dates become timestamps only where `fields` says so, since a single other text would not fit any more. */
function kindOf(raw: string): LogicalType['kind'] | null {
  if (raw === 'null') return null;
  if (raw === 'true' || raw === 'false') return 'boolean';
  if (raw.startsWith('"')) return 'string';
  if (raw.startsWith('{') || raw.startsWith('[')) return 'json';
  if (isIntegerText(raw) && raw !== '-0' && inRange(raw, integerRanges.int64)) return 'int64';
  return plainDecimal(raw) === null ? 'json' : 'decimal';
}

function widest(a: LogicalType['kind'] | undefined, b: LogicalType['kind']): LogicalType['kind'] {
  if (a === undefined || a === b) return b;
  const numbers = new Set([a, b]);
  return numbers.has('int64') && numbers.has('decimal') ? 'decimal' : 'json';
}

export interface Choice {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly fields: Readonly<Record<string, string>>;
  /** Never null. */
  readonly required: readonly string[];
}

export class Inference {
  readonly #fixed = new Map<string, LogicalType>();
  readonly #found = new Map<string, LogicalType['kind']>();
  readonly #names = new Set<string>();
  readonly #choice: Choice;

  constructor(choice: Choice) {
    this.#choice = choice;
    for (const [name, text] of Object.entries(choice.fields)) {
      const type = parseType(text);
      if (type !== null) this.#fixed.set(name, type);
      this.#names.add(name);
    }
  }

  /** Whether it was seen, as null or otherwise, or is named in `fields`. */
  knows(name: string): boolean {
    return this.#names.has(name);
  }

  /** True where the columns have changed. A member that is always null has no type yet, and is no column yet. */
  learn(records: Iterable<Members>): boolean {
    let changed = false;
    for (const members of records) {
      for (const [name, raw] of members) {
        this.#names.add(name);
        const kind = this.#fixed.has(name) || !this.#chosen(name) ? null : kindOf(raw);
        if (kind === null) continue;
        const before = this.#found.get(name);
        const after = widest(before, kind);
        if (after === before) continue;
        this.#found.set(name, after);
        changed = true;
      }
    }
    return changed;
  }

  /** In the order in which they were seen, those of `fields` first. */
  columns(): Column[] {
    const types = new Map<string, LogicalType>();
    for (const name of this.#names) {
      const kind = this.#found.get(name);
      const type = this.#fixed.get(name) ?? (kind === undefined ? undefined : ({ kind } as LogicalType));
      if (type !== undefined && this.#chosen(name)) types.set(name, type);
    }
    return [...types].map(([name, type]) => ({ name, type, nullable: !this.#choice.required.includes(name) }));
  }

  #chosen(name: string): boolean {
    const { include, exclude } = this.#choice;
    return (include === undefined || include.includes(name)) && !(exclude ?? []).includes(name);
  }
}

/** Reads members into values by column. Undefined where one is not of its type. */
export class RecordReader {
  readonly #columns: readonly { readonly name: string; readonly type: LogicalType; readonly check: (value: Value) => string | null }[];

  constructor(columns: readonly Column[]) {
    this.#columns = columns.map(({ name, type }) => ({ name, type, check: checkFor(type) }));
  }

  /** The values in the order of the columns, or the name and type of the column that does not fit. */
  read(members: Members): { readonly row: Value[] } | { readonly column: string; readonly kind: string } {
    const row: Value[] = [];
    for (const { name, type, check } of this.#columns) {
      const value = fitted(members.get(name) ?? 'null', type);
      if (value === undefined || (type.kind !== 'json' && check(value) !== null)) return { column: name, kind: type.kind };
      row.push(value);
    }
    return { row };
  }
}

function fitted(raw: string, type: LogicalType): Value | undefined {
  if (raw !== 'null' && type.kind === 'string' && !raw.startsWith('"')) return undefined;
  // Digits that a double does not keep would change the value
  if (type.kind === 'float64' && /^-?[0-9]/.test(raw) && !survivesDouble(raw)) return undefined;
  return valueFromJson(raw, type);
}
