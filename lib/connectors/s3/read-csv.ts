import { TextDecoder } from 'node:util';
import { type CsvError, type InfoRecord, type Parser, parse } from 'csv-parse';
import { contentOf } from './object-bytes.ts';
import { type Cell, Malformed, maxRecordBytes, type ObjectToRead, pieceRecords, type ReadRecord, type RecordReader, rawText, start } from './records.ts';

type Fields = (string | null)[];

/** Bytes given to the parser at a time. */
const sliceBytes = 64 * 1024;

interface Parsing {
  readonly parser: Parser;
  /** What has been parsed and not taken yet. */
  readonly records: { readonly fields: Fields | CsvError; readonly info: Pick<InfoRecord, 'bytes' | 'lines'>; readonly raw: string; broken?: boolean }[];
}

function startParsing(read: ObjectToRead): Parsing {
  const records: Parsing['records'] = [];
  const parser = parse({
    delimiter: read.delimiter,
    bom: read.from.bytes === 0,
    relax_column_count: true,
    skip_records_with_error: true,
    max_record_size: maxRecordBytes,
    // Nothing at all is NULL, two quotes are an empty text
    cast: (value, { quoting }) => (value === '' && !quoting ? null : value),
    on_record: (fields: Fields, { bytes, lines }) => {
      records.push({ fields, info: { bytes, lines }, raw: '' });
      return null;
    },
    on_skip: (error, raw) => {
      if (error !== undefined) records.push({ fields: error, info: { bytes: Number(error.bytes ?? 0), lines: Number(error.lines ?? 0) }, raw: raw ?? '' });
      return undefined;
    },
  });
  // Nothing is pushed, but the end comes only to who reads
  parser.resume();
  return { parser, records };
}

function written(parser: Parser, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => parser.write(bytes, (error) => (error ? reject(error) : resolve())));
}

function ended(parser: Parser): Promise<void> {
  return new Promise((resolve, reject) => {
    parser.once('end', resolve).once('error', reject);
    parser.end();
  });
}

/** Records in the order of the object; `info` counts from where the parser began. */
async function* parsed(read: ObjectToRead): AsyncGenerator<Parsing['records']> {
  const { bucket, object, compression, from, signal } = read;
  const { parser, records } = startParsing(read);
  let failure: unknown;
  let decoder = new TextDecoder('utf-8', { fatal: true });
  parser.on('error', (error) => {
    failure = error;
  });
  try {
    for await (const bytes of contentOf(bucket, object, { from: from.bytes, compression, signal })) {
      for (let at = 0; at < bytes.length; at += sliceBytes) {
        const slice = bytes.subarray(at, at + sliceBytes);
        const first = records.length;
        await written(parser, slice);
        if (!decodes(decoder, slice)) {
          decoder = new TextDecoder('utf-8', { fatal: true });
          for (const record of records.slice(first)) record.broken = true;
        }
        if (records.length < pieceRecords) continue;
        yield records.splice(0);
      }
    }
    await ended(parser);
    if (failure !== undefined) throw failure;
    if (records.length > 0) yield records.splice(0);
  } finally {
    parser.destroy();
  }
}

/** The parser decodes leniently, and U+FFFD in a text may be meant. */
function decodes(decoder: TextDecoder, bytes: Buffer): boolean {
  try {
    decoder.decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

async function columnNames(read: ObjectToRead): Promise<string[]> {
  for await (const [first] of parsed({ ...read, from: start })) {
    if (first === undefined || !Array.isArray(first.fields)) break;
    const names = first.fields.map((name, i) => (read.header ? (name ?? '') : `column${i + 1}`));
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) throw new Malformed(`has the column ${JSON.stringify(twice)} twice`);
    if (names.includes('')) throw new Malformed('has a column without a name in its first line');
    return names;
  }
  return [];
}

function cellsOf(names: readonly string[], { fields, raw, broken }: Parsing['records'][number]): ReadRecord['cells'] {
  if (!Array.isArray(fields)) return { reason: `is no CSV (${fields.code})`, raw: rawText(raw) };
  if (fields.length !== names.length)
    return { reason: `has ${fields.length} values for ${names.length} columns`, raw: rawText(fields.map((text) => text ?? '').join(',')) };
  const cells = new Map<string, Cell>();
  for (let i = 0; i < names.length; i++) {
    const text = fields[i] ?? null;
    if (broken === true && text?.includes('\uFFFD') === true) return { reason: 'is no UTF-8', raw: rawText(text) };
    cells.set(names[i] ?? '', { text });
  }
  return cells;
}

/** RFC 4180 with any one delimiter; line ends CR LF, LF or CR. */
export const csv: RecordReader = {
  unit: 'line',
  async declared(read) {
    return (await columnNames(read)).map((name) => ({ name, type: { kind: 'string' } }));
  },
  async *read(read) {
    const names = await columnNames(read);
    let skipHeader = read.header && read.from.bytes === 0;
    let before = 0;
    for await (const records of parsed(read)) {
      const piece: ReadRecord[] = [];
      for (const record of records) {
        const { bytes, lines } = record.info;
        const size = bytes - before;
        before = bytes;
        const number = read.from.rows + lines;
        if (skipHeader) {
          skipHeader = false;
          continue;
        }
        // An empty line is a row only where a row has one column
        if (Array.isArray(record.fields) && record.fields.length === 1 && record.fields[0] === null && names.length > 1) continue;
        piece.push({ number, cells: cellsOf(names, record), bytes: size, end: { bytes: read.from.bytes + bytes, rows: number } });
      }
      if (piece.length > 0) yield piece;
    }
  },
};
