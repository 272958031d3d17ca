/**
 * The common values of a column, known at one look: who passes here passes the column's full check, too, but for halves of surrogate pairs, which are looked for in many
 * rows at once. Who does not pass is asked in full.
 */
import type { Value } from '../../values/types.ts';
import type { ColumnFacts } from './types.ts';

export type Quick = (value: Value) => boolean;

/** Of canonical text, sign included: numbers that are no longer always fit. */
const fittingDigits: Readonly<Record<string, number>> = { tinyint: 2, smallint: 4, mediumint: 6, int: 9, bigint: 18 };

/** No zero with a sign, no exponent, nothing near a double's ends. */
const commonDouble = /^(?:-?[1-9][0-9]{0,20}(?:\.[0-9]{1,30})?|0(?:\.[0-9]{1,30})?)$/;
const commonDate = /^[1-9][0-9]{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])$/;

export function quickCheck(facts: ColumnFacts): Quick | undefined {
  const { base, unsigned, length, precision, scale, fraction } = facts;
  const digits = fittingDigits[base];
  if (digits !== undefined) {
    const fitting = new RegExp(`^${unsigned ? '' : '-?'}[0-9]{1,${digits - 1}}$`);
    return (value) => typeof value === 'string' && fitting.test(value);
  }
  switch (base) {
    case 'decimal': {
      const before = (precision ?? 10) - (scale ?? 0);
      if (before < 0) return undefined;
      // DECIMAL(4,4) has no digit before the point: canonical text has its zero there all the same
      const whole = before === 0 ? '0' : `[0-9]{1,${before}}`;
      const after = scale === null || scale === 0 ? '' : `(?:\\.[0-9]{1,${scale}})?`;
      const fitting = new RegExp(`^${unsigned ? '' : '-?'}${whole}${after}$`);
      return (value) => typeof value === 'string' && fitting.test(value);
    }
    case 'double':
      return unsigned ? undefined : (value) => typeof value === 'string' && commonDouble.test(value);
    case 'date':
      return (value) => typeof value === 'string' && commonDate.test(value);
    case 'datetime':
    case 'timestamp': {
      // Inside the years that even TIMESTAMP holds, on UTC's clock or on none
      const after = fraction === 0 ? '' : `(?:\\.[0-9]{1,${fraction}})?`;
      const fitting = new RegExp(
        `^(?:197[1-9]|19[89][0-9]|20[012][0-9])-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]) (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]${after}(?:\\+00:00)?$`,
      );
      return (value) => typeof value === 'string' && fitting.test(value);
    }
    case 'varchar':
      return (value) => typeof value === 'string' && value.length <= (length ?? 255);
    case 'char':
      return (value) => typeof value === 'string' && value.length <= (length ?? 255) && value.charCodeAt(value.length - 1) !== 32;
    case 'tinytext':
    case 'text':
    case 'mediumtext':
    case 'longtext': {
      // Three bytes at most for each UTF-16 unit
      const characters = Math.floor((length ?? 255) / 3);
      return (value) => typeof value === 'string' && value.length <= characters;
    }
    default:
      return undefined;
  }
}
