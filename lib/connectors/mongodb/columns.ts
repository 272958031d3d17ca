/** Columns of a collection, which declares none: from the documents seen so far, with the types that the definition fixes. */
import { SyncError } from '../../errors.ts';
import { type Check, checkFor } from '../../values/fits.ts';
import { parseType } from '../../values/parse-type.ts';
import { type Column, type Row, type Schema, typeName, type Value } from '../../values/types.ts';
import type { Rejected } from '../connector.ts';
import { didYouMean } from '../sql/names.ts';
import { BsonType, type Element, elements } from './bson-reader.ts';
import { jsonAt, NoJson } from './json-text.ts';
import { type Inferred, inferred, readValue, widened } from './types.ts';

/** A dead letter's raw text. */
const maxRawCharacters = 64 * 1024;

interface Field {
  /** Null while only nulls were seen. */
  found: Inferred | null;
  readonly check: Check | null;
}

export interface ColumnOptions {
  readonly collection: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly include?: readonly string[];
  readonly exclude?: readonly string[];
}

export class Columns {
  readonly #o: ColumnOptions;
  readonly #fields = new Map<string, Field>();
  #schema: Schema;
  #indexes: ReadonlyMap<string, number> = new Map();
  /** Of each column the document in which it came last. */
  #filled: number[] = [];
  #turn = 0;

  constructor(options: ColumnOptions) {
    this.#o = options;
    this.#field('_id');
    this.#schema = this.#build();
  }

  get schema(): Schema {
    return this.#schema;
  }

  /** Takes the document's fields and types in; call `settle` when all are in. Returns whether anything is new. */
  learn(document: Buffer): boolean {
    let changed = false;
    for (const element of elements(document)) {
      const known = this.#fields.get(element.name);
      const field = known ?? this.#field(element.name);
      if (field.check !== null) {
        if (known === undefined && this.#wanted(element.name)) changed = true;
        continue;
      }
      const one = inferred(element);
      if (one === null) continue;
      const now = field.found === null ? one : widened(field.found, one);
      if (now === field.found) continue;
      if (this.#wanted(element.name)) changed = true;
      field.found = now;
    }
    return changed;
  }

  settle(): void {
    for (const name of Object.keys(this.#o.fields)) if (!this.#fields.has(name)) this.#field(name);
    this.#schema = this.#build();
  }

  /** Refuses names of `include` and `exclude` that no document and no `fields` has. */
  checkNames(): void {
    const { include = [], exclude = [], collection } = this.#o;
    for (const name of [...include, ...exclude]) this.known(name, collection);
    if (this.#schema.columns.length === 0) throw new SyncError('CONFIG_INVALID', `columns leaves no field of ${collection}.`, { table: collection });
  }

  known(name: string, table: string): void {
    if (this.#fields.has(name)) return;
    const names = [...this.#fields.keys()];
    throw new SyncError(
      'NOT_FOUND',
      `${table} has no field ${JSON.stringify(name)} in its first and last documents.${didYouMean(name, names)} Name its type in source.fields if it comes later.`,
      {
        table,
        column: name,
      },
    );
  }

  /** The type of a field that a cursor stands on, handed over or not. */
  column(name: string): Column {
    return this.#column(name, this.#fields.get(name) ?? this.#field(name));
  }

  /** The row, or what is wrong with the document. Every field has to be known by `learn`. */
  row(document: Buffer): Row | Omit<Rejected, 'before'> {
    const { columns } = this.#schema;
    const row: Row = new Array<Value>(columns.length).fill(null);
    this.#turn++;
    for (const element of elements(document)) {
      const index = this.#indexes.get(element.name);
      const column = index === undefined ? undefined : columns[index];
      if (index === undefined || column === undefined) continue;
      // Servers take it, most drivers cannot write it, and one of the two would be lost
      if (this.#filled[index] === this.#turn) return this.#rejected(document, column, 'is there twice');
      this.#filled[index] = this.#turn;
      const value = this.#value(element, column);
      if (value instanceof NoJson) return this.#rejected(document, column, value.message);
      row[index] = value;
    }
    return row;
  }

  #value(element: Element, column: Column): Value | NoJson {
    try {
      const value = readValue(element, column);
      if (value === undefined) return new NoJson(`is no ${typeName(column.type)}`);
      const reason = value === null ? null : (this.#fields.get(column.name)?.check?.(value) ?? null);
      return reason === null ? value : new NoJson(reason);
    } catch (error) {
      if (error instanceof NoJson) return error;
      throw error;
    }
  }

  #rejected(document: Buffer, { name }: Column, reason: string): Omit<Rejected, 'before'> {
    const { collection } = this.#o;
    const key = keyText(document);
    const message = `${collection}.${name} of the document with _id ${key} ${reason}. Change the document, exclude the field, or set onError: deadLetter.`;
    let raw = document.toString('base64');
    try {
      raw = jsonAt(BsonType.object, document, 0);
    } catch (error) {
      if (!(error instanceof NoJson)) throw error;
    }
    return { error: new SyncError('ROW_MALFORMED', message, { table: collection, column: name, key: `_id=${key}` }), raw: raw.slice(0, maxRawCharacters) };
  }

  #wanted(name: string): boolean {
    const { include, exclude = [] } = this.#o;
    return (include === undefined || include.includes(name)) && !exclude.includes(name);
  }

  #field(name: string): Field {
    const written = Object.hasOwn(this.#o.fields, name) ? this.#o.fields[name] : undefined;
    const type = written === undefined ? null : parseType(written);
    const field: Field = type === null ? { found: null, check: null } : { found: { type }, check: checkFor(type) };
    this.#fields.set(name, field);
    return field;
  }

  #column(name: string, { found }: Field): Column {
    // Drivers make an ObjectId where a document has no _id; a field of nulls alone takes anything later
    const type: Inferred =
      found ?? (name === '_id' ? { type: { kind: 'string', maxLength: 24 }, native: { system: 'mongodb', type: 'objectId' } } : { type: { kind: 'json' } });
    return { name, type: type.type, nullable: name !== '_id', ...(type.native === undefined ? {} : { native: type.native }) };
  }

  #build(): Schema {
    // A field that was null throughout says nothing of its type: it becomes a column when a document has a value
    const columns = [...this.#fields]
      .filter(([name, { found }]) => this.#wanted(name) && (found !== null || name === '_id'))
      .map(([name, field]) => this.#column(name, field));
    this.#filled = columns.map(() => 0);
    this.#indexes = new Map(columns.map(({ name }, index) => [name, index]));
    return { name: this.#o.collection, columns, key: this.#indexes.has('_id') ? ['_id'] : [] };
  }
}

/** `_id` as JSON text, for messages. */
export function keyText(document: Buffer): string {
  const id = idOf(document);
  if (id === undefined) return 'none';
  try {
    return jsonAt(id.type, id.bytes, id.at).slice(0, 200);
  } catch (error) {
    if (error instanceof NoJson) return 'that JSON cannot hold';
    throw error;
  }
}

export function idOf(document: Buffer): Element | undefined {
  for (const element of elements(document)) if (element.name === '_id') return element;
  return undefined;
}
