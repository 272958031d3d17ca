/** Values to what the driver binds: each in the storage class that its column keeps without changing it, or refused. */

import { toText } from '../../values/convert.ts';
import { type Check, checkFor, doubleCheck, integerCheck, stringCheck } from '../../values/fits.ts';
import { integerRanges, isSpecialNumber, survivesDouble } from '../../values/numbers.ts';
import { type Column, type LogicalType, typeName, type Value } from '../../values/types.ts';
import { logicalFit } from '../sql/fit.ts';
import { type Affinity, declaredType } from './types.ts';

/** A value that the column cannot keep exactly; the message follows "the value". */
export class Unfit extends Error {}

/** Never called with NULL. Throws `Unfit`. */
export type BindValue = (value: Exclude<Value, null>) => Value;

/** A column of the table as it is, or as it is going to be made. */
export interface TargetColumn {
  readonly name: string;
  readonly declared: string;
  readonly affinity: Affinity;
  /** False: the table refuses NULL. */
  readonly nullable?: boolean;
  /** The rowid by another name: SQLite takes NULL in it for the next number. */
  readonly numbered?: boolean;
}

const wholeNumbers = new Set<LogicalType['kind']>(['int32', 'int64', 'uint64']);

/** Why values of the incoming type have no place in the column; null where each fits or is refused aloud while it is written. `byRows`: what the rows of an open column make of it; undefined without rows. */
export function unfitReason(incoming: Column, target: TargetColumn, byRows: (name: string) => LogicalType | undefined): string | null {
  const { type } = incoming;
  if (incoming.native?.system === 'sqlite' && incoming.native.type === target.declared) return null;
  const { type: declared, open } = declaredType(target.declared);
  if (open === 'class') return type.kind === 'boolean' && target.affinity === 'TEXT' ? 'a boolean is no text' : null;
  // SQLite has no booleans: 0 and 1 are how they are kept
  if (type.kind === 'boolean' && (declared.kind === 'int64' || declared.kind === 'boolean')) return null;
  if (open !== 'zone' || type.kind !== 'timestamp') return logicalFit(type, declared);
  const found = byRows(target.name);
  return found === undefined ? null : logicalFit(type, found);
}

/**
 * Affinity is applied to what is bound (https://www.sqlite.org/datatype3.html#type_affinity): text that looks like a number becomes one in columns of INTEGER, REAL and NUMERIC affinity, and a
 * double without a fraction becomes an integer, by which −0 loses its sign.
 */
export function valueBinder(incoming: Column, target: TargetColumn): BindValue {
  const { type } = incoming;
  const { affinity } = target;
  switch (type.kind) {
    case 'boolean':
      return affinity === 'TEXT' ? (value) => String(value) : (value) => (value === true ? 1n : value === false ? 0n : refuse('is neither true nor false'));
    case 'int32':
    case 'int64':
    case 'uint64':
      return integerBinder(type, target);
    case 'float64':
      return doubleBinder(affinity);
    case 'decimal':
      return decimalBinder(target);
    case 'bytes':
      return (value) => (value instanceof Uint8Array ? value : refuse('is not bytes'));
    default:
      return textBinder(affinity);
  }
}

function refuse(reason: string): never {
  throw new Unfit(reason);
}

function pass(check: Check, value: Value): void {
  const reason = check(value);
  if (reason !== null) throw new Unfit(reason);
}

/** Text of up to 18 digits is in range whatever it is, and INTEGER affinity reads it exactly. */
const shortDigits = 18;

function integerBinder(type: LogicalType, { affinity }: TargetColumn): BindValue {
  if (affinity === 'TEXT') return (value) => toText(value, type);
  const inRange = integerCheck(integerRanges.int64);
  const exactDouble = (value: Value): void => {
    if (!survivesDouble(String(value))) throw new Unfit('is an integer that no double holds');
  };
  return (value) => {
    if (affinity === 'REAL') exactDouble(value);
    if (typeof value === 'number' && Number.isSafeInteger(value) && affinity !== 'BLOB') return value;
    if (typeof value === 'string' && value.length <= shortDigits && affinity !== 'BLOB') return value;
    pass(inRange, value);
    return typeof value === 'bigint' ? value : BigInt(String(value));
  };
}

function doubleBinder(affinity: Affinity): BindValue {
  const check = doubleCheck({ specials: true });
  return (value) => {
    const double = Number(value);
    // What gives a number other than zero was one; an empty text gives zero
    if (typeof value !== 'number' && (double === 0 || !Number.isFinite(double))) pass(check, value);
    if (affinity === 'TEXT') return toText(value, { kind: 'float64' });
    if (Number.isNaN(double)) throw new Unfit('is NaN, which SQLite stores as NULL');
    if (double === 0 && affinity !== 'BLOB' && Object.is(double, -0)) throw new Unfit('is negative zero, of which the column keeps no sign');
    if (affinity === 'INTEGER' && !Number.isFinite(double)) throw new Unfit('is infinite');
    return double;
  };
}

function decimalBinder({ affinity }: TargetColumn): BindValue {
  const isDecimal = checkFor({ kind: 'decimal' });
  const whole = /^-?[0-9]+$/;
  return (value) => {
    pass(isDecimal, value);
    const text = String(value);
    if (affinity === 'TEXT' || affinity === 'BLOB') return text;
    if (whole.test(text) && integerCheck(integerRanges.int64)(text) === null) return BigInt(text);
    if (text === 'NaN') throw new Unfit('is NaN, which SQLite stores as NULL');
    if (isSpecialNumber(text)) return affinity === 'INTEGER' ? refuse('is infinite') : Number(text);
    // 19.90 is 19.9 here: the number is the same. What needs more digits than a double has would be rounded
    if (!survivesDouble(text)) throw new Unfit('is a decimal that no double holds, and the column keeps doubles (declare it as TEXT)');
    const double = Number(text);
    if (affinity === 'INTEGER' && !Number.isInteger(double)) throw new Unfit('has a fraction');
    return double;
  };
}

const looksNumeric = /^\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?\s*$/i;

function textBinder(affinity: Affinity): BindValue {
  const wellFormed = stringCheck({ nul: true });
  const keeps = affinity === 'TEXT' || affinity === 'BLOB';
  return (value) => {
    if (typeof value !== 'string' || !value.isWellFormed()) pass(wellFormed, value);
    if (!keeps && looksNumeric.test(String(value))) throw new Unfit(`is text that ${affinity} affinity would make a number of (declare the column as TEXT)`);
    return value;
  };
}

/** Values of these types sort by their text as by their meaning, so that the largest text is the largest value. */
export function ordersAsText(type: LogicalType, { affinity }: TargetColumn): boolean {
  return affinity !== 'TEXT' || !(type.kind === 'decimal' || type.kind === 'float64' || wholeNumbers.has(type.kind));
}

/** `decimal(38,20)` in the words of the table: what messages call the column's type. */
export function describedType(column: Column, target: TargetColumn): string {
  return target.declared === '' ? typeName(column.type) : target.declared;
}
