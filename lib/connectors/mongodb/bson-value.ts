/** JSON text into values of BSON: the reverse of json-text.ts. JSON of any other maker passes too, with all its digits. */
import { Binary, BSONRegExp, BSONSymbol, Code, Decimal128, Double, Int32, Long, MaxKey, MinKey, ObjectId, Timestamp } from 'mongodb';
import { fromBase64 } from '../../values/bytes.ts';
import { plainDecimal, sameNumber } from '../../values/numbers.ts';
import { NoJson, numberKind, specialNames } from './json-text.ts';

/** Anything that the driver writes. */
export type BsonValue = unknown;

/** The server's own limit is 180 levels. */
const maxDepth = 100;
const maxMoment = 8_640_000_000_000_000n;

/** Throws `NoJson` with the reason, which goes behind `the value`. */
export function bsonFromJson(text: string): BsonValue {
  try {
    JSON.parse(text);
  } catch {
    throw new NoJson('is no JSON');
  }
  return new JsonReader(text).value(0);
}

/** Exact, or `NoJson`. */
export function decimal128(text: string): Decimal128 {
  let made: Decimal128;
  try {
    made = Decimal128.fromString(shortened(text));
  } catch {
    throw new NoJson('has more than the 34 digits of a Decimal128');
  }
  const back = made.toString();
  if (/^-?[0-9]/.test(back) && !sameNumber(plainDecimal(back) ?? '', plainDecimal(text) ?? 'none'))
    throw new NoJson('has more digits, or another exponent, than a Decimal128 holds');
  return made;
}

/** Without the zeros at the end that 34 digits have no room for. */
function shortened(text: string): string {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)0*([0-9]*)(?:\.([0-9]*))?$/.exec(text) ?? [];
  const room = 34 - (whole === '' ? fraction.search(/[1-9]|$/) * -1 : whole.length);
  if (fraction.length <= room) return text;
  const kept = fraction.slice(0, Math.max(room, 0));
  return /[1-9]/.test(fraction.slice(kept.length)) ? text : `${sign}${whole || '0'}${kept === '' ? '' : `.${kept}`}`;
}

/** Reads text that is known to be JSON. */
class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): BsonValue {
    if (depth > maxDepth) throw new NoJson(`is nested deeper than ${maxDepth} levels`);
    this.#space();
    const char = this.#text[this.#at];
    switch (char) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return wellFormed(this.#string());
      case 't':
        this.#at += 4;
        return true;
      case 'f':
        this.#at += 5;
        return false;
      case 'n':
        this.#at += 4;
        return null;
      default:
        return this.#number();
    }
  }

  #space(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  /** After the spaces, which are skipped. */
  #take(): string {
    this.#space();
    return this.#text[this.#at++] ?? '';
  }

  #string(): string {
    const start = this.#at++;
    while (this.#text[this.#at] !== '"') this.#at += this.#text[this.#at] === '\\' ? 2 : 1;
    this.#at++;
    return JSON.parse(this.#text.slice(start, this.#at));
  }

  #number(): BsonValue {
    const start = this.#at;
    while (/[-+.0-9eE]/.test(this.#text[this.#at] ?? '')) this.#at++;
    const digits = this.#text.slice(start, this.#at);
    switch (numberKind(digits)) {
      case 'int32':
        return new Int32(Number(digits));
      case 'int64':
        return Long.fromString(digits);
      case 'double':
        return new Double(Number(digits));
      default:
        return decimal128(digits);
    }
  }

  #array(depth: number): BsonValue[] {
    const items: BsonValue[] = [];
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === ']') {
      this.#at++;
      return items;
    }
    do items.push(this.value(depth + 1));
    while (this.#take() === ',');
    return items;
  }

  #object(depth: number): BsonValue {
    const members = new Map<string, BsonValue>();
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === '}') {
      this.#at++;
      return {};
    }
    do {
      this.#space();
      const name = wellFormed(this.#string());
      if (name.includes('\0')) throw new NoJson('has NUL in the name of a field');
      if (members.has(name)) throw new NoJson(`has two fields called ${JSON.stringify(name)} in one object`);
      this.#take();
      members.set(name, this.value(depth + 1));
    } while (this.#take() === ',');
    return special(members) ?? plain(members);
  }
}

