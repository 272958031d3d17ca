import { SyncError } from '../../errors.ts';
import { fromBase64 } from '../../values/bytes.ts';
import { isIntegerText, plainDecimal, readDouble } from '../../values/numbers.ts';
import type { Column, Value } from '../../values/types.ts';
import type { Dialect } from '../sql/dialect.ts';
import type { SqlserverColumn } from './types.ts';

/** Compares by code point, so that no two texts become one but for spaces at their end. */
export const exactCollation = 'Latin1_General_100_BIN2';

export const sqlserverDialect: Dialect = {
  system: 'sqlserver',
  quote,
  bind: (value, column, params) => bound(value, column as SqlserverColumn, params),
  placeholder: (n) => `@p${n}`,
  minusSeconds: (expression, seconds, column) =>
    column.type.kind === 'date'
      ? `DATEADD(second, -${seconds}, CONVERT(datetime2(0), ${expression}))`
      : column.type.kind === 'timestamp'
        ? `DATEADD(second, -${seconds}, ${expression})`
        : `(${expression} - ${seconds})`,
  rowValues: false,
  nowIso: "CONVERT(nvarchar(27), SYSUTCDATETIME(), 126) + N'Z'",
  own: { name: `nvarchar(255) COLLATE ${exactCollation}`, text: 'nvarchar(max)', long: 'nvarchar(max)', int64: 'bigint', tableSuffix: '' },
  // A key that is there already is an error of its own, which the claim expects
  insertIgnore: { verb: 'INSERT', suffix: '' },
  createTable: (name, definition) => `IF OBJECT_ID(${literal(name)}, N'U') IS NULL CREATE TABLE ${name} ${definition}`,
};

export function quote(name: string): string {
  if (name === '' || name.includes('\0')) throw new SyncError('CONFIG_INVALID', `${JSON.stringify(name)} cannot be the name of a table or column.`);
  return `[${name.replaceAll(']', ']]')}]`;
}

/** A name as a text. Not for values: a backslash before a line's end would vanish. */
export function literal(text: string): string {
  return `N'${text.replaceAll("'", "''")}'`;
}

/** The value as a parameter, converted to the column's own type: the comparison is exact, and an index on the column serves. */
function bound(value: string, column: SqlserverColumn, params: Value[]): string {
  const { base, declared, collation } = column.facts;
  const invalid = (): SyncError =>
    new SyncError('CURSOR_INVALID', `A value of the stored cursor is no ${column.type.kind}, which ${column.name} is. Reset the checkpoint.`, {
      column: column.name,
    });
  const given = (param: Value): string => `@p${params.push(param)}`;
  switch (column.type.kind) {
    case 'boolean':
      return `CONVERT(bit, ${given(value === 'true' ? '1' : '0')})`;
    case 'int32':
    case 'int64':
    case 'uint64':
      if (!isIntegerText(value)) throw invalid();
      return `CONVERT(${declared}, ${given(value)})`;
    case 'decimal':
      if (plainDecimal(value) === null) throw invalid();
      return `CONVERT(${declared}, ${given(plainDecimal(value))})`;
    case 'float64': {
      const double = readDouble(value);
      if (double === null || !Number.isFinite(double)) throw invalid();
      return `CONVERT(float, ${given(value)})`;
    }
    case 'bytes': {
      const bytes = fromBase64(value);
      if (bytes === null) throw invalid();
      return given(bytes);
    }
    case 'date':
    case 'time':
    case 'timestamp':
      return `CONVERT(${declared}, ${given(zoneApart(value, column))}, 121)`;
    case 'uuid':
      return `CONVERT(uniqueidentifier, ${given(value)})`;
    default:
      // Against a Unicode text the whole column would be converted: no index would serve, and the collations named SQL_ sort Unicode otherwise than they sort the column
      return (base === 'varchar' || base === 'char') && collation !== null ? `CONVERT(varchar(8000), ${given(value)} COLLATE ${collation})` : given(value);
  }
}

/** The server writes a space before the offset, and reads it. */
function zoneApart(value: string, column: Column): string {
  return column.type.kind === 'timestamp' && column.type.zoned ? value.replace(/ ?([+-][0-9]{2}:[0-9]{2})$/, ' $1') : value;
}
