/**
 * Values as COPY's binary format has them: https://www.postgresql.org/docs/current/sql-copy.html, Binary Format. The server takes them in at half the cost of text. It checks less of
 * them, too: a number or a moment past the end of its type would become another one, so ranges are checked here.
 */
import { isSpecialNumber, readDouble } from '../../values/numbers.ts';
import type { Column, Value } from '../../values/types.ts';
import { binaryDate, binaryTime, commonDay, commonMicroseconds, exactMicroseconds } from './binary-moments.ts';
import { numericRoom, writeNumeric } from './binary-numeric.ts';
import { exactTimestamp } from './moments.ts';
import { type Piece, ValueRefused } from './pieces.ts';
import { fractionOf, type PgType } from './types.ts';

/** What is written to: the same memory twice. */
export interface Target {
  readonly view: DataView;
  readonly bytes: Buffer;
}

/** Writes a value that is not null and returns where it ends. Throws `ValueRefused`. */
export type Write = (value: Exclude<Value, null>, to: Target, at: number) => number;

/** `fixedBytes`: null where it depends on the value (`roomFor`). */
export interface BinaryPiece {
  readonly fixedBytes: number | null;
  readonly write: Write;
}

type Encode = (value: Value) => string;

/** Bytes that the value may take at most. A character has at most three in each of its units. */
export function roomFor(value: Value): number {
  if (typeof value === 'string') return numericRoom(value.length * 3);
  return value instanceof Uint8Array ? value.length : 64;
}

/** The same, by looking at every character. */
export function exactRoom(value: Value): number {
  return typeof value === 'string' ? numericRoom(Buffer.byteLength(value)) : roomFor(value);
}

/** How the values of a column are written, for whose text form there is `piece`; null where they can only go as text. */
export function binaryPieceFor(incoming: Column, target: PgType, piece: Exclude<Piece, { refused: string }>): BinaryPiece | null {
  const { encode } = piece;
  const text: Encode = encode ?? String;
  if (target.array) return null;
  if (target.kind === 'e') return { fixedBytes: null, write: textWriter(encode) };
  if (!target.builtin || target.kind !== 'b') return null;
  switch (target.base) {
    case 'bool':
      return { fixedBytes: 1, write: (value, { bytes }, at) => bytes.writeUInt8(value === true ? 1 : 0, at) };
    case 'int2':
      return { fixedBytes: 2, write: integer(encode, { min: -32_768, max: 32_767 }, (value, { view }, at) => view.setInt16(at, value), 2) };
    case 'int4':
      return { fixedBytes: 4, write: integer(encode, { min: -2_147_483_648, max: 2_147_483_647 }, (value, { view }, at) => view.setInt32(at, value), 4) };
    case 'oid':
      return { fixedBytes: 4, write: integer(encode, { min: 0, max: 4_294_967_295 }, (value, { view }, at) => view.setUint32(at, value), 4) };
    case 'int8':
      return { fixedBytes: 8, write: bigInteger(encode) };
    case 'float8':
      return {
        fixedBytes: 8,
        write: (value, { view }, at) => {
          view.setFloat64(at, double(value));
          return at + 8;
        },
      };
    case 'float4':
      return {
        fixedBytes: 4,
        write: (value, { view }, at) => {
          text(value);
          view.setFloat32(at, double(value));
          return at + 4;
        },
      };
    case 'numeric':
      return {
        fixedBytes: null,
        write: (value, { view }, at) => {
          const end = writeNumeric(text(value), view, at);
          if (end < 0) throw new ValueRefused('is no decimal number that numeric holds');
          return end;
        },
      };
    case 'bytea':
      return {
        fixedBytes: null,
        write: (value, { bytes }, at) => {
          if (!(value instanceof Uint8Array)) throw new ValueRefused('is not bytes');
          bytes.set(value, at);
          return at + value.length;
        },
      };
    case 'date':
      return {
        fixedBytes: 4,
        write: (value, { view }, at) => {
          const days = binaryDate(String(value));
          if (days === null) throw new ValueRefused('is no date that PostgreSQL knows');
          view.setInt32(at, days);
          return at + 4;
        },
      };
    case 'time':
      return {
        fixedBytes: 8,
        write: (value, { view }, at) => writeWhole(binaryTime(text(value)), view, at),
      };
    case 'timestamp':
    case 'timestamptz':
      return { fixedBytes: 8, write: timestamp(target) };
    case 'uuid':
      return { fixedBytes: 16, write: uuid };
    case 'jsonb': {
      const write = textWriter(encode);
      return {
        fixedBytes: null,
        // The version of the form
        write: (value, to, at) => write(value, to, to.bytes.writeUInt8(1, at)),
      };
    }
    case 'json':
    case 'text':
    case 'varchar':
    case 'bpchar':
    case 'name':
      return incoming.type.kind === 'bytes' ? null : { fixedBytes: null, write: textWriter(encode) };
    default:
      return null;
  }
}

