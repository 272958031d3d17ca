import type { Column, Value } from '../../values/types.ts';
import type { Dialect } from './dialect.ts';

/** One column of a keyset with its expression in the statement (qualified, so that no output column shadows it). */
export interface KeyColumn {
  readonly column: Column;
  readonly expression: string;
}

/**
 * Rows after (`>`), or up to and with (`<=`), a position in the order of several columns, in the form that an index serves. `values` may be a prefix of `columns`: rows
 * from the first that has these values on (`>=`).
 */
export function keyset(dialect: Dialect, columns: readonly KeyColumn[], position: { after: boolean; values: readonly string[] }, params: Value[]): string {
  const used = columns.slice(0, position.values.length);
  const whole = used.length === columns.length;
  const strict = position.after && whole;
  const bound = (i: number): string => {
    const key = used[i];
    const value = position.values[i];
    if (key === undefined || value === undefined) throw new RangeError(`no keyset value ${i}`);
    return dialect.bind(value, key.column, params);
  };
  const order = position.after ? '>' : '<';
  if (used.length > 1 && dialect.rowValues) {
    const right = used.map((_, i) => bound(i)).join(', ');
    return `(${used.map((key) => key.expression).join(', ')}) ${order}${strict ? '' : '='} (${right})`;
  }
  // a >= x AND (a > x OR (a = x AND (b > y …))): the first comparison alone gives the index its range
  const tail = (i: number): string => {
    const key = used[i];
    if (key === undefined) return '';
    if (i === used.length - 1) return `${key.expression} ${order}${strict ? '' : '='} ${bound(i)}`;
    return `(${key.expression} ${order} ${bound(i)} OR (${key.expression} = ${bound(i)} AND ${tail(i + 1)}))`;
  };
  const first = used[0];
  if (first === undefined) throw new RangeError('a keyset needs a column');
  return used.length === 1 ? tail(0) : `${first.expression} ${order}= ${bound(0)} AND ${tail(0)}`;
}
