/**
 * Declared types. SQLite takes any text for a type, derives from it no more than an affinity (https://www.sqlite.org/datatype3.html#determination_of_column_affinity), and lets any value stand
 * in any column. The declared type gives the logical type; every value read is checked against it.
 */
import type { Column, LogicalType } from '../../values/types.ts';

export type Affinity = 'INTEGER' | 'TEXT' | 'BLOB' | 'REAL' | 'NUMERIC';

export function affinityOf(declared: string): Affinity {
  const name = declared.toUpperCase();
  if (name.includes('INT')) return 'INTEGER';
  if (/CHAR|CLOB|TEXT/.test(name)) return 'TEXT';
  if (name === '' || name.includes('BLOB')) return 'BLOB';
  return /REAL|FLOA|DOUB/.test(name) ? 'REAL' : 'NUMERIC';
}

export interface Declared {
  readonly type: LogicalType;
  /** What the declaration leaves open and the first rows decide: `class` the storage class, `zone` whether timestamps carry an offset. */
  readonly open?: 'class' | 'zone';
}

const integerWords = new Set(['INT', 'INTEGER', 'TINYINT', 'SMALLINT', 'MEDIUMINT', 'BIGINT', 'INT2', 'INT4', 'INT8', 'SERIAL', 'BIGSERIAL']);
const decimalWords = new Set(['DECIMAL', 'DEC', 'NUMERIC', 'NUMBER', 'MONEY']);
const pattern = /^\s*([A-Za-z_][\w ]*)(?:\(\s*\+?(\d+)\s*(?:,\s*\+?(\d+)\s*)?(?:\w+\s*)?\)\s*([\w ]*))?$/;
const defaultFraction = 6;

/** The logical type of a declaration. Lengths are kept for key columns alone (`declaredLength`): SQLite does not enforce them. */
export function declaredType(declared: string): Declared {
  const match = pattern.exec(declared);
  const unknown: Declared = { type: { kind: 'string' }, open: 'class' };
  if (match === null) return unknown;
  const [, before = '', firstNumber, secondNumber, after = ''] = match;
  const words = `${before} ${after}`.toUpperCase().trim().split(/\s+/);
  const first = words[0] ?? '';
  const fraction = firstNumber === undefined ? defaultFraction : Math.min(9, Number(firstNumber));
  if (first === 'BOOL' || first === 'BOOLEAN') return { type: { kind: 'boolean' } };
  if (first === 'DATE') return { type: { kind: 'date' } };
  if (first === 'TIME') return { type: { kind: 'time', fraction } };
  if (first === 'TIMESTAMPTZ' || first === 'DATETIMEOFFSET' || ((first === 'TIMESTAMP' || first === 'DATETIME') && words.join(' ').includes('WITH TIME ZONE')))
    return { type: { kind: 'timestamp', fraction, zoned: true } };
  if (first === 'TIMESTAMP' || first === 'DATETIME' || first === 'DATETIME2') {
    const type: LogicalType = { kind: 'timestamp', fraction, zoned: false };
    // TIMESTAMP TEXT is what Idra itself declares: it never holds an offset
    return words[1] === 'TEXT' ? { type } : { type, open: 'zone' };
  }
  if (decimalWords.has(first))
    return { type: firstNumber === undefined ? { kind: 'decimal' } : { kind: 'decimal', precision: Number(firstNumber), scale: Number(secondNumber ?? 0) } };
  if (first === 'UUID' || first === 'GUID' || first === 'UNIQUEIDENTIFIER') return { type: { kind: 'uuid' } };
  if (first === 'JSON' || first === 'JSONB') return { type: { kind: 'json' } };
  switch (affinityOf(declared)) {
    case 'INTEGER':
      // INTERVAL and POINT hold INT by chance
      return words.some((word) => integerWords.has(word)) ? { type: { kind: 'int64' } } : unknown;
    case 'TEXT':
      return { type: { kind: 'string' } };
    case 'REAL':
      return { type: { kind: 'float64' } };
    case 'BLOB':
      return words.includes('BLOB') ? { type: { kind: 'bytes' } } : unknown;
    default:
      return unknown;
  }
}

/** What the column is declared to hold, where another SQLite file is given its text as it is: what a cursor means hangs on it. */
export function declaredKind({ type, native }: Pick<Column, 'type' | 'native'>): LogicalType['kind'] {
  return native?.system === 'sqlite' ? declaredType(native.type).type.kind : type.kind;
}

/** `VARCHAR(50)` as a key: other databases index only text with a limit. */
export function declaredLength(declared: string): number | undefined {
  const length = affinityOf(declared) === 'TEXT' ? /\(\s*(\d+)\s*\)/.exec(declared)?.[1] : undefined;
  return length === undefined ? undefined : Number(length);
}

/**
 * What a new column is declared as: an affinity that changes no value, and the words by which it is read back as the same logical type. NUMERIC affinity would make a double of a decimal,
 * so everything but integers, doubles, booleans and bytes is TEXT.
 */
export function createdType(column: Column): string {
  if (column.native?.system === 'sqlite') return column.native.type;
  const { type } = column;
  switch (type.kind) {
    case 'boolean':
      return 'BOOLEAN';
    case 'int32':
    case 'int64':
    case 'uint64':
      return 'INTEGER';
    case 'float64':
      return 'REAL';
    case 'bytes':
      return 'BLOB';
    case 'decimal':
      return type.precision === undefined ? 'DECIMAL TEXT' : `DECIMAL TEXT(${type.precision},${type.scale ?? 0})`;
    case 'string':
      return type.maxLength === undefined ? 'TEXT' : `VARCHAR(${type.maxLength})`;
    case 'date':
      return 'DATE TEXT';
    case 'time':
      return `TIME TEXT(${type.fraction})`;
    case 'timestamp':
      return `${type.zoned ? 'TIMESTAMPTZ' : 'TIMESTAMP'} TEXT(${type.fraction})`;
    case 'uuid':
      return 'UUID TEXT';
    case 'json':
      return 'JSON TEXT';
  }
}
