/** Rows to the bytes of an object. Values have been checked before: encoding cannot fail. */
import { toText } from '../../values/convert.ts';
import { valueToJson } from '../../values/row-json.ts';
import type { Row, Schema } from '../../values/types.ts';
import { ParquetEncoder } from './parquet-encoder.ts';

export type Format = 'jsonl' | 'csv' | 'parquet';
export type Compression = 'none' | 'gzip' | 'zstd' | 'snappy';

/** For one object. */
export interface Encoder {
  add(rows: readonly Row[]): Uint8Array | null;
  /** What is still held, and what closes the object. */
  end(): Uint8Array | null;
}

class JsonLines implements Encoder {
  readonly #columns: readonly { readonly start: string; readonly type: Schema['columns'][number]['type'] }[];

  constructor({ columns }: Schema) {
    this.#columns = columns.map(({ name, type }, i) => ({ start: `${i === 0 ? '{' : ','}${JSON.stringify(name)}:`, type }));
  }

  add(rows: readonly Row[]): Uint8Array {
    let text = '';
    for (const row of rows) {
      for (let i = 0; i < this.#columns.length; i++) {
        const column = this.#columns[i];
        if (column !== undefined) text += column.start + valueToJson(row[i] ?? null, column.type);
      }
      text += '}\n';
    }
    return Buffer.from(text);
  }

  end(): null {
    return null;
  }
}

const special = /[",\r\n]|^\s|\s$/;

/** Quotes as RFC 4180 has them, lines end in LF. NULL is nothing at all, an empty text is `""`: the only way in which CSV can tell them apart. */
class Csv implements Encoder {
  readonly #schema: Schema;
  #headed = false;

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  add(rows: readonly Row[]): Uint8Array {
    const { columns } = this.#schema;
    let text = this.#headed ? '' : `${columns.map(({ name }) => field(name)).join(',')}\n`;
    this.#headed = true;
    for (const row of rows) {
      for (let i = 0; i < columns.length; i++) {
        const column = columns[i];
        if (i > 0) text += ',';
        if (column !== undefined) text += field(toText(row[i] ?? null, column.type));
      }
      text += '\n';
    }
    return Buffer.from(text);
  }

  end(): null {
    return null;
  }
}

function field(text: string | null): string {
  if (text === null) return '';
  return text === '' || special.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function encoderFor(format: Format, schema: Schema, compression: Compression): Encoder {
  switch (format) {
    case 'jsonl':
      return new JsonLines(schema);
    case 'csv':
      return new Csv(schema);
    case 'parquet':
      return new ParquetEncoder(schema, compression);
  }
}

const endings = { none: '', gzip: '.gz', zstd: '.zst', snappy: '' } as const;
export const contentTypes = { jsonl: 'application/x-ndjson', csv: 'text/csv', parquet: 'application/vnd.apache.parquet' } as const;

/** Parquet compresses inside, so that its name has no second ending. */
export function extensionOf(format: Format, compression: Compression): string {
  return format === 'parquet' ? 'parquet' : `${format}${endings[compression]}`;
}
