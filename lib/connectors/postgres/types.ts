/** PostgreSQL's types: what they mean, how their text becomes canonical, which of them have one binary form. */
import type { Column, LogicalType } from '../../values/types.ts';
import { fromServerDate, fromServerTimestamp, fromServerTimestampTz } from './moments.ts';

/** A type as the catalogue has it, domains resolved to what they rest on. */
export interface PgType {
  /** `pg_type.typname` of the base type; of the element for an array. */
  readonly base: string;
  /** The base type is one of PostgreSQL's own: its name means the same on every server. */
  readonly builtin: boolean;
  readonly array: boolean;
  /** b: base, e: enum, c: composite, r: range, m: multirange, p: pseudo. */
  readonly kind: string;
  readonly modifier: number;
  /** With schema (if not PostgreSQL's own) and modifier: `numeric(38,20)`, `public.mood`. */
  readonly sql: string;
}

export interface PgColumn extends Column {
  readonly pg: PgType;
}

/** What the text of a column in COPY's output needs to become canonical. `plain`: nothing, and no escape can stand in it. */
export type WireKind = 'plain' | 'text' | 'boolean' | 'bytes' | 'date' | 'timestamp' | 'timestamptz';

const variableHeader = 4;

/** https://www.postgresql.org/docs/current/datatype-numeric.html: precision above, scale (11 bits, signed) below. */
export function numericLimits(modifier: number): { precision: number; scale: number } | null {
  if (modifier < variableHeader) return null;
  const packed = modifier - variableHeader;
  return { precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 };
}

export function fractionOf(type: PgType): number {
  return type.modifier < 0 ? 6 : type.modifier;
}

/** `maxLength` of varchar(n) and char(n). */
export function lengthOf(type: PgType): number | undefined {
  return type.modifier < variableHeader ? undefined : type.modifier - variableHeader;
}

export function logicalType(type: PgType): LogicalType {
  if (type.array) return { kind: 'json' };
  if (!type.builtin || type.kind !== 'b') return { kind: 'string' };
  switch (type.base) {
    case 'bool':
      return { kind: 'boolean' };
    case 'int2':
    case 'int4':
      return { kind: 'int32' };
    case 'int8':
    case 'oid':
      return { kind: 'int64' };
    case 'xid8':
      return { kind: 'uint64' };
    case 'money':
      return { kind: 'decimal', precision: 19, scale: 2 };
    case 'numeric': {
      const limits = numericLimits(type.modifier);
      if (limits === null) return { kind: 'decimal' };
      const { precision, scale } = limits;
      // numeric(3,-2) holds up to five digits before the point, numeric(3,5) five after it
      return scale < 0 ? { kind: 'decimal', precision: precision - scale, scale: 0 } : { kind: 'decimal', precision: Math.max(precision, scale), scale };
    }
    case 'float4':
    case 'float8':
      return { kind: 'float64' };
    case 'bytea':
      return { kind: 'bytes' };
    case 'date':
      return { kind: 'date' };
    case 'time':
      return { kind: 'time', fraction: fractionOf(type) };
    case 'timestamp':
    case 'timestamptz':
      return { kind: 'timestamp', fraction: fractionOf(type), zoned: type.base === 'timestamptz' };
    case 'uuid':
      return { kind: 'uuid' };
    case 'json':
    case 'jsonb':
      return { kind: 'json' };
    case 'varchar':
    case 'bpchar': {
      const maxLength = lengthOf(type);
      return maxLength === undefined ? { kind: 'string' } : { kind: 'string', maxLength };
    }
    default:
      return { kind: 'string' };
  }
}

/** Types whose meaning hangs on the server they are on (object ids, transaction ids, locale): they pass by their logical type alone. */
const local = new Set([
  'money',
  'xid',
  'xid8',
  'cid',
  'tid',
  'regclass',
  'regtype',
  'regproc',
  'regprocedure',
  'regoper',
  'regoperator',
  'regrole',
  'regnamespace',
  'regconfig',
  'regdictionary',
  'regcollation',
]);

/** The column as a destination sees it. For a peer of another system an array is JSON; for PostgreSQL it is its own text. */
export function columnOf(name: string, type: PgType, about: { nullable: boolean; peer: string }): PgColumn {
  const own = about.peer === 'postgres';
  const logical: LogicalType = type.array && own ? { kind: 'string' } : logicalType(type);
  const native = local.has(type.base) && type.builtin ? {} : { native: { system: 'postgres', type: type.sql } };
  return { name, type: logical, nullable: about.nullable, ...native, pg: type };
}

