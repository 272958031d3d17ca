/**
 * Parquet by hyparquet, which makes doubles of decimals and milliseconds of timestamps when it is left to convert. So the logical types are taken out of the metadata that it reads with, and the physical values,
 * which it gives exactly, are converted here.
 */
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead, parquetSchema, type SchemaElement, type SchemaTree } from 'hyparquet';
import { SyncError } from '../../errors.ts';
import type { ListedObject } from './cursor.ts';
import { readRange } from './object-bytes.ts';
import { type LogicalColumn, logicalColumn } from './parquet-values.ts';
import { type Cell, Malformed, type ObjectToRead, pieceRecords, type ReadRecord, type RecordReader } from './records.ts';

/** A row group is decoded in slices of so many values; its compressed bytes are held whole. */
const valuesAtOnce = 1_000_000;
const maxGroupBytes = 192 * 1024 ** 2;

const compressors = {
  GZIP: (bytes: Uint8Array) => gunzipSync(bytes),
  ZSTD: (bytes: Uint8Array) => zstdDecompressSync(bytes),
  BROTLI: (bytes: Uint8Array) => brotliDecompressSync(bytes),
};

interface Opened {
  readonly file: AsyncBuffer;
  readonly metadata: FileMetaData;
  readonly columns: readonly LogicalColumn[];
}

function bufferOf(read: ObjectToRead): AsyncBuffer {
  const { bucket, object, signal } = read;
  return {
    byteLength: object.bytes,
    slice: async (from, to = object.bytes) => {
      const bytes = await readRange(bucket, object, [from, to], signal);
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    },
  };
}

/** The library throws plain errors for what is no Parquet; the bucket's are ours. */
async function orMalformed<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SyncError || error instanceof Malformed) throw error;
    throw new Malformed(`is no whole Parquet file (${error instanceof Error ? error.message : String(error)})`);
  }
}

function isFlat({ children }: SchemaTree): boolean {
  return children.length === 0;
}

function plain(element: SchemaElement): SchemaElement {
  const { converted_type: _converted, logical_type: _logical, ...rest } = element;
  return rest;
}

async function open(read: ObjectToRead): Promise<Opened> {
  const file = bufferOf(read);
  const metadata = await orMalformed(() => parquetMetadataAsync(file));
  const { children } = parquetSchema(metadata);
  const columns = children.map((child) => {
    if (isFlat(child)) return logicalColumn(child.element, read.object.key);
    throw new SyncError(
      'UNSUPPORTED',
      `${read.object.key}: column ${child.element.name} is nested (a list, map or group), which is not read from Parquet. Write it as JSON text.`,
      {
        key: read.object.key,
        column: child.element.name,
      },
    );
  });
  return { file, metadata: { ...metadata, schema: metadata.schema.map((element, i) => (i === 0 ? element : plain(element))) }, columns };
}

function checkGroups(metadata: FileMetaData, { key }: ListedObject): void {
  for (const [i, group] of metadata.row_groups.entries()) {
    let bytes = 0;
    for (const column of group.columns) bytes += Number(column.meta_data?.total_compressed_size ?? 0);
    if (bytes > maxGroupBytes)
      throw new SyncError(
        'TOO_LARGE',
        `${key}: row group ${i + 1} has ${Math.round(bytes / 1024 ** 2)} MiB, and ${maxGroupBytes / 1024 ** 2} MiB can be read. Write it with smaller row groups.`,
        {
          key,
        },
      );
  }
}

async function rowsOf({ file, metadata, columns }: Opened, rowStart: number, rowEnd: number): Promise<unknown[][]> {
  let rows: unknown[][] = [];
  await orMalformed(() =>
    parquetRead({
      file,
      metadata,
      rowStart,
      rowEnd,
      columns: columns.map(({ name }) => name),
      compressors,
      utf8: false,
      geoparquet: false,
      // 96-bit timestamps, which are known by their physical type
      parsers: { timestampFromNanoseconds: (nanos: bigint) => nanos },
      rowFormat: 'array',
      onComplete: (read) => {
        rows = read;
      },
    }),
  );
  return rows;
}

export const parquet: RecordReader = {
  unit: 'row',
  async declared(read) {
    return (await open(read)).columns;
  },
  async *read(read): AsyncGenerator<ReadRecord[]> {
    const opened = await open(read);
    const { metadata, columns } = opened;
    checkGroups(metadata, read.object);
    const slice = Math.max(pieceRecords, Math.floor(valuesAtOnce / Math.max(1, columns.length)));
    let groupStart = 0;
    for (const group of metadata.row_groups) {
      const groupEnd = groupStart + Number(group.num_rows);
      for (let at = Math.max(groupStart, read.from.rows); at < groupEnd; at += slice) {
        read.signal.throwIfAborted();
        const rows = await rowsOf(opened, at, Math.min(at + slice, groupEnd));
        for (let i = 0; i < rows.length; i += pieceRecords) {
          yield rows.slice(i, i + pieceRecords).map((row, j) => record(columns, row, at + i + j + 1));
        }
      }
      groupStart = groupEnd;
    }
  },
};

function record(columns: readonly LogicalColumn[], row: readonly unknown[], number: number): ReadRecord {
  const cells = new Map<string, Cell>();
  let bytes = 0;
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i];
    if (column === undefined) continue;
    const value = row[i] === null || row[i] === undefined ? null : column.value(row[i]);
    bytes += typeof value === 'string' || value instanceof Uint8Array ? value.length + 4 : 8;
    if (value === undefined)
      return { number, cells: { reason: `has a value in ${column.name} that is no ${column.type.kind}`, raw: '' }, bytes, end: { bytes: 0, rows: number } };
    cells.set(column.name, { value, type: column.type });
  }
  return { number, cells, bytes, end: { bytes: 0, rows: number } };
}
