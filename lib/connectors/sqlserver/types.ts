/** What SQL Server's column types mean, and how their values are selected exactly: the driver's own types would round decimals and cut moments to milliseconds. */
import type { Column, LogicalType, Value } from '../../values/types.ts';
import type { Cell, ResultColumn } from './session.ts';

/** A column as the catalogue, or a query's metadata, describes it. */
export interface ColumnFacts {
  /** `int`, `nvarchar`, `datetime2`, …, lower case; `timestamp` for rowversion. */
  readonly base: string;
  /** `nvarchar(50)`, `decimal(38,10)`. */
  readonly declared: string;
  /** Characters of nchar and nvarchar, bytes of the other texts and of binary types; null for `max` and for types without one. */
  readonly length: number | null;
  readonly precision: number | null;
  /** Of decimals; of times the digits after the second. */
  readonly scale: number | null;
  readonly collation: string | null;
}

export interface SqlserverColumn extends Column {
  readonly facts: ColumnFacts;
}

const unordered: ReadonlySet<string> = new Set(['text', 'ntext', 'image', 'xml', 'geometry', 'geography', 'json', 'vector', 'sql_variant']);
/** Types whose values have no exact form of their own here. */
const unreadable: ReadonlySet<string> = new Set(['sql_variant', 'vector', 'udt']);

export function readable(facts: ColumnFacts): boolean {
  return !unreadable.has(facts.base);
}

/** Whether values can be compared and sorted. */
export function comparable(facts: ColumnFacts): boolean {
  return !unordered.has(facts.base) && readable(facts);
}

export function isText({ base }: ColumnFacts): boolean {
  return base === 'char' || base === 'varchar' || base === 'nchar' || base === 'nvarchar';
}

/** The words that declare a column with these facts. `bytes`: as the catalogue counts a length, −1 for `max`. */
export function factsOf(
  base: string,
  about: { readonly bytes: number; readonly precision: number; readonly scale: number; readonly collation: string | null },
): ColumnFacts {
  const { bytes, precision, scale, collation } = about;
  const none = { base, length: null, precision: null, scale: null, collation };
  const sized = (length: number): ColumnFacts => ({ ...none, declared: `${base}(${length < 0 ? 'max' : length})`, length: length < 0 ? null : length });
  switch (base) {
    case 'decimal':
    case 'numeric':
      return { ...none, declared: `${base}(${precision},${scale})`, precision, scale };
    case 'time':
    case 'datetime2':
    case 'datetimeoffset':
      return { ...none, declared: `${base}(${scale})`, scale };
    case 'char':
    case 'varchar':
    case 'binary':
    case 'varbinary':
      return sized(bytes);
    case 'nchar':
    case 'nvarchar':
      return sized(bytes < 0 ? bytes : bytes / 2);
    default:
      return { ...none, declared: base };
  }
}

export function logicalType(facts: ColumnFacts): LogicalType {
  const { base, length, precision, scale } = facts;
  switch (base) {
    case 'bit':
      return { kind: 'boolean' };
    case 'tinyint':
    case 'smallint':
    case 'int':
      return { kind: 'int32' };
    case 'bigint':
      return { kind: 'int64' };
    case 'decimal':
    case 'numeric':
      return { kind: 'decimal', precision: precision ?? 38, scale: scale ?? 0 };
    case 'money':
      return { kind: 'decimal', precision: 19, scale: 4 };
    case 'smallmoney':
      return { kind: 'decimal', precision: 10, scale: 4 };
    case 'float':
    case 'real':
      return { kind: 'float64' };
    case 'date':
      return { kind: 'date' };
    case 'time':
      return { kind: 'time', fraction: scale ?? 7 };
    case 'datetime2':
      return { kind: 'timestamp', fraction: scale ?? 7, zoned: false };
    case 'datetime':
      return { kind: 'timestamp', fraction: 3, zoned: false };
    case 'smalldatetime':
      return { kind: 'timestamp', fraction: 0, zoned: false };
    case 'datetimeoffset':
      return { kind: 'timestamp', fraction: scale ?? 7, zoned: true };
    case 'uniqueidentifier':
      return { kind: 'uuid' };
    case 'timestamp':
      return { kind: 'bytes', maxLength: 8 };
    case 'binary':
    case 'varbinary':
      return length === null ? { kind: 'bytes' } : { kind: 'bytes', maxLength: length };
    case 'image':
    case 'geometry':
    case 'geography':
      return { kind: 'bytes' };
    case 'json':
      return { kind: 'json' };
    case 'char':
    case 'varchar':
    case 'nchar':
    case 'nvarchar':
      return length === null ? { kind: 'string' } : { kind: 'string', maxLength: length };
    default:
      return { kind: 'string' };
  }
}

