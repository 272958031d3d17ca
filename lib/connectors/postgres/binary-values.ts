/** PostgreSQL's binary form of the types that a cursor may have, to canonical text. */
import { fromDayNumber, toDayNumber, writeDate, writeTimestamp } from '../../values/datetime.ts';
import type { PgType } from './types.ts';

type Decode = (field: Buffer) => string;

const epochDay = toDayNumber({ year: 2000, month: 1, day: 1 });
const maxInt64 = 2n ** 63n - 1n;
const minInt64 = -(2n ** 63n);
const microsecondsPerDay = 86_400_000_000n;

const decoders: Readonly<Record<string, Decode>> = {
  bool: (field) => String(field[0] === 1),
  int2: (field) => String(field.readInt16BE(0)),
  int4: (field) => String(field.readInt32BE(0)),
  int8: (field) => String(field.readBigInt64BE(0)),
  oid: (field) => String(field.readUInt32BE(0)),
  float8: (field) => {
    const value = field.readDoubleBE(0);
    return Object.is(value, -0) ? '-0' : String(value);
  },
  text: (field) => field.toString('utf8'),
  varchar: (field) => field.toString('utf8'),
  bpchar: (field) => field.toString('utf8'),
  bytea: (field) => `\\x${field.toString('hex')}`,
  uuid: (field) => field.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
  date: (field) => {
    const days = field.readInt32BE(0);
    if (days === 0x7fffffff) return 'infinity';
    return days === -0x80000000 ? '-infinity' : writeDate(fromDayNumber(days + epochDay));
  },
  timestamp: (field) => timestamp(field, null),
  timestamptz: (field) => timestamp(field, 0),
  numeric,
};

/** Undefined where a cursor of this type cannot be read from the bytes. */
export function binaryDecoder(type: PgType): Decode | undefined {
  return type.builtin && !type.array && type.kind === 'b' ? decoders[type.base] : undefined;
}

/** Microseconds since 2000-01-01, in UTC. */
function timestamp(field: Buffer, offsetSeconds: number | null): string {
  const value = field.readBigInt64BE(0);
  if (value === maxInt64) return 'infinity';
  if (value === minInt64) return '-infinity';
  let days = value / microsecondsPerDay;
  let left = value % microsecondsPerDay;
  if (left < 0n) {
    left += microsecondsPerDay;
    days -= 1n;
  }
  const seconds = Number(left / 1_000_000n);
  const micro = Number(left % 1_000_000n);
  const fraction = micro === 0 ? '' : String(micro).padStart(6, '0').replace(/0+$/, '');
  const time = { negative: false, hour: Math.floor(seconds / 3600), minute: Math.floor(seconds / 60) % 60, second: seconds % 60, fraction };
  return writeTimestamp({ date: fromDayNumber(Number(days) + epochDay), time, offsetSeconds });
}

/** Groups of four decimal digits with the weight of the first, a sign, and the number of digits shown after the point. */
function numeric(field: Buffer): string {
  const groups = field.readInt16BE(0);
  const weight = field.readInt16BE(2);
  const sign = field.readUInt16BE(4);
  const scale = field.readInt16BE(6);
  if (sign === 0xc000) return 'NaN';
  if (sign === 0xd000) return 'Infinity';
  if (sign === 0xf000) return '-Infinity';
  const group = (position: number): string => {
    const index = weight - position;
    return String(index >= 0 && index < groups ? field.readInt16BE(8 + index * 2) : 0).padStart(4, '0');
  };
  let whole = '';
  for (let position = Math.max(weight, 0); position >= 0; position--) whole += group(position);
  let fraction = '';
  for (let position = -1; fraction.length < scale; position--) fraction += group(position);
  whole = whole.replace(/^0+(?=[0-9])/, '');
  return `${sign === 0x4000 ? '-' : ''}${whole}${scale > 0 ? `.${fraction.slice(0, scale)}` : ''}`;
}
