/** The columns of a source that declares none: inferred from the first records, widened when later ones do not fit. */
import { SyncError } from '../../errors.ts';
import { fromText, toText } from '../../values/convert.ts';
import { type Check, checkFor } from '../../values/fits.ts';
import { typeOfJson, widenedJson } from '../../values/infer-json.ts';
import { fitsDecimal, isSpecialNumber, survivesDouble } from '../../values/numbers.ts';
import { parseType, typeWords } from '../../values/parse-type.ts';
import { fitsCharacters } from '../../values/text.ts';
import type { Column, LogicalType, Row, Value } from '../../values/types.ts';
import type { Cell } from './records.ts';

interface Known {
  readonly name: string;
  /** Null while only NULLs have been seen. */
  type: LogicalType | null;
  readonly fixed: boolean;
  readonly check: Check | null;
}

/** A field that its fixed type does not hold. */
export interface Misfit {
  readonly column: string;
  readonly type: LogicalType;
}

export interface ColumnChoice {
  readonly fields?: Readonly<Record<string, string>>;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

export class Columns {
  readonly #known: Known[] = [];
  readonly #index = new Map<string, number>();
  readonly #choice: ColumnChoice;

  constructor(choice: ColumnChoice) {
    this.#choice = choice;
    for (const [name, words] of Object.entries(choice.fields ?? {})) {
      const type = parseType(words);
      if (type === null)
        throw new SyncError('CONFIG_INVALID', `source.fields gives ${name} the type "${words}". Types are ${typeWords}.`, {
          field: `source.fields.${name}`,
          column: name,
        });
      this.#add(name, type, true);
    }
    for (const name of choice.include ?? []) this.#add(name, null, false);
  }

  get columns(): Column[] {
    return this.#known.map(({ name, type }) => ({ name, type: type ?? { kind: 'string' }, nullable: true }));
  }

  /** Takes a format's own declaration. Returns whether the columns changed. */
  declare(declared: readonly Pick<Column, 'name' | 'type'>[]): boolean {
    let changed = false;
    for (const { name, type } of declared) {
      const known = this.#known[this.#index.get(name) ?? -1];
      if (known === undefined) changed = this.#add(name, type, false) || changed;
      else if (!known.fixed && known.type === null) {
        known.type = type;
        changed = changed || type.kind !== 'string';
      }
    }
    return changed;
  }

  /** Widens the columns so that the record fits. Returns whether that changed them. */
  learn(cells: ReadonlyMap<string, Cell>): boolean {
    let changed = false;
    for (const [name, cell] of cells) {
      const index = this.#index.get(name);
      if (index === undefined) {
        changed = this.#add(name, typeOf(cell), false) || changed;
        continue;
      }
      const known = this.#known[index];
      if (known === undefined || known.fixed || exactValue(cell, known) !== undefined) continue;
      const before = known.type;
      known.type = widened(before, typeOf(cell), cell);
      changed = changed || before !== null || known.type?.kind !== 'string';
    }
    return changed;
  }

