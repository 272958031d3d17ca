/**
 * Rows of the text protocol, read from the driver's packets: what the socket has delivered is decoded once, and values are cut from it by code made for the columns. A call
 * of the driver for each value costs three times as much.
 */
import type mysql from 'mysql2';
import type { Row, Value } from '../../values/types.ts';
import type { ResultField } from './session.ts';
import type { MysqlColumn } from './types.ts';

/** One row's packet. The buffer is a socket's chunk with many of them, or the row alone. */
interface Packet {
  readonly buffer: Buffer;
  readonly offset: number;
  readonly end: number;
}

type Parse = (packet: Packet) => Row;

const beyondAscii = /[^\0-\x7f]/;
const jsonType = 245;
const binaryCharacterSet = 63;

/**
 * Makes the query deliver rows as arrays of canonical values; `taken` is called with each row's size on the wire, before the row. The driver makes a parser of its own when it knows
 * the fields, and keeps it in a field that has no other way in.
 */
export function parseRows(query: mysql.Query, columns: readonly MysqlColumn[], taken: (bytes: number) => void): void {
  let parse: Parse | null = null;
  query.on('fields', (fields) => {
    parse = rowFunction(columns, fields as unknown as readonly ResultField[]);
  });
  const parser = {
    next: (packet: Packet): Row => {
      if (parse === null) throw new Error('a row came before its fields');
      taken(packet.end - packet.offset);
      return parse(packet);
    },
  };
  Object.defineProperty(query, '_rowParser', { get: () => parser, set: () => undefined });
}

/** Bytes of a value that is longer than 250, and how many bytes say so: https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_dt_integers.html */
function longLength(buffer: Buffer, at: number): { length: number; width: number } {
  if (buffer[at] === 0xfc) return { length: buffer.readUInt16LE(at + 1), width: 3 };
  if (buffer[at] === 0xfd) return { length: buffer.readUIntLE(at + 1, 3), width: 4 };
  return { length: Number(buffer.readBigUInt64LE(at + 1)), width: 9 };
}

/** The session is in UTC. A zero date is no moment, and has no zone. */
function zoned(text: string): Value {
  return text.startsWith('0000-00-00') ? text : `${text}+00:00`;
}

/** The source text is made of numbers and fixed words alone. `s` is the buffer as Latin-1; `n` a value's length, `p` its place. */
function rowFunction(columns: readonly MysqlColumn[], fields: readonly ResultField[]): Parse {
  const values = columns.map(({ type }, i) => {
    const field = fields[i];
    if (type.kind === 'bytes') return 'b.subarray(p, p + n)';
    // The server says that JSON is binary, and sends UTF-8
    const utf8 = field !== undefined && (field.characterSet !== binaryCharacterSet || field.columnType === jsonType);
    const text = utf8 ? "(beyondAscii.test(t = s.slice(p, p + n)) ? b.toString('utf8', p, p + n) : t)" : 's.slice(p, p + n)';
    if (type.kind === 'boolean') return `${text} !== '0'`;
    return type.kind === 'timestamp' && type.zoned ? `zoned(${text})` : text;
  });
  const source = `let last = null, s = '';
  return (packet) => {
    const b = packet.buffer;
    if (last !== b) s = (last = b).toString('latin1');
    let p = packet.offset, n = 0, t = '';
    ${values
      .map(
        (value, i) => `let v${i} = null;
    if ((n = b[p]) === 251) p++;
    else {
      if (n < 251) p++;
      else { const { length, width } = longLength(b, p); n = length; p += width; }
      v${i} = ${value};
      p += n;
    }`,
      )
      .join('\n')}
    return [${values.map((_, i) => `v${i}`).join(', ')}];
  };`;
  return new Function('beyondAscii', 'longLength', 'zoned', source)(beyondAscii, longLength, zoned);
}