/** Up to here a loop is faster than a call. */
const shortText = 12;

function textWriter(encode: Encode | null): Write {
  return (value, { bytes }, at) => {
    const text = encode !== null ? encode(value) : typeof value === 'string' ? value : String(value);
    const { length } = text;
    if (length <= shortText) {
      let i = 0;
      for (; i < length; i++) {
        const code = text.charCodeAt(i);
        if (code === 0 || code > 127) break;
        bytes[at + i] = code;
      }
      if (i === length) return at + length;
    }
    // Of texts within Latin-1 the engine knows that they are well formed
    if (text.includes('\0')) throw new ValueRefused('has a NUL character, which PostgreSQL text cannot hold');
    if (!text.isWellFormed()) throw new ValueRefused('has half of a surrogate pair, which is no text');
    return at + bytes.write(text, at);
  };
}

/** Digits within what a double counts exactly; NaN for anything else. */
function shortInteger(text: string): number {
  const { length } = text;
  const negative = text.charCodeAt(0) === 45;
  const start = negative ? 1 : 0;
  if (length === start || length > 15) return Number.NaN;
  let number = 0;
  for (let i = start; i < length; i++) {
    const value = (text.charCodeAt(i) - 48) >>> 0;
    if (value > 9) return Number.NaN;
    number = number * 10 + value;
  }
  return negative ? -number : number;
}

const integerText = /^-?[0-9]+$/;
const notWhole = 'is no whole number';
const outOfRange = 'is out of the range of the column';

function integer(encode: Encode | null, range: { min: number; max: number }, set: (value: number, to: Target, at: number) => void, size: number): Write {
  return (value, to, at) => {
    const given = encode === null ? value : encode(value);
    let number = typeof given === 'number' ? given : shortInteger(String(given));
    if (Number.isNaN(number) && integerText.test(String(given))) number = Number(given);
    if (!Number.isInteger(number)) throw new ValueRefused(notWhole);
    if (number < range.min || number > range.max) throw new ValueRefused(outOfRange);
    set(number, to, at);
    return at + size;
  };
}

function bigInteger(encode: Encode | null): Write {
  return (value, { view }, at) => {
    const given = encode === null ? value : encode(value);
    const number = typeof given === 'number' ? given : shortInteger(String(given));
    if (Number.isSafeInteger(number)) return writeWhole(number, view, at);
    const text = String(given);
    if (!integerText.test(text)) throw new ValueRefused(notWhole);
    const exact = BigInt(text);
    if (exact !== BigInt.asIntN(64, exact)) throw new ValueRefused(outOfRange);
    view.setBigInt64(at, exact);
    return at + 8;
  };
}

/** A safe integer as 64 bits. */
function writeWhole(number: number, view: DataView, at: number): number {
  view.setInt32(at, Math.floor(number / 0x1_0000_0000));
  view.setUint32(at + 4, number >>> 0);
  return at + 8;
}

