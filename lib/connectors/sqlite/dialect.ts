import { SyncError } from '../../errors.ts';
import type { Column, Value } from '../../values/types.ts';
import type { Dialect } from '../sql/dialect.ts';
import { declaredKind } from './types.ts';

export function quote(name: string): string {
  if (name === '' || name.includes('\0')) throw new SyncError('CONFIG_INVALID', `${JSON.stringify(name)} cannot be a name in SQLite.`);
  return `"${name.replaceAll('"', '""')}"`;
}

const whole = /^-?[0-9]+$/;

/**
 * A cursor's text as SQLite would have to hold it: the storage class decides the order, so an integer must not be bound as text. Cursors of text columns are the stored text itself,
 * not its canonical form.
 */
function bindValue(text: string, { type }: Column): Value {
  switch (type.kind) {
    case 'int32':
    case 'int64':
    case 'uint64':
      return BigInt(text);
    case 'boolean':
      return text === 'true' ? 1n : text === 'false' ? 0n : BigInt(text);
    case 'float64':
      return Number(text);
    case 'decimal':
      return whole.test(text) ? BigInt(text) : Number(text);
    case 'bytes':
      return Buffer.from(text, 'base64');
    case 'date':
    case 'time':
    case 'timestamp':
      // Only with `integerTimes`: no stored text of a date is digits alone
      return whole.test(text) ? BigInt(text) : text;
    default:
      return text;
  }
}

/** `unitsPerSecond` of integers in a column of timestamps (`integerTimes`). */
export function dialectFor(unitsPerSecond: 1 | 1000): Dialect {
  return {
    system: 'sqlite',
    quote,
    bind: (text, column, params) => {
      params.push(bindValue(text, column));
      return '?';
    },
    placeholder: () => '?',
    minusSeconds: (expression, seconds, column) => {
      // Cut to the second and written with a space, it sorts no later than the exact text would: at worst some rows more are read again. The zone, the same in all values
      // of a cursor column, is left off on both sides
      const kind = declaredKind(column);
      const text = kind === 'date' ? `'%Y-%m-%d', substr(v, 1, 10)` : `'%Y-%m-%d %H:%M:%S', substr(v, 1, 19)`;
      if (kind === 'date' || kind === 'timestamp')
        return `(SELECT CASE typeof(v) WHEN 'text' THEN strftime(${text}, '-${seconds} seconds') ELSE v - ${seconds * unitsPerSecond} END FROM (SELECT ${expression} AS v))`;
      throw new SyncError('CONFIG_INVALID', `cursor.lookback needs a column of dates or timestamps; ${column.name} is ${column.type.kind}.`, {
        column: column.name,
      });
    },
    rowValues: true,
    nowIso: "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    own: { name: 'TEXT', text: 'TEXT', long: 'TEXT', int64: 'INTEGER', tableSuffix: '' },
    insertIgnore: { verb: 'INSERT', suffix: ' ON CONFLICT DO NOTHING' },
  };
}

export const dialect = dialectFor(1);
