import { SyncError } from '../../errors.ts';
import type { ListedObject } from './cursor.ts';
import { contentOf, type ObjectCompression } from './object-bytes.ts';
import { csv } from './read-csv.ts';
import { jsonDocument } from './read-json.ts';
import { jsonLines } from './read-jsonl.ts';
import { parquet } from './read-parquet.ts';
import type { ObjectToRead, RecordReader } from './records.ts';

export interface FormatOptions {
  readonly format: 'auto' | 'jsonl' | 'csv' | 'parquet' | 'json';
  readonly compression: 'auto' | ObjectCompression;
}

const endings: Readonly<Record<string, ObjectCompression>> = { gz: 'gzip', gzip: 'gzip', zst: 'zstd', zstd: 'zstd' };
const readers: Readonly<Record<string, RecordReader>> = { jsonl: jsonLines, ndjson: jsonLines, csv, tsv: csv, parquet };

function splitKey(key: string): { readonly ending: string; readonly compression: ObjectCompression } {
  const parts = key
    .slice(key.lastIndexOf('/') + 1)
    .toLowerCase()
    .split('.');
  const last = parts.at(-1) ?? '';
  const compression = Object.hasOwn(endings, last) && parts.length > 1 ? endings[last] : undefined;
  return { ending: (compression === undefined ? last : parts.at(-2)) ?? '', compression: compression ?? 'none' };
}

export function compressionOf({ key }: ListedObject, options: FormatOptions): ObjectCompression {
  return options.compression === 'auto' ? splitKey(key).compression : options.compression;
}

/** Throws `UNSUPPORTED` where the format can be told neither from the definition nor from the key. */
export async function readerFor(read: ObjectToRead, options: FormatOptions): Promise<RecordReader> {
  if (options.format === 'json') return jsonDocument;
  if (options.format !== 'auto') return readers[options.format] ?? jsonLines;
  const { key } = read.object;
  const { ending } = splitKey(key);
  if (ending === 'json') return (await isLines(read)) ? jsonLines : jsonDocument;
  const reader = Object.hasOwn(readers, ending) ? readers[ending] : undefined;
  if (reader === undefined)
    throw new SyncError('UNSUPPORTED', `${key} does not tell its format by its end: set source.format, or leave such keys out with source.suffix.`, {
      key,
      field: 'source.format',
    });
  return reader;
}

/** Many write JSON lines into `.json`: a whole object on the first line is one. */
async function isLines({ bucket, object, compression, signal }: ObjectToRead): Promise<boolean> {
  for await (const bytes of contentOf(bucket, object, { from: 0, compression, signal })) {
    const text = bytes
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trimStart();
    if (text === '') continue;
    if (!text.startsWith('{')) return false;
    const end = text.indexOf('\n');
    try {
      JSON.parse(end < 0 ? text : text.slice(0, end));
      return true;
    } catch {
      // What begins on one line and goes on is a document, unless the first line alone is broken: then the next one is whole
      const next = end < 0 ? '' : (text.slice(end + 1).split('\n', 1)[0] ?? '');
      return next.trimStart().startsWith('{') && next.trimEnd().endsWith('}');
    }
  }
  return true;
}