/** Digits and a sign begin what `Number` reads as the server does; the second letter of 0x10 is none of them. */
const isDigit = (code: number): boolean => code >= 48 && code <= 57;

function double(value: Value): number {
  if (typeof value === 'number') return value;
  const text = String(value);
  const start = text.charCodeAt(0) === 45 ? 1 : 0;
  if (isDigit(text.charCodeAt(start)) && text.charCodeAt(start + 1) <= 57) {
    const number = Number(text);
    if (Number.isFinite(number) && number !== 0) return number;
  }
  const number = readDouble(text);
  if (number === null) throw new ValueRefused('is no number');
  const lost = Number.isFinite(number) ? number === 0 && /^[^eE]*[1-9]/.test(text) : !isSpecialNumber(text);
  if (lost) throw new ValueRefused(outOfRange);
  return number;
}

const microsecondsPerDay = 86_400_000_000;
/** Days around the epoch whose microseconds a double counts exactly, with a day to spare. */
const countedDays = Math.floor(Number.MAX_SAFE_INTEGER / microsecondsPerDay) - 1;

function timestamp(target: PgType): Write {
  const fraction = fractionOf(target);
  const zoned = target.base === 'timestamptz';
  const longest = 19 + (fraction > 0 ? fraction + 1 : 0) + (zoned ? 6 : 0);
  /** Rows that follow each other are often of one day. */
  let day = 'none';
  let days = Number.NaN;
  return (value, { view }, at) => {
    const text = String(value);
    if (text.length <= longest) {
      if (!text.startsWith(day)) {
        day = text.slice(0, 11);
        days = commonDay(day);
      }
      const micro = commonMicroseconds(text, zoned);
      if (days > -countedDays && days < countedDays && !Number.isNaN(micro)) return writeWhole(days * microsecondsPerDay + micro, view, at);
    }
    const exact = exactTimestamp(text, { zoned, fraction });
    if (exact === null) throw new ValueRefused(`is no timestamp${zoned ? ' with a zone' : ''} of at most ${fraction} fraction digits that PostgreSQL knows`);
    const microseconds = exactMicroseconds(exact);
    if (microseconds === null) throw new ValueRefused(outOfRange);
    view.setBigInt64(at, microseconds);
    return at + 8;
  };
}

const noDigit = 0x100;
/** Values of hexadecimal digits by character code. */
const hexadecimal = Uint16Array.from({ length: 256 }, (_, code) => {
  const value = Number.parseInt(String.fromCharCode(code), 16);
  return Number.isNaN(value) ? noDigit : value;
});

/** The byte of two digits; more than 255 where one of them is none. */
function hexByte(text: string, at: number): number {
  const high = text.charCodeAt(at);
  const low = text.charCodeAt(at + 1);
  const value = ((hexadecimal[high & 255] ?? noDigit) << 4) | (hexadecimal[low & 255] ?? noDigit);
  return value | ((high | low) & 0xff00);
}

/** Where the groups of `01234567-89ab-cdef-0123-456789abcdef` begin, and which bytes they are. */
const uuidGroups = [
  { place: 0, from: 0, to: 4 },
  { place: 9, from: 4, to: 6 },
  { place: 14, from: 6, to: 8 },
  { place: 19, from: 8, to: 10 },
  { place: 24, from: 10, to: 16 },
] as const;

function uuid(value: Exclude<Value, null>, { bytes }: Target, at: number): number {
  const text = String(value);
  let seen = 0;
  for (const { place, from, to } of uuidGroups) {
    for (let i = from, p = place; i < to; i++, p += 2) {
      const byte = hexByte(text, p);
      seen |= byte;
      bytes[at + i] = byte;
    }
  }
  if (text.length !== 36 || seen > 255 || text[8] !== '-' || text[13] !== '-' || text[18] !== '-' || text[23] !== '-') throw new ValueRefused('is no UUID');
  return at + 16;
}
