/** Columns of records that declare none: found in the first page, widened by later ones, fixed by `fields`. */
import { checkFor } from '../../values/fits.ts';
import { typeOfJson, widenedJson } from '../../values/infer-json.ts';
import { isSpecialNumber, survivesDouble } from '../../values/numbers.ts';
import { parseType } from '../../values/parse-type.ts';
import { valueFromJson } from '../../values/row-json.ts';
import { fitsCharacters } from '../../values/text.ts';
import type { Column, LogicalType, Value } from '../../values/types.ts';
import { type Members, scalarText } from './document.ts';

export interface Choice {
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
  readonly fields: Readonly<Record<string, string>>;
  /** Never null. */
  readonly required: readonly string[];
}

export class Inference {
  readonly #fixed = new Map<string, LogicalType>();
  readonly #found = new Map<string, LogicalType>();
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
        const type = this.#fixed.has(name) || !this.#chosen(name) ? null : typeOfJson(raw);
        if (type === null) continue;
        const before = this.#found.get(name);
        const after = before === undefined ? type : widenedJson(before, type);
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
      const type = this.#fixed.get(name) ?? this.#found.get(name);
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
    this.#columns = columns.map(({ name, type }) => ({ name, type, check: type.kind === 'string' ? lengthCheck(type.maxLength) : checkFor(type) }));
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

/** JSON escapes what UTF-8 cannot hold, so that a text has no limit but its length. */
function lengthCheck(maxLength = Number.POSITIVE_INFINITY): (value: Value) => string | null {
  return (value) => (typeof value !== 'string' || fitsCharacters(value, maxLength) ? null : `is longer than ${maxLength} characters`);
}

function fitted(raw: string, type: LogicalType): Value | undefined {
  if (raw !== 'null' && type.kind === 'string' && !raw.startsWith('"')) return undefined;
  // Digits that a double does not keep would change the value, as a number or in a text
  const digits = type.kind === 'float64' && raw !== 'null' ? scalarText(raw) : null;
  if (digits !== null && !isSpecialNumber(digits) && !survivesDouble(digits)) return undefined;
  return valueFromJson(raw, type);
}