  /** The row in the order of the columns; null where the columns have to be widened first. */
  row(cells: ReadonlyMap<string, Cell>): Row | Misfit | null {
    const row: Row = new Array<Value>(this.#known.length).fill(null);
    for (const [name, cell] of cells) {
      const index = this.#index.get(name);
      const known = this.#known[index ?? -1];
      if (index === undefined || known === undefined) {
        if (this.#isWanted(name)) return null;
        continue;
      }
      const value = exactValue(cell, known);
      if (value !== undefined) row[index] = value;
      else if (known.fixed && known.type !== null) return { column: name, type: known.type };
      else return null;
    }
    return row;
  }

  #isWanted(name: string): boolean {
    const { include, exclude } = this.#choice;
    return (include === undefined || include.includes(name)) && exclude?.includes(name) !== true;
  }

  #add(name: string, type: LogicalType | null, fixed: boolean): boolean {
    if (this.#index.has(name) || !this.#isWanted(name)) return false;
    this.#index.set(name, this.#known.length);
    this.#known.push({ name, type, fixed, check: fixed && type !== null ? limitsOf(type) : null });
    return true;
  }
}

/** JSON holds texts that UTF-8 does not: whether they arrive is the destination's to say. */
function limitsOf(type: LogicalType): Check | null {
  if (type.kind !== 'string') return checkFor(type);
  const { maxLength } = type;
  return maxLength === undefined ? null : (value) => (typeof value === 'string' && fitsCharacters(value, maxLength) ? null : 'is too long');
}

/** What a field is by itself; null for NULL. CSV knows text alone. */
function typeOf(cell: Cell): LogicalType | null {
  if ('type' in cell) return cell.type;
  if ('text' in cell) return cell.text === null ? null : { kind: 'string' };
  return typeOfJson(cell.json);
}

const numeric = new Set(['int32', 'int64', 'uint64', 'float64', 'decimal']);

function widened(before: LogicalType | null, next: LogicalType | null, cell: Cell): LogicalType | null {
  if (before === null || next === null) return before ?? next;
  // A declared type tells more than one value: what both hold is text
  if ('type' in cell && before.kind !== 'json') return numeric.has(before.kind) && numeric.has(next.kind) ? { kind: 'decimal' } : { kind: 'string' };
  return widenedJson(before, next);
}

/** Undefined where the field is no value of the type. Text stays text and numbers stay numbers, unless the definition has fixed the type. */
function exactValue(cell: Cell, { type, fixed, check }: Pick<Known, 'type' | 'fixed' | 'check'>): Value | undefined {
  const value = bare(cell, type, fixed);
  return value === undefined || value === null || check === null || check(value) === null ? value : undefined;
}

function bare(cell: Cell, type: LogicalType | null, fixed: boolean): Value | undefined {
  if ('type' in cell) {
    if (cell.value === null) return null;
    if (type === null) return undefined;
    if (cell.type.kind === type.kind && !fixed) return sameType(cell, type);
    const text = toText(cell.value, cell.type);
    if (type.kind === 'json' && !fixed) return JSON.stringify(text);
    return type.kind === 'string' || fixed || (numeric.has(type.kind) && numeric.has(cell.type.kind)) ? exactly(text ?? '', type) : undefined;
  }
  if ('text' in cell) {
    if (cell.text === null) return null;
    if (type === null) return undefined;
    return type.kind === 'json' && !fixed ? JSON.stringify(cell.text) : exactly(cell.text, type);
  }
  const { json } = cell;
  if (json === 'null') return null;
  if (type === null) return undefined;
  if (type.kind === 'json') return json;
  const first = json[0];
  if (first === '"') return type.kind === 'string' || fixed ? exactly(JSON.parse(json), type) : undefined;
  if (first === '{' || first === '[') return undefined;
  if (json === 'true' || json === 'false') return type.kind === 'boolean' ? json === 'true' : undefined;
  if (!numeric.has(type.kind)) return undefined;
  return json === '-0' && type.kind !== 'decimal' && type.kind !== 'float64' ? undefined : exactly(json, type);
}

/** A double keeps no more digits than it has, whoever says that the field is one. */
function exactly(text: string, type: LogicalType): Value | undefined {
  const value = fromText(text, type);
  return type.kind === 'float64' && value !== undefined && !isSpecialNumber(text) && !survivesDouble(text) ? undefined : value;
}

/** Two objects may declare the same kind with other limits. */
function sameType(cell: Cell & { readonly value: Value; readonly type: LogicalType }, type: LogicalType): Value | undefined {
  if (type.kind === 'decimal' && type.precision !== undefined) {
    return fitsDecimal(String(cell.value), type.precision, type.scale ?? 0) ? cell.value : undefined;
  }
  if (type.kind === 'timestamp' && cell.type.kind === 'timestamp')
    return type.zoned === cell.type.zoned && cell.type.fraction <= type.fraction ? cell.value : undefined;
  if (type.kind === 'time' && cell.type.kind === 'time') return cell.type.fraction <= type.fraction ? cell.value : undefined;
  return cell.value;
}
