/**
 * What each pair of an incoming type and a column of the table needs, so that no value is changed on the way in. PostgreSQL refuses much by itself (range, syntax, length); it is silent
 * where it rounds (numeric, time, timestamp, real), pads (char), cuts (trailing spaces in varchar, name) or reads differently (second 60), and there the value is looked at here.
 */
import { significantFraction } from '../../values/datetime.ts';
import { fitsCharacters } from '../../values/text.ts';
import { type Column, typeName, type Value } from '../../values/types.ts';
import { logicalFit } from '../sql/fit.ts';
import { exactDate, exactTimestamp } from './moments.ts';
import { fractionOf, lengthOf, numericLimits, type PgType } from './types.ts';

/** A value that the column cannot hold exactly. `reason` follows "the value"; it holds no value. */
export class ValueRefused extends Error {
  readonly reason: string;
  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** Text for a value that is not null. Null: the value itself, as text. Throws `ValueRefused`. */
export type Encode = ((value: Value) => string) | null;

/** How to write, or why it cannot be. `free`: the text is the value itself, and may have characters that COPY wants escaped; any other text has none, or has its escapes. */
export type Piece = { readonly encode: Encode; readonly free?: boolean } | { readonly refused: string };

const anyText: Piece = { encode: null, free: true };
const double = (value: Value): string => (Object.is(value, -0) ? '-0' : String(value));

/** Days that every year from 1000 to 9999 has; the others are looked at closely. */
const commonDay = /^[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)$/;
const commonMoment =
  /^[1-9][0-9]{3}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31) (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]/;

/** PostgreSQL's own types that take text and refuse aloud what they cannot hold. */
const textual = new Set(['inet', 'cidr', 'macaddr', 'macaddr8', 'bit', 'varbit', 'pg_lsn', 'xml', 'jsonpath']);
const integers = new Set(['int32', 'int64', 'uint64']);

export function pieceFor(incoming: Column, target: PgType): Piece {
  const same = incoming.native?.system === 'postgres' && incoming.native.type === target.sql;
  const from = incoming.type;
  const text = from.kind === 'string';
  if (target.array) return same && text ? anyText : { refused: 'an array takes arrays of exactly its own type' };
  if (!target.builtin || target.kind !== 'b') {
    const open = text && (target.kind === 'e' || target.modifier < 0);
    return same || open ? anyText : { refused: `it takes text or exactly its own type, not ${typeName(from)}` };
  }
  switch (target.base) {
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'name':
      return textPiece(incoming, target);
    case 'money':
      return { refused: 'money depends on the locale of the server; use numeric' };
    case 'xid8':
      return integers.has(from.kind) ? { encode: null } : { refused: 'it takes whole numbers' };
    case 'interval':
      return same || (text && target.modifier < 0) ? anyText : { refused: 'it takes intervals of exactly its own type, or text where it has no precision' };
  }
  if (textual.has(target.base) || target.base === 'json' || target.base === 'jsonb') {
    const fits = same || (textual.has(target.base) ? text : from.kind === 'json');
    return fits ? anyText : { refused: `${typeName(from)} is not ${target.base}` };
  }
  const encoders = exactPieces[target.base];
  if (encoders === undefined) return same ? anyText : { refused: 'it takes exactly its own type' };
  const misfit = logicalFit(from, { ...kindOf(target), fraction: fractionOf(target), zoned: target.base === 'timestamptz' } as Column['type']);
  return misfit === null ? encoders(incoming, target) : { refused: misfit };
}

function kindOf(target: PgType): { kind: string } {
  const kinds: Readonly<Record<string, string>> = {
    bool: 'boolean',
    int2: 'int32',
    int4: 'int32',
    int8: 'int64',
    oid: 'int64',
    numeric: 'decimal',
    float4: 'float64',
    float8: 'float64',
    bytea: 'bytes',
    timestamptz: 'timestamp',
  };
  return { kind: kinds[target.base] ?? target.base };
}

