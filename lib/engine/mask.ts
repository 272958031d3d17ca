import { hash } from 'node:crypto';
import type { MaskRule } from '../config/definition.ts';
import { toText } from '../values/convert.ts';
import type { Column, LogicalType, Row, Value } from '../values/types.ts';

/** What `redact` leaves of a value that was there. NULL stays NULL: whether a value is known is kept. */
function redacted(type: LogicalType): Value {
  switch (type.kind) {
    case 'string':
      return '***'.slice(0, type.maxLength ?? 3);
    case 'boolean':
      return false;
    case 'bytes':
      return new Uint8Array(0);
    case 'date':
      return '1970-01-01';
    case 'time':
      return '00:00:00';
    case 'timestamp':
      return type.zoned ? '1970-01-01 00:00:00+00:00' : '1970-01-01 00:00:00';
    case 'uuid':
      return '00000000-0000-0000-0000-000000000000';
    case 'json':
      return 'null';
    default:
      return '0';
  }
}

/** The column as it arrives: a masked column has the type of what the mask makes of it. */
export function maskedColumn(column: Column, rule: MaskRule): Column {
  const { name, type, nullable } = column;
  switch (rule) {
    case 'sha256':
      return { name, type: { kind: 'string', maxLength: 64 }, nullable };
    case 'partial':
      return { name, type: type.kind === 'string' ? type : { kind: 'string' }, nullable };
    case 'null':
      return { ...column, nullable: true };
    case 'redact':
      return column;
  }
}

const textOf = (value: Exclude<Value, null>, type: LogicalType): string => toText(value, type) ?? '';

function maskValue(rule: MaskRule, type: LogicalType): (value: Exclude<Value, null>) => Value {
  switch (rule) {
    case 'sha256':
      return (value) => hash('sha256', value instanceof Uint8Array ? value : textOf(value, type), 'hex');
    case 'partial':
      return (value) => {
        const characters = [...textOf(value, type)];
        const shown = characters.length > 4 ? 4 : 0;
        return '*'.repeat(characters.length - shown) + characters.slice(characters.length - shown).join('');
      };
    case 'null':
      return () => null;
    case 'redact': {
      const value = redacted(type);
      return () => value;
    }
  }
}

/** Changes rows in place, or null where nothing is masked. Columns are the source's. */
export function compileMasks(columns: readonly Column[], rules: Readonly<Record<string, MaskRule>>): ((rows: Row[]) => void) | null {
  const steps = columns.flatMap((column, index) => {
    const rule = Object.hasOwn(rules, column.name) ? rules[column.name] : undefined;
    return rule === undefined ? [] : [{ index, mask: maskValue(rule, column.type) }];
  });
  if (steps.length === 0) return null;
  return (rows) => {
    for (const { index, mask } of steps) {
      for (const row of rows) {
        const value = row[index];
        if (value !== null && value !== undefined) row[index] = mask(value);
      }
    }
  };
}
