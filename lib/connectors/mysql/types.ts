/** What MySQL's and MariaDB's column types mean, how their values are selected exactly, and which type a new column gets. */
import type { Column, LogicalType } from '../../values/types.ts';
import type { ResultField } from './session.ts';

/** A column as the catalogue, or a query's metadata, describes it. */
export interface ColumnFacts {
  /** `int`, `varchar`, `enum`, …, lower case. */
  readonly base: string;
  /** `int(11) unsigned`, `enum('a','b')`; for messages and for equal types. */
  readonly declared: string;
  readonly unsigned: boolean;
  /** Characters of char and varchar, bytes of binary and varbinary, bytes of text and blob, bits of bit. */
  readonly length: number | null;
  readonly precision: number | null;
  readonly scale: number | null;
  /** Digits after the second. */
  readonly fraction: number;
  readonly characterSet: string | null;
  readonly collation: string | null;
  /** A check allows 0 and 1 alone. */
  readonly flag: boolean;
}

export interface MysqlColumn extends Column {
  readonly facts: ColumnFacts;
}

const geometry: ReadonlySet<string> = new Set([
  'geometry',
  'point',
  'linestring',
  'polygon',
  'multipoint',
  'multilinestring',
  'multipolygon',
  'geometrycollection',
  'geomcollection',
]);

export function isGeometry(facts: ColumnFacts): boolean {
  return geometry.has(facts.base);
}

export function logicalType(facts: ColumnFacts): LogicalType {
  const { base, unsigned, length, precision, scale, fraction } = facts;
  switch (base) {
    case 'tinyint':
      return { kind: facts.flag ? 'boolean' : 'int32' };
    case 'smallint':
    case 'mediumint':
    case 'year':
      return { kind: 'int32' };
    case 'int':
      return { kind: unsigned ? 'int64' : 'int32' };
    case 'bigint':
      return { kind: unsigned ? 'uint64' : 'int64' };
    case 'bit':
      return { kind: length === 1 ? 'boolean' : 'uint64' };
    case 'decimal':
      return precision === null ? { kind: 'decimal' } : { kind: 'decimal', precision, scale: scale ?? 0 };
    case 'float':
    case 'double':
      return { kind: 'float64' };
    case 'date':
      return { kind: 'date' };
    case 'time':
      return { kind: 'time', fraction };
    case 'datetime':
      return { kind: 'timestamp', fraction, zoned: false };
    case 'timestamp':
      return { kind: 'timestamp', fraction, zoned: true };
    case 'binary':
    case 'varbinary':
      return length === null ? { kind: 'bytes' } : { kind: 'bytes', maxLength: length };
    case 'tinyblob':
    case 'blob':
    case 'mediumblob':
    case 'longblob':
    case 'vector':
      return { kind: 'bytes' };
    case 'char':
    case 'varchar':
      return length === null ? { kind: 'string' } : { kind: 'string', maxLength: length };
    case 'json':
      return { kind: 'json' };
    case 'uuid':
      return { kind: 'uuid' };
    default:
      return { kind: geometry.has(base) ? 'bytes' : 'string' };
  }
}

/** `mysql` and `mariadb` are two systems here: not every type and collation of one is known to the other. */
export function columnOf(name: string, facts: ColumnFacts, about: { nullable: boolean; flavour: string }): MysqlColumn {
  const text = facts.collation === null ? '' : ` CHARACTER SET ${facts.characterSet} COLLATE ${facts.collation}`;
  return { name, type: logicalType(facts), nullable: about.nullable, native: { system: about.flavour, type: `${facts.declared}${text}` }, facts };
}

/** The expression that selects a column so that its text is exact: FLOAT shows six digits only, BIT and YEAR show no number. */
export function selectExpression(facts: ColumnFacts, expression: string): string {
  switch (facts.base) {
    case 'float':
      return `${expression} + 0e0`;
    case 'bit':
    case 'year':
      return `${expression} + 0`;
    default:
      return expression;
  }
}

/** Whether ORDER BY and comparison with a literal agree. ENUM and SET are ordered by number and compared by text; JSON and geometry have no order. */
export function comparable(facts: ColumnFacts): boolean {
  return facts.base !== 'enum' && facts.base !== 'set' && facts.base !== 'json' && facts.base !== 'vector' && !geometry.has(facts.base);
}

const flag = { notNull: 1, unsigned: 32, enum: 256, set: 2048 } as const;
const binaryCharacterSet = 63;

/** Protocol type numbers: mysql_com.h, enum_field_types. */
const protocolBases: Readonly<Record<number, string>> = {
  0: 'decimal',
  1: 'tinyint',
  2: 'smallint',
  3: 'int',
  4: 'float',
  5: 'double',
  6: 'null',
  7: 'timestamp',
  8: 'bigint',
  9: 'mediumint',
  10: 'date',
  11: 'time',
  12: 'datetime',
  13: 'year',
  14: 'date',
  16: 'bit',
  17: 'timestamp',
  18: 'datetime',
  19: 'time',
  242: 'vector',
  245: 'json',
  246: 'decimal',
  247: 'enum',
  248: 'set',
  255: 'geometry',
};

/** A column of a query, from the metadata of its result. */
export function columnOfField(field: ResultField, flavour: string): MysqlColumn {
  const { columnType, columnLength, decimals, flags } = field;
  const unsigned = (flags & flag.unsigned) !== 0;
  const binary = field.characterSet === binaryCharacterSet;
  const base = fieldBase(field, binary);
  const temporal = base === 'datetime' || base === 'timestamp' || base === 'time';
  const facts: ColumnFacts = {
    base,
    declared: base,
    unsigned,
    length: base === 'bit' || base === 'varbinary' ? columnLength : null,
    // The length counts the point and, where there can be one, the sign
    precision: base === 'decimal' ? columnLength - (decimals > 0 ? 1 : 0) - (unsigned ? 0 : 1) : null,
    scale: base === 'decimal' ? decimals : null,
    fraction: temporal ? Math.min(decimals, 6) : 0,
    characterSet: null,
    collation: null,
    flag: false,
  };
  const nullable = (flags & flag.notNull) === 0;
  // Without a declaration there is no type to copy: a destination goes by the logical one
  const { native: _none, ...column } = columnOf(field.name, facts, { nullable, flavour });
  return columnType === 6 ? { ...column, type: { kind: 'string' } } : column;
}

function fieldBase(field: ResultField, binary: boolean): string {
  if (field.extendedFormat === 'json') return 'json';
  if (field.extendedTypeName === 'uuid') return 'uuid';
  if ((field.flags & flag.enum) !== 0) return 'enum';
  if ((field.flags & flag.set) !== 0) return 'set';
  const known = protocolBases[field.columnType];
  if (known !== undefined) return known;
  // 249–252 blobs and texts, 15, 253 and 254 strings: the character set tells bytes from text
  if (field.columnType >= 249 && field.columnType <= 252) return binary ? 'longblob' : 'longtext';
  return binary ? 'varbinary' : 'varchar';
}
