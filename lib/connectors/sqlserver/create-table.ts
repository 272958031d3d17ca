/** Column types for tables that Idra makes: every value of the logical type fits, or is refused by name when it comes. */
import { SyncError } from '../../errors.ts';
import type { Column, LogicalType, Schema } from '../../values/types.ts';
import { exactCollation, quote } from './dialect.ts';
import type { SqlserverColumn } from './types.ts';

/** The key of a clustered index, in bytes. */
const keyBytes = 900;
/** A character beyond the first plane counts twice in the length of an nvarchar. */
const unitsEach = 2;

/** Everything after the name but for NULL. */
export function columnType(column: Column, schema: Schema): string {
  if (column.native?.system === 'sqlserver') return column.native.type;
  return schema.key.includes(column.name) ? keyType(column, schema) : plainType(column.type);
}

function keyType(column: Column, schema: Schema): string {
  const { type } = column;
  if (type.kind === 'json')
    throw new SyncError('SCHEMA_MISMATCH', `Column ${JSON.stringify(column.name)} is json and part of the key, which cannot be indexed: choose another key.`, {
      column: column.name,
    });
  if (type.kind !== 'string' && type.kind !== 'bytes') return plainType(type);
  // What the other columns of the key leave over is shared by the texts and bytes
  const open = schema.columns.filter(({ name, type: other }) => schema.key.includes(name) && (other.kind === 'string' || other.kind === 'bytes')).length;
  const share = Math.floor((keyBytes - 20 * (schema.key.length - open)) / open);
  const limit = type.kind === 'string' ? Math.floor(share / 2) : share;
  const length = Math.max(1, Math.min(type.maxLength === undefined ? limit : type.maxLength * (type.kind === 'string' ? unitsEach : 1), limit));
  return type.kind === 'string' ? `nvarchar(${length}) COLLATE ${exactCollation}` : `varbinary(${length})`;
}

function plainType(type: LogicalType): string {
  switch (type.kind) {
    case 'boolean':
      return 'bit';
    case 'int32':
      return 'int';
    case 'int64':
      return 'bigint';
    case 'uint64':
      return 'decimal(20,0)';
    case 'decimal': {
      const { precision, scale = 0 } = type;
      return precision !== undefined && precision <= 38 && scale >= 0 && scale <= precision ? `decimal(${precision},${scale})` : 'decimal(38,18)';
    }
    case 'float64':
      return 'float';
    case 'date':
      return 'date';
    case 'time':
      return `time(${Math.min(type.fraction, 7)})`;
    case 'timestamp':
      return `${type.zoned ? 'datetimeoffset' : 'datetime2'}(${Math.min(type.fraction, 7)})`;
    case 'uuid':
      return 'uniqueidentifier';
    case 'json':
      return 'nvarchar(max)';
    case 'string':
      return type.maxLength !== undefined && type.maxLength * unitsEach <= 4000 ? `nvarchar(${Math.max(1, type.maxLength * unitsEach)})` : 'nvarchar(max)';
    case 'bytes':
      return type.maxLength !== undefined && type.maxLength <= 8000 ? `varbinary(${Math.max(1, type.maxLength)})` : 'varbinary(max)';
  }
}

/** The time of the deletion, in UTC. */
export const markerType = 'datetimeoffset(6) NULL';

export function createTable(into: string, schema: Schema, marker: string | null): string {
  const definitions = schema.columns.map((column) => {
    const required = schema.key.includes(column.name) || !column.nullable;
    return `${quote(column.name)} ${columnType(column, schema)} ${required ? 'NOT NULL' : 'NULL'}`;
  });
  if (marker !== null) definitions.push(`${quote(marker)} ${markerType}`);
  if (schema.key.length > 0) definitions.push(`PRIMARY KEY (${schema.key.map(quote).join(', ')})`);
  return `CREATE TABLE ${into} (${definitions.join(', ')})`;
}

/** A column of a table that a `replace` fills first: the target's own type, without its constraints. */
export function stageColumn({ name, facts }: SqlserverColumn): string {
  return `${quote(name)} ${stageType(facts)} NULL`;
}

export function stageType(facts: SqlserverColumn['facts']): string {
  return facts.collation === null ? facts.declared : `${facts.declared} COLLATE ${facts.collation}`;
}