const exactPieces: Readonly<Record<string, (incoming: Column, target: PgType) => Piece>> = {
  bool: () => ({ encode: (value) => (value === true ? 't' : 'f') }),
  int2: integer,
  int4: integer,
  int8: integer,
  oid: integer,
  numeric: numericPiece,
  float8: () => ({ encode: double }),
  float4: () => ({
    encode: (value) => {
      const number = Number(value);
      if (Math.fround(number) !== number && !Number.isNaN(number)) throw new ValueRefused('has more digits than a real keeps');
      return double(value);
    },
  }),
  bytea: () => ({
    encode: (value) => {
      if (!(value instanceof Uint8Array)) throw new ValueRefused('is not bytes');
      return `\\\\x${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')}`;
    },
  }),
  date: (incoming, target) => {
    const own = ownType(incoming, target);
    return {
      encode: (value) => {
        const text = String(value);
        if (own ? hasCommonYear(text) : commonDay.test(text)) return text;
        const exact = exactDate(text);
        if (exact === null) throw new ValueRefused('is no date that PostgreSQL knows');
        return exact;
      },
    };
  },
  time: (_incoming, target) => {
    const fraction = fractionOf(target);
    const clock = /^(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?|24:00:00(?:\.0+)?)$/;
    return {
      encode: (value) => {
        const text = String(value);
        if (!clock.test(text)) throw new ValueRefused('is no time of day');
        if (text.length > 8 && significantFraction(text) > fraction) throw new ValueRefused(`has more than ${fraction} fraction digits`);
        return text;
      },
    };
  },
  timestamp: timestampPiece,
  timestamptz: timestampPiece,
  uuid: () => ({ encode: null }),
};

/** The values stood in a column of this very type: nothing in them is rounded, dropped or read differently. */
function ownType({ native }: Column, target: PgType): boolean {
  return native?.system === 'postgres' && native.type === target.sql;
}

/** Four digits, after which canonical text is the server's: no sign, no infinity. */
function hasCommonYear(text: string): boolean {
  return text.charCodeAt(4) === 45 && text.charCodeAt(0) !== 45;
}

function integer(incoming: Column): Piece {
  if (incoming.type.kind !== 'decimal') return { encode: null };
  return {
    encode: (value) => {
      const [whole = '', fraction = ''] = String(value).split('.');
      if (/[^0]/.test(fraction)) throw new ValueRefused('is not a whole number');
      return whole;
    },
  };
}

function numericPiece(incoming: Column, target: PgType): Piece {
  const limits = numericLimits(target.modifier);
  if (limits === null) return { encode: null };
  const { scale } = limits;
  if (ownType(incoming, target)) return { encode: null };
  if (scale < 0) return { refused: 'a negative scale rounds what stands before the point' };
  if (incoming.type.kind !== 'decimal') return { encode: null };
  return {
    encode: (value) => {
      const text = String(value);
      const point = text.indexOf('.');
      if (point >= 0 && text.length - point - 1 > scale && /[^0]/.test(text.slice(point + 1 + scale)))
        throw new ValueRefused(`has more than ${scale} digits after the point`);
      return text;
    },
  };
}

function timestampPiece(incoming: Column, target: PgType): Piece {
  const fraction = fractionOf(target);
  const zoned = target.base === 'timestamptz';
  const own = ownType(incoming, target);
  const longest = 19 + (fraction > 0 ? fraction + 1 : 0) + (zoned ? 6 : 0);
  const shortest = zoned ? 25 : 19;
  return {
    encode: (value) => {
      const text = String(value);
      if (own && hasCommonYear(text)) return text;
      const length = text.length;
      const sign = text.charCodeAt(length - 6);
      // The common form, with an offset where there is a zone and none where not
      if (length <= longest && length >= shortest && (sign === 43 || sign === 45) === zoned && commonMoment.test(text)) return text;
      const exact = exactTimestamp(text, { zoned, fraction });
      if (exact === null) throw new ValueRefused(`is no timestamp${zoned ? ' with a zone' : ''} of at most ${fraction} fraction digits that PostgreSQL knows`);
      return exact;
    },
  };
}

function textPiece(incoming: Column, target: PgType): Piece {
  const { kind } = incoming.type;
  if (kind === 'bytes') return { refused: 'bytes are no text' };
  const number = kind === 'float64';
  const free = !number && !integers.has(kind) && kind !== 'boolean';
  const write = number ? double : String;
  const length = lengthOf(target);
  if (target.base === 'name')
    return {
      encode: (value) => {
        if (Buffer.byteLength(String(value)) > 63) throw new ValueRefused('is longer than the 63 bytes of a name');
        return write(value);
      },
      free,
    };
  if (target.base === 'text' || length === undefined) return { encode: number ? double : null, free };
  if (target.base === 'varchar')
    return {
      encode: (value) => {
        const text = write(value);
        // The server refuses what is too long, but cuts spaces at the end without a word
        if (text.length > length && !fitsCharacters(text, length)) throw new ValueRefused(`is longer than ${length} characters`);
        return text;
      },
      free,
    };
  return {
    encode: (value) => {
      const text = String(value);
      if ((text.length !== length && [...text].length !== length) || (text.length > length && !fitsCharacters(text, length)))
        throw new ValueRefused(`has not exactly ${length} characters, and char(${length}) would pad or cut it`);
      return write(value);
    },
    free,
  };
}
