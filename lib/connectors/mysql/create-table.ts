/** Column types for tables that Idra makes: every value of the logical type fits, or is refused by name when it comes. */
import { SyncError } from '../../errors.ts';
import type { Column, LogicalType, Schema } from '../../values/types.ts';
import { quote } from './dialect.ts';
import type { Server } from './session.ts';
import type { ColumnFacts } from './types.ts';

/** InnoDB's limit for one index, in bytes; a character of utf8mb4 has up to four. */
const indexBytes = 3072;
/** Longer texts become LONGTEXT: all columns of a row share 65,535 bytes. */
const shortLength = 255;
const rowBytes = 48_000;

export interface Making {
  readonly server: Server;
  /** Tells apart whatever differs, trailing spaces and case included: two keys of the source may never become one. */
  readonly collation: string;
  /** Collations that this server knows: a native type of another version may name one that is missing. */
  readonly collations: ReadonlySet<string>;
}

const exactCollations = ['utf8mb4_0900_bin', 'utf8mb4_nopad_bin', 'utf8mb4_bin'];

export function exactCollation(collations: ReadonlySet<string>): string {
  return exactCollations.find((name) => collations.has(name)) ?? 'utf8mb4_bin';
}

/** `c` VARCHAR(20) NOT NULL: everything after the name. */
export function columnType(column: Column, schema: Schema, making: Making): string {
  const { server, collations } = making;
  const flavour = server.mariadb ? 'mariadb' : 'mysql';
  const native = column.native?.system === flavour ? column.native.type : undefined;
  // The check makes it a boolean to whoever reads the table: TINYINT(1) alone holds 7 as well
  if (column.type.kind === 'boolean' && !native?.startsWith('bit')) return `TINYINT(1) CHECK (${quote(column.name)} IN (0, 1))`;
  const collation = native === undefined ? undefined : / COLLATE (\S+)$/.exec(native)?.[1];
  if (native !== undefined && (collation === undefined || collations.has(collation))) {
    const json = column.type.kind === 'json' && server.mariadb;
    return json ? `${native} CHECK (json_valid(${quote(column.name)}))` : native;
  }
  if (schema.key.includes(column.name)) return keyType(column, schema, server);
  const short = schema.columns.reduce((sum, { type }) => sum + shortBytes(type), 0) <= rowBytes;
  return plainType(column.type, { server, short });
}

function shortBytes(type: LogicalType): number {
  if (type.kind === 'string' && type.maxLength !== undefined && type.maxLength <= shortLength) return type.maxLength * 4;
  return type.kind === 'bytes' && type.maxLength !== undefined && type.maxLength <= shortLength ? type.maxLength : 0;
}

function keyType(column: Column, schema: Schema, server: Server): string {
  const { type } = column;
  if (type.kind === 'json')
    throw new SyncError(
      'SCHEMA_MISMATCH',
      `Column ${JSON.stringify(column.name)} is json and part of the key, which this server cannot index: choose another key.`,
      {
        column: column.name,
      },
    );
  if (type.kind !== 'string' && type.kind !== 'bytes') return plainType(type, { server, short: true });
  // What the other columns of the key leave over is shared by the texts and bytes
  const open = schema.columns.filter(({ name, type: other }) => schema.key.includes(name) && (other.kind === 'string' || other.kind === 'bytes')).length;
  const share = Math.floor((indexBytes - 36 * (schema.key.length - open)) / open);
  const limit = type.kind === 'string' ? Math.floor(share / 4) : share;
  const length = Math.max(1, Math.min(type.maxLength ?? limit, limit));
  return type.kind === 'string' ? `VARCHAR(${length})` : `VARBINARY(${length})`;
}