function wellFormed(text: string): string {
  if (text.isWellFormed()) return text;
  throw new NoJson('has half a surrogate pair, which UTF-8 cannot hold');
}

/** Objects put names that are numbers first, and `__proto__` nowhere. */
const unsafeName = /^(?:[0-9]+|__proto__)$/;

function plain(members: Map<string, BsonValue>): BsonValue {
  for (const name of members.keys()) if (unsafeName.test(name)) return members;
  return Object.fromEntries(members);
}

/** The special type that the members spell in canonical Extended JSON; undefined where they are fields like any others. */
function special(members: Map<string, BsonValue>): BsonValue | undefined {
  const [first] = members;
  if (first === undefined || !specialNames.has(first[0])) return undefined;
  const [name, value] = first;
  if (name === '$code' && typeof value === 'string' && members.size === 2) {
    const scope = members.get('$scope');
    return typeof scope === 'object' && scope !== null && !(scope instanceof Map) ? new Code(value, scope) : undefined;
  }
  if (members.size !== 1) return undefined;
  const inner = (key: string): unknown => (typeof value === 'object' && value !== null && key in value ? (value as Record<string, unknown>)[key] : undefined);
  switch (name) {
    case '$oid':
      return typeof value === 'string' && /^[0-9a-f]{24}$/.test(value) ? ObjectId.createFromHexString(value) : undefined;
    case '$numberLong':
      return typeof value === 'string' && /^-?[0-9]{1,19}$/.test(value) && String(BigInt.asIntN(64, BigInt(value))) === value
        ? Long.fromString(value)
        : undefined;
    case '$numberDouble':
      return value === 'NaN' || value === 'Infinity' || value === '-Infinity' ? new Double(Number(value)) : undefined;
    case '$numberDecimal':
      return typeof value === 'string' ? exactDecimal(value) : undefined;
    case '$date':
      return value instanceof Long ? momentOf(value.toBigInt()) : undefined;
    case '$binary': {
      const data = inner('base64');
      const subtype = inner('subType');
      const bytes = typeof data === 'string' ? fromBase64(data) : null;
      if (bytes === null || typeof subtype !== 'string' || !/^[0-9a-f]{2}$/.test(subtype)) return undefined;
      return new Binary(bytes, Number.parseInt(subtype, 16));
    }
    case '$timestamp': {
      const [t, i] = [unsigned(inner('t')), unsigned(inner('i'))];
      return t === null || i === null ? undefined : new Timestamp({ t, i });
    }
    case '$regularExpression': {
      const [pattern, options] = [inner('pattern'), inner('options')];
      return typeof pattern === 'string' && typeof options === 'string' ? new BSONRegExp(pattern, options) : undefined;
    }
    case '$minKey':
      return value instanceof Int32 && value.value === 1 ? new MinKey() : undefined;
    case '$maxKey':
      return value instanceof Int32 && value.value === 1 ? new MaxKey() : undefined;
    case '$code':
      return typeof value === 'string' ? new Code(value) : undefined;
    case '$symbol':
      return typeof value === 'string' ? new BSONSymbol(value) : undefined;
    case '$undefined':
    case '$dbPointer':
      throw new NoJson(`holds ${name}, a deprecated type that the driver cannot write`);
    default:
      return undefined;
  }
}

function exactDecimal(text: string): Decimal128 | undefined {
  try {
    const made = Decimal128.fromString(text);
    return made.toString() === text ? made : undefined;
  } catch {
    return undefined;
  }
}

function momentOf(milliseconds: bigint): Date {
  if (milliseconds > maxMoment || milliseconds < -maxMoment) throw new NoJson('holds a moment more than 275,000 years away, which the driver cannot write');
  return new Date(Number(milliseconds));
}

function unsigned(value: unknown): number | null {
  const number = value instanceof Int32 ? value.value : value instanceof Long ? Number(value.toBigInt()) : null;
  return number !== null && number >= 0 && number <= 0xffff_ffff ? number : null;
}
