/** What columns a topic has: fields of the values, as far as they were seen, and what the definition adds from around them. */
import { SyncError } from '../../errors.ts';
import { type Check, fieldCheck } from '../../values/fits.ts';
import { typeOfJson, widenedJson } from '../../values/infer-json.ts';
import { parseType } from '../../values/parse-type.ts';
import type { Column, LogicalType, Schema } from '../../values/types.ts';
import type { SourceRequest } from '../connector.ts';
import type { SourceOptions } from './config.ts';

/** Where a column comes from. */
export type Origin = 'value' | 'key' | 'headers' | 'timestamp' | 'partition' | 'offset';

export interface Field {
  readonly column: Column;
  readonly origin: Origin;
  /** The limits of the type that the definition gives: values past them are malformed. */
  readonly check: Check | null;
}

const around: readonly { option: `${Exclude<Origin, 'value'>}Column`; origin: Origin; type: LogicalType }[] = [
  { option: 'keyColumn', origin: 'key', type: { kind: 'string' } },
  { option: 'headersColumn', origin: 'headers', type: { kind: 'json' } },
  { option: 'timestampColumn', origin: 'timestamp', type: { kind: 'timestamp', fraction: 3, zoned: true } },
  { option: 'partitionColumn', origin: 'partition', type: { kind: 'int32' } },
  { option: 'offsetColumn', origin: 'offset', type: { kind: 'int64' } },
];

export class Fields {
  readonly #request: Pick<SourceRequest, 'include' | 'exclude'>;
  readonly #options: SourceOptions;
  readonly #types = new Map<string, LogicalType>();
  readonly #fixed = new Map<string, Check | null>();
  readonly #around = new Set<string>();
  #list: readonly Field[] | null = null;

  constructor(request: Pick<SourceRequest, 'include' | 'exclude'>, options: SourceOptions) {
    this.#request = request;
    this.#options = options;
    for (const [name, words] of Object.entries(options.fields ?? {})) {
      const type = parseType(words);
      if (type === null || !this.#wanted(name)) continue;
      this.#types.set(name, type);
      this.#fixed.set(name, fieldCheck(type));
    }
    for (const { option } of around) {
      const name = options[option];
      if (name !== undefined) this.#around.add(name);
    }
  }

  get key(): readonly string[] {
    return this.#options.key ?? [];
  }

  /** Columns in their order: as the fields were first seen, then what stands around the value. */
  get list(): readonly Field[] {
    if (this.#list === null) {
      const fields: Field[] = [...this.#types].map(([name, type]) => ({
        column: { name, type, nullable: !this.key.includes(name) },
        origin: 'value',
        check: this.#fixed.get(name) ?? null,
      }));
      for (const { option, origin, type } of around) {
        const name = this.#options[option];
        if (name !== undefined && this.#wanted(name))
          fields.push({ column: { name, type, nullable: origin !== 'partition' && origin !== 'offset' }, origin, check: null });
      }
      this.#list = fields;
    }
    return this.#list;
  }

  get schema(): Schema {
    const columns = this.list.map(({ column }) => column);
    return { name: this.#options.topic, columns, key: this.key.every((name) => columns.some((column) => column.name === name)) ? this.key : [] };
  }

  /** No field of a value is known. */
  get empty(): boolean {
    return this.#types.size === 0;
  }

  /** Undefined where the field has not been seen. */
  kindOf(name: string): LogicalType['kind'] | undefined {
    return this.#types.get(name)?.kind;
  }

  /** Takes new fields and wider types in. True: the columns have changed. */
  learn(members: ReadonlyMap<string, string>): boolean {
    let changed = false;
    for (const [name, raw] of members) {
      if (this.#fixed.has(name) || !this.#wanted(name)) continue;
      const seen = typeOfJson(raw);
      if (seen === null) continue;
      if (this.#around.has(name))
        throw new SyncError(
          'CONFIG_INVALID',
          `The values of topic ${this.#options.topic} have a field ${JSON.stringify(name)} of their own: name the column of the definition differently.`,
          {
            table: this.#options.topic,
            column: name,
          },
        );
      const known = this.#types.get(name);
      const type = known === undefined ? seen : widenedJson(known, seen);
      if (type === known) continue;
      this.#types.set(name, type);
      changed = true;
    }
    if (changed) this.#list = null;
    return changed;
  }

  #wanted(name: string): boolean {
    const { include, exclude } = this.#request;
    return (include === undefined || include.includes(name)) && exclude?.includes(name) !== true;
  }
}