/** `declares`: the catalogue knows the column, so that a destination of the same system can make the very same one. Nobody can write a rowversion. */
export function columnOf(name: string, facts: ColumnFacts, about: { nullable: boolean; declares: boolean }): SqlserverColumn {
  const column = { name, type: logicalType(facts), nullable: about.nullable, facts };
  if (!about.declares || facts.base === 'timestamp') return column;
  const collation = facts.collation === null ? '' : ` COLLATE ${facts.collation}`;
  return { ...column, native: { system: 'sqlserver', type: `${facts.declared}${collation}` } };
}

/** The expression that selects a column so that what the driver makes of it is exact. */
export function selectExpression(facts: ColumnFacts, expression: string): string {
  const { base, length } = facts;
  switch (base) {
    case 'decimal':
    case 'numeric':
      return `CONVERT(varchar(41), ${expression})`;
    // Money has styles of its own; a decimal of four digits holds it exactly
    case 'money':
    case 'smallmoney':
      return `CONVERT(varchar(41), CONVERT(decimal(19, 4), ${expression}))`;
    case 'date':
      return `CONVERT(char(10), ${expression}, 23)`;
    case 'time':
    case 'datetime':
    case 'datetime2':
    case 'datetimeoffset':
      return `CONVERT(varchar(34), ${expression}, 121)`;
    case 'smalldatetime':
      return `CONVERT(varchar(19), ${expression}, 120)`;
    // The server knows its code pages best
    case 'char':
    case 'varchar':
      return length === null || length > 4000 ? `CONVERT(nvarchar(max), ${expression})` : `CONVERT(nvarchar(${length}), ${expression})`;
    case 'text':
    case 'ntext':
    case 'xml':
    case 'json':
      return `CONVERT(nvarchar(max), ${expression})`;
    case 'hierarchyid':
      return `CONVERT(nvarchar(4000), ${expression})`;
    case 'image':
    case 'geometry':
    case 'geography':
      return `CONVERT(varbinary(max), ${expression})`;
    case 'timestamp':
      return `CONVERT(binary(8), ${expression})`;
    default:
      return expression;
  }
}

/** From what the driver hands over for `selectExpression` to the canonical form; undefined: that is it already. */
export function fromDriver(facts: ColumnFacts): ((value: Exclude<Cell, null>) => Value) | undefined {
  // 2026-01-01 00:00:00.0000000 +01:00 has a space too many
  if (facts.base === 'datetimeoffset') return (value) => `${String(value).slice(0, -7)}${String(value).slice(-6)}`;
  return undefined;
}

const bytesOfMax = 65_535;
/** TDS: user type of rowversion, which has the form of binary(8). */
const rowversionType = 80;
const nullableFlag = 1;

/** Names that the driver gives to types, where they are not the server's. Lengths tell the members of a family apart. */
const families: Readonly<Record<string, (bytes: number) => string>> = {
  BitN: () => 'bit',
  IntN: (bytes) => ({ 1: 'tinyint', 2: 'smallint', 4: 'int' })[bytes] ?? 'bigint',
  FloatN: (bytes) => (bytes === 4 ? 'real' : 'float'),
  MoneyN: (bytes) => (bytes === 4 ? 'smallmoney' : 'money'),
  DateTimeN: (bytes) => (bytes === 4 ? 'smalldatetime' : 'datetime'),
  DecimalN: () => 'decimal',
  NumericN: () => 'numeric',
  Variant: () => 'sql_variant',
};

/** A column of a query, from the metadata of its result. */
export function columnOfResult(result: ResultColumn): SqlserverColumn {
  const { colName, type, userType, flags, dataLength = 0, precision = 0, scale = 0, udtInfo } = result;
  const udt = udtInfo?.typeName.toLowerCase();
  const known = udt !== undefined && ['geometry', 'geography', 'hierarchyid'].includes(udt) ? udt : udt === undefined ? undefined : 'udt';
  const base = userType === rowversionType ? 'timestamp' : (known ?? families[type.name]?.(dataLength) ?? type.name.toLowerCase());
  const facts = factsOf(base, { bytes: dataLength === bytesOfMax ? -1 : dataLength, precision, scale, collation: null });
  return columnOf(colName, facts, { nullable: (flags & nullableFlag) !== 0, declares: false });
}
