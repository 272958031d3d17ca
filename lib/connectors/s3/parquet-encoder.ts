import { gzipSync, zstdCompressSync } from 'node:zlib';
import type { SchemaElement } from 'hyparquet';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import type { Row, Schema } from '../../values/types.ts';
import type { Compression, Encoder } from './encoders.ts';
import { type ParquetColumn, parquetColumn } from './parquet-columns.ts';

/** Rows of a group are held as values until it is whole. */
const groupBytes = 8 * 1024 ** 2;
const groupRows = 50_000;

const codecs = { none: 'UNCOMPRESSED', snappy: 'SNAPPY', gzip: 'GZIP', zstd: 'ZSTD' } as const;
const compressors = { GZIP: (bytes: Uint8Array) => gzipSync(bytes, { level: 1 }), ZSTD: (bytes: Uint8Array) => zstdCompressSync(bytes) };

/** The library's buffer, emptied after each row group: offsets in the file go on. */
class Drained extends ByteWriter {
  drain(): Uint8Array {
    const bytes = this.getBytes().slice();
    this.index = 0;
    return bytes;
  }
}

export class ParquetEncoder implements Encoder {
  readonly #columns: readonly ParquetColumn[];
  readonly #bytes = new Drained(64 * 1024);
  readonly #writer: ParquetWriter;
  #rows: Row[] = [];
  #heldBytes = 0;

  constructor(schema: Schema, compression: Compression) {
    this.#columns = schema.columns.map(parquetColumn);
    const root: SchemaElement = { name: 'root', num_children: this.#columns.length };
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      schema: [root, ...this.#columns.map(({ element }) => element)],
      codec: codecs[compression],
      compressors,
      createdBy: 'idra',
    });
  }

  add(rows: readonly Row[]): Uint8Array | null {
    for (const row of rows) {
      this.#rows.push(row);
      for (const value of row) this.#heldBytes += typeof value === 'string' || value instanceof Uint8Array ? value.length + 16 : 16;
    }
    return this.#heldBytes >= groupBytes || this.#rows.length >= groupRows ? this.#group() : null;
  }

  end(): Uint8Array {
    if (this.#rows.length > 0) this.#write();
    this.#writer.finish();
    return this.#bytes.drain();
  }

  #group(): Uint8Array {
    this.#write();
    return this.#bytes.drain();
  }

  #write(): void {
    const rows = this.#rows;
    this.#rows = [];
    this.#heldBytes = 0;
    const columnData = this.#columns.map(({ element, physical }, i) => ({
      name: element.name,
      data: rows.map((row) => {
        const value = row[i] ?? null;
        return value === null ? null : physical(value);
      }),
    }));
    this.#writer.write({ columnData, rowGroupSize: rows.length });
  }
}
