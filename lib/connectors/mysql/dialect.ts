import { SyncError } from '../../errors.ts';
import { fromBase64, toHex } from '../../values/bytes.ts';
import { isIntegerText, plainDecimal, readDouble } from '../../values/numbers.ts';
import type { Column } from '../../values/types.ts';
import type { Dialect } from '../sql/dialect.ts';

const ownText = 'CHARACTER SET utf8mb4 COLLATE utf8mb4_bin';

export const mysqlDialect: Dialect = {
  system: 'mysql',
  quote,
  bind: (value, column) => literalFor(value, column),
  // Text that is compared with an integer column would be compared as a double
  placeholder: (_n, kind) => (kind === 'int64' ? 'CAST(? AS SIGNED)' : '?'),
  minusSeconds: (expression, seconds, column) =>
    column.type.kind === 'timestamp' || column.type.kind === 'date'
      ? `(CAST(${expression} AS DATETIME(6)) - INTERVAL ${seconds} SECOND)`
      : `(${expression} - ${seconds})`,
  // The optimizer reads a range of a row value from the whole index
  rowValues: false,
  nowIso: "DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%fZ')",
  own: {
    name: `VARCHAR(255) ${ownText}`,
    text: `MEDIUMTEXT ${ownText}`,
    long: `LONGTEXT ${ownText}`,
    int64: 'BIGINT',
    tableSuffix: ' ENGINE=InnoDB',
  },
  insertIgnore: { verb: 'INSERT', suffix: ' ON DUPLICATE KEY UPDATE `sync` = `sync`' },
};

export function quote(name: string): string {
  if (name === '' || name.includes('\0')) throw new SyncError('CONFIG_INVALID', `${JSON.stringify(name)} cannot be the name of a table or column.`);
  return `\`${name.replaceAll('`', '``')}\``;
}

/** A text as a literal of a session in utf8mb4 whose sql_mode lacks NO_BACKSLASH_ESCAPES. */
export function textLiteral(text: string): string {
  return `'${/['\\\0]/.test(text) ? text.replace(/['\\\0]/g, (char) => (char === '\0' ? '\\0' : `\\${char}`)) : text}'`;
}

/** Cursor values are written as literals: a prepared statement would compare text with a number as doubles, a literal of the right form is exact and uses the index. */
function literalFor(value: string, column: Column): string {
  const invalid = (): SyncError =>
    new SyncError('CURSOR_INVALID', `A value of the stored cursor is no ${column.type.kind}, which ${column.name} is. Reset the checkpoint.`, {
      column: column.name,
    });
  switch (column.type.kind) {
    case 'boolean':
      return value === 'true' ? '1' : '0';
    case 'int32':
    case 'int64':
    case 'uint64':
      if (!isIntegerText(value)) throw invalid();
      return value;
    case 'decimal': {
      const plain = plainDecimal(value);
      if (plain === null || !/[0-9]/.test(plain)) throw invalid();
      return plain;
    }
    case 'float64': {
      const double = readDouble(value);
      if (double === null || !Number.isFinite(double)) throw invalid();
      return /e/i.test(value) ? value : `${value}e0`;
    }
    case 'bytes': {
      const bytes = fromBase64(value);
      if (bytes === null) throw invalid();
      return bytes.length === 0 ? "x''" : `0x${toHex(bytes)}`;
    }
    case 'timestamp':
      // The session is in UTC, and so is every zoned value
      return textLiteral(value.replace(/[+-]00:00$/, ''));
    default:
      return textLiteral(value);
  }
}
