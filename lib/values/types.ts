/**
 * What a column means, independent of any database, and the one form in which its values pass between connectors.
 *
 * Every value is `null` or has the form that its logical type has in this table. A source may hand over either form where two
 * are named; a destination takes both. Text is the fast path: SQL sources hand over wire text and never parse it.
 *
 * | kind        | forms                | canonical text                                                                                  |
 * |-------------|----------------------|-------------------------------------------------------------------------------------------------|
 * | `boolean`   | boolean              |                                                                                                 |
 * | `int32`     | text, number         | `-?[0-9]+`                                                                                        |
 * | `int64`     | text, bigint, number that is a safe integer | `-?[0-9]+`                                                                 |
 * | `uint64`    | text, bigint, number that is a safe integer | `[0-9]+`                                                                   |
 * | `decimal`   | text                 | `-?[0-9]+(\.[0-9]+)?`, trailing zeros kept; `NaN`, `Infinity`, `-Infinity` as PostgreSQL has them |
 * | `float64`   | text, number         | shortest text that reads back to the same double; `NaN`, `Infinity`, `-Infinity`                  |
 * | `string`    | text                 | any, NUL and lone surrogates included: who cannot hold them refuses                                |
 * | `bytes`     | Uint8Array           |                                                                                                 |
 * | `date`      | text                 | `YYYY-MM-DD`; before year 1 or after 9999 `±YYYYYY-MM-DD` (ISO 8601 expanded); `infinity`, `-infinity`; zero dates as they are (`0000-00-00`) |
 * | `time`      | text                 | `HH:MM:SS[.f…]`                                                                                   |
 * | `timestamp` | text                 | date, one space, time, up to nine fraction digits; with `zoned` an offset `±HH:MM` follows. `infinity`, `-infinity` |
 * | `uuid`      | text                 | lower case with hyphens                                                                          |
 * | `json`      | text                 | JSON text as the source has it: numbers keep all their digits                                       |
 *
 * Readers of timestamp text are lenient: `T` for the space and `Z`, `+00`, `+0000` for the offset (see datetime.ts).
 */
export type LogicalType =
  | { readonly kind: 'boolean' | 'int32' | 'int64' | 'uint64' | 'float64' | 'date' | 'uuid' | 'json' }
  /** Without `precision` the source sets no limit (PostgreSQL's bare `numeric`). */
  | { readonly kind: 'decimal'; readonly precision?: number; readonly scale?: number }
  /** `maxLength` in characters. */
  | { readonly kind: 'string'; readonly maxLength?: number }
  /** `maxLength` in bytes. */
  | { readonly kind: 'bytes'; readonly maxLength?: number }
  /** `fraction`: digits after the second, 0 to 9. */
  | { readonly kind: 'time'; readonly fraction: number }
  | { readonly kind: 'timestamp'; readonly fraction: number; readonly zoned: boolean };

export type LogicalKind = LogicalType['kind'];

/** One field of one row, in the form that its column's logical type allows (table above). */
export type Value = null | boolean | number | bigint | string | Uint8Array;

/** Values in the order of the schema's columns. Writers and transforms may change a row in place: it belongs to whoever received it last. */
export type Row = Value[];

export interface Column {
  readonly name: string;
  readonly type: LogicalType;
  readonly nullable: boolean;
  /**
   * The type in the words of the system that declared it (`{ system: 'postgres', type: 'numeric(38,20)' }`). A destination of the same
   * system creates the column with exactly this type; every other one goes by `type`.
   */
  readonly native?: { readonly system: string; readonly type: string };
}

export interface Schema {
  /** What messages call it: `public.orders`, a topic, a query's first words. */
  readonly name: string;
  readonly columns: readonly Column[];
  /** Columns that identify a row: the primary key, else a unique key without NULLs; empty where there is none. */
  readonly key: readonly string[];
}

/** `decimal(38,20)`, `timestamp(6, zoned)`: a logical type in the words of the documentation. */
export function typeName(type: LogicalType): string {
  switch (type.kind) {
    case 'decimal':
      return type.precision === undefined ? 'decimal' : `decimal(${type.precision},${type.scale ?? 0})`;
    case 'string':
    case 'bytes':
      return type.maxLength === undefined ? type.kind : `${type.kind}(${type.maxLength})`;
    case 'time':
      return `time(${type.fraction})`;
    case 'timestamp':
      return `timestamp(${type.fraction}${type.zoned ? ', zoned' : ''})`;
    default:
      return type.kind;
  }
}
