import type { Column, Value } from '../../values/types.ts';

/** One statement with its bound values, in the order of its placeholders. */
export interface Statement {
  readonly sql: string;
  readonly params: readonly Value[];
}

/** The words in which one database says what all SQL databases mean. A constant of each connector; holds no connection. */
export interface Dialect {
  /** `postgres`, `mysql`, … */
  readonly system: string;
  /** A name as an identifier, whatever it holds. Throws `CONFIG_INVALID` for what no identifier can be (empty, NUL). */
  quote(name: string): string;
  /**
   * Binds a value given as exact canonical text for a comparison with `column`: adds it to `params` and returns the expression that stands for it (`?`, `CAST(? AS DECIMAL(20,0))`),
   * or returns a safely quoted literal and adds nothing where a statement takes no parameters. The comparison has to be exact and may use an index: a
   * placeholder whose text the database would compare as a double needs its cast here.
   */
  bind(value: string, column: Column, params: Value[]): string;
  /** The nth placeholder (from 1) for a plain text, an integer (bound as bigint), or NULL. */
  placeholder(n: number, kind: 'text' | 'int64'): string;
  /** What an expression of a timestamp's type minus some seconds is, as an expression of the same type. */
  minusSeconds(expression: string, seconds: number, column: Column): string;
  /** `(a, b) > (x, y)` uses an index on (a, b). Otherwise the comparison is written out as `a >= x AND (a > x OR (a = x AND b > y))`. */
  readonly rowValues: boolean;
  /** Current time in UTC as ISO text: an expression. */
  readonly nowIso: string;
  /** Column types of Idra's own tables. `name` is part of a primary key and holds at least 255 characters; `long` holds at least 16 MB. */
  readonly own: { readonly name: string; readonly text: string; readonly long: string; readonly int64: string; readonly tableSuffix: string };
  /** `INSERT … VALUES (…)` that does nothing where the key is there: what stands before `INTO`, and what stands at the end. */
  readonly insertIgnore: { readonly verb: string; readonly suffix: string };
  /** Makes a table where it is missing; absent: `CREATE TABLE IF NOT EXISTS`. `name` is quoted, `definition` stands in brackets. */
  createTable?(name: string, definition: string): string;
}

/** A quoted, dotted name: `"public"."orders"`. Absent parts are left out. */
export function qualified(dialect: Dialect, ...parts: readonly (string | undefined)[]): string {
  return parts
    .filter((part) => part !== undefined)
    .map((part) => dialect.quote(part))
    .join('.');
}