function plainType(type: LogicalType, about: { server: Server; short: boolean }): string {
  const { server, short } = about;
  switch (type.kind) {
    case 'boolean':
      return 'TINYINT(1)';
    case 'int32':
      return 'INT';
    case 'int64':
      return 'BIGINT';
    case 'uint64':
      return 'BIGINT UNSIGNED';
    case 'decimal': {
      const { precision, scale = 0 } = type;
      return precision !== undefined && precision <= 65 && scale <= 30 && scale <= precision && scale >= 0
        ? `DECIMAL(${precision},${scale})`
        : 'DECIMAL(65,30)';
    }
    case 'float64':
      return 'DOUBLE';
    case 'date':
      return 'DATE';
    case 'time':
      return `TIME(${Math.min(type.fraction, 6)})`;
    case 'timestamp':
      return `${type.zoned ? 'TIMESTAMP' : 'DATETIME'}(${Math.min(type.fraction, 6)})`;
    case 'uuid':
      return server.mariadb && server.version >= 100_700 ? 'UUID' : 'CHAR(36) CHARACTER SET ascii COLLATE ascii_bin';
    case 'json':
      return 'JSON';
    case 'string':
      return short && type.maxLength !== undefined && type.maxLength <= shortLength ? `VARCHAR(${Math.max(1, type.maxLength)})` : 'LONGTEXT';
    case 'bytes':
      return short && type.maxLength !== undefined && type.maxLength <= shortLength ? `VARBINARY(${Math.max(1, type.maxLength)})` : 'LONGBLOB';
  }
}

export function createTable(into: string, schema: Schema, making: Making & { marker: string | null }): string {
  const definitions = schema.columns.map((column) => {
    const required = schema.key.includes(column.name) || (!column.nullable && column.type.kind !== 'timestamp');
    // Without the word a TIMESTAMP may be NOT NULL with the current time as its default
    return `${quote(column.name)} ${withNull(columnType(column, schema, making), required)}`;
  });
  if (making.marker !== null) definitions.push(`${quote(making.marker)} ${markerType}`);
  if (schema.key.length > 0) definitions.push(`PRIMARY KEY (${schema.key.map(quote).join(', ')})`);
  return `CREATE TABLE IF NOT EXISTS ${into} (${definitions.join(', ')}) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE ${making.collation}`;
}

/** The time of the deletion. */
export const markerType = 'TIMESTAMP(6) NULL';

/** NULL stands before a CHECK. */
export function withNull(type: string, required: boolean): string {
  const word = required ? 'NOT NULL' : 'NULL';
  const check = type.indexOf(' CHECK (');
  return check < 0 ? `${type} ${word}` : `${type.slice(0, check)} ${word}${type.slice(check)}`;
}

/** A staging table with the target's own column types; nothing may be NULL that is part of `key`. */
export function createStage(
  into: string,
  columns: readonly { name: string; facts: ColumnFacts }[],
  options: { temporary: boolean; key: readonly string[] },
): string {
  const { temporary, key } = options;
  const definitions = columns.map(({ name, facts }) => `${quote(name)} ${stageType(facts)} ${key.includes(name) ? 'NOT NULL' : 'NULL'}`);
  if (key.length > 0) definitions.push(`PRIMARY KEY (${key.map(quote).join(', ')})`);
  else definitions.push(`${quote(rowNumber(columns))} BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY`);
  return `CREATE ${temporary ? 'TEMPORARY ' : ''}TABLE IF NOT EXISTS ${into} (${definitions.join(', ')}) ENGINE=InnoDB`;
}

/** Servers may demand a primary key of every table (sql_require_primary_key), and replicas look for each deleted row of a table without one by reading it whole. */
function rowNumber(columns: readonly { name: string }[]): string {
  let name = '_idra_row';
  while (columns.some((column) => column.name.toLowerCase() === name)) name += '_';
  return name;
}

export function stageType(facts: ColumnFacts): string {
  return facts.collation === null ? facts.declared : `${facts.declared} CHARACTER SET ${facts.characterSet} COLLATE ${facts.collation}`;
}