/** The expression that selects a column for the row path. A real goes as the double that it is: its own shortest text means another double. */
export function selectExpression(type: PgType, expression: string, peer: string): string {
  if (type.array) return peer === 'postgres' ? expression : `array_to_json(${expression})`;
  if (!type.builtin) return expression;
  if (type.base === 'float4') return `${expression}::float8`;
  return type.base === 'money' ? `${expression}::numeric` : expression;
}

/** Whether the text that `selectExpression` gives can be compared with the column again: what a cursor column needs. */
export function comparable(type: PgType): boolean {
  return (
    !type.array && !(type.builtin && ['money', 'json', 'xml', 'point', 'box', 'polygon', 'line', 'lseg', 'path', 'circle', 'xid', 'cid'].includes(type.base))
  );
}

export function isNumber(type: PgType): boolean {
  return !type.array && type.builtin && ['numeric', 'float4', 'float8'].includes(type.base);
}

const withSpellings = new Set(['bpchar', 'interval', 'jsonb', 'tsvector', 'tsquery']);

/** Whether equal values have one text. Not those of extensions (citext), of ranges and composites, whose parts may be numbers, nor 1 day and 24 hours. */
export function equalAsText(type: PgType): boolean {
  return !type.array && (type.kind === 'e' || (type.builtin && type.kind === 'b' && !withSpellings.has(type.base)));
}

const plainTypes = new Set(['int2', 'int4', 'int8', 'oid', 'xid8', 'money', 'numeric', 'float4', 'float8', 'time', 'uuid']);

export function wireKind(type: PgType): WireKind {
  if (type.array || !type.builtin || type.kind !== 'b') return 'text';
  if (plainTypes.has(type.base)) return 'plain';
  switch (type.base) {
    case 'bool':
      return 'boolean';
    case 'bytea':
      return 'bytes';
    case 'date':
    case 'timestamp':
    case 'timestamptz':
      return type.base;
    default:
      return 'text';
  }
}

/** Unescaped text of COPY to a canonical value, for the kinds that need more than unescaping. */
export const fromWire: Readonly<Partial<Record<WireKind, (text: string) => boolean | string | Uint8Array>>> = {
  boolean: (text) => text === 't',
  // `\x` and hexadecimal digits
  bytes: (text) => Buffer.from(text.slice(2), 'hex'),
  date: fromServerDate,
  timestamp: fromServerTimestamp,
  timestamptz: fromServerTimestampTz,
};

/** Types whose binary form is the same in every version since 10 and names no object of one server. */
const sameBinary = new Set([
  ...[
    'bool',
    'int2',
    'int4',
    'int8',
    'float4',
    'float8',
    'numeric',
    'text',
    'varchar',
    'bpchar',
    'bytea',
    'date',
    'time',
    'timetz',
    'timestamp',
    'timestamptz',
    'interval',
  ],
  ...[
    'uuid',
    'json',
    'jsonb',
    'inet',
    'cidr',
    'macaddr',
    'macaddr8',
    'bit',
    'varbit',
    'oid',
    'name',
    'point',
    'box',
    'line',
    'lseg',
    'path',
    'polygon',
    'circle',
    'pg_lsn',
  ],
]);

export const rawFormatName = 'pg-copy-binary';

/** Types in order, with their modifiers: equal on both ends means that one's bytes are the other's. Undefined where a type has no such form. */
export function rawSignature(types: readonly PgType[]): string | undefined {
  return types.every((type) => type.builtin && type.kind === 'b' && sameBinary.has(type.base)) ? `1:${types.map((type) => type.sql).join(',')}` : undefined;
}

/** The type of a new column. PostgreSQL's own name where the source is PostgreSQL and the type exists here. */
export function createType(type: LogicalType): string {
  switch (type.kind) {
    case 'boolean':
      return 'boolean';
    case 'int32':
      return 'integer';
    case 'int64':
      return 'bigint';
    case 'uint64':
      return 'numeric(20,0)';
    case 'decimal':
      // numeric(p,s) holds no more than 1000 digits; without limits it keeps every digit there is
      return type.precision === undefined || type.precision > 1000 ? 'numeric' : `numeric(${type.precision},${type.scale ?? 0})`;
    case 'float64':
      return 'double precision';
    case 'string':
      return type.maxLength === undefined || type.maxLength > 10_485_760 ? 'text' : `varchar(${type.maxLength})`;
    case 'bytes':
      return 'bytea';
    case 'date':
      return 'date';
    case 'time':
      // Past six digits, or past a day, only text keeps every value
      return type.fraction > 6 ? 'text' : `time(${type.fraction})`;
    case 'timestamp':
      return type.fraction > 6 ? 'text' : `timestamp(${type.fraction}) ${type.zoned ? 'with' : 'without'} time zone`;
    case 'uuid':
      return 'uuid';
    case 'json':
      // json keeps the text as it is; jsonb drops equal keys and rewrites numbers
      return 'json';
  }
}
