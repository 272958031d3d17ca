import { SyncError } from '../../errors.ts';
import type { Column, Value } from '../../values/types.ts';
import type { Dialect } from '../sql/dialect.ts';
import { toServerText } from './moments.ts';

/** What stands for itself in every statement. Values of COPY's SELECT are literals: COPY takes no parameters. */
export const postgresDialect: Dialect = {
  system: 'postgres',
  quote(name) {
    if (name === '' || name.includes('\0')) throw new SyncError('CONFIG_INVALID', `${JSON.stringify(name)} cannot be a name in PostgreSQL.`);
    if (Buffer.byteLength(name) > 63)
      throw new SyncError('CONFIG_INVALID', `The name ${JSON.stringify(name)} is longer than the 63 bytes that PostgreSQL keeps.`);
    return `"${name.replaceAll('"', '""')}"`;
  },
  bind: (value) => literal(value),
  placeholder: (n, kind) => `$${n}::${kind === 'int64' ? 'bigint' : 'text'}`,
  minusSeconds: (expression, seconds) => `(${expression} - interval '${seconds} seconds')`,
  rowValues: true,
  nowIso: `to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`,
  own: { name: 'text', text: 'text', long: 'text', int64: 'bigint', tableSuffix: '' },
  insertIgnore: { verb: 'INSERT', suffix: ' ON CONFLICT DO NOTHING' },
};

/** The dialect for one relation: each value is cast to the type of the column that it is compared with. */
export function dialectFor(castOf: (column: string) => string): Dialect {
  return {
    ...postgresDialect,
    bind: (value: string, column: Column, _params: Value[]) => `${literal(toServerText(value, column.type))}::${castOf(column.name)}`,
  };
}

/** Under `standard_conforming_strings`, which every session sets, only the quote is special. */
export function literal(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
